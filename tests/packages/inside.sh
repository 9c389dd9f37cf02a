#!/bin/bash
# The life of the .deb on a fresh Debian, as people meet it: installed, upgraded over a running service, used, removed.
# Runs inside that Debian, as root. Each thing that was seen to hold is a line that begins with "ok: "; what does not
# hold ends it.
set -euo pipefail
old=$1 new=$2
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
entry=com.atthene.settings.desktop
data=/home/ada/.local/share/com.atthene.settings

ok() { echo "ok: $*"; }
# The same session bus, display and folders for all that the person does.
ada() { runuser --user ada -- env --chdir=/home/ada HOME=/home/ada DISPLAY=:71 XDG_RUNTIME_DIR=/run/ada \
    DBUS_SESSION_BUS_ADDRESS=unix:path=/run/ada/bus "$@"; }
# Tries for 30 s.
until_true() {
    local what=$1 tries=300
    shift
    until "$@" > /dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo "never happened: $what" >&2; exit 1; }
        sleep 0.1
    done
    ok "$what"
}
answered() {
    [ "$(ada curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1:18765/api/amas/conversations/execute \
        --header "Authorization: Bearer $1" --header 'Content-Type: application/json' \
        --data '{"agent_id": "atthene-status", "message": "Hello!"}')" = 200 ]
}
serve() { ada setsid atthene serve > /tmp/serve.log 2>&1 & }
service() { pgrep --full --newest '^atthene serve'; }

apt-get -qq update
apt-get -qq install --no-install-recommends "$old" xvfb openbox xdotool x11-utils dbus curl procps libglib2.0-bin \
    desktop-file-utils > /tmp/install.log 2>&1 || { cat /tmp/install.log; exit 1; }
ok "$(basename "$old") is installed, with what it needs"
dpkg --listfiles atthene-settings > /tmp/files
ok "$(ada atthene --version)"
desktop-file-validate "/usr/share/applications/$entry"
[ "$(ada xdg-mime query default x-scheme-handler/com.atthene.settings)" = "$entry" ]
ok "the desktop hands the app's links to $entry"

install --directory --owner=ada --mode=700 /run/ada
ada Xvfb :71 -screen 0 1280x800x24 > /dev/null 2>&1 &
ada dbus-daemon --session --fork --address=unix:path=/run/ada/bus > /dev/null 2>&1
until_true "there is a display" ada xdpyinfo
ada openbox > /dev/null 2>&1 &

ada atthene config set gateway_port 18765 > /dev/null
serve
until_true "the service listens" ada curl --silent --fail http://127.0.0.1:18765/healthz
key=$(ada atthene key create --name Walk --expires 30d 2> /dev/null)
answered "$key"
ok "a call with a key of the command is answered"

running=$(service)
dpkg --install "$new" > /tmp/upgrade.log 2>&1 || { cat /tmp/upgrade.log; exit 1; }
[ "$(service)" = "$running" ] && answered "$key"
ok "upgraded to $(dpkg-query --show --showformat='${Version}' atthene-settings): the service that runs goes on and answers"
kill "$running"
until_true "it ends when it is told to" bash -c "! kill -0 $running"
serve
until_true "the new one serves the same key" answered "$key"

ada atthene key revoke --yes > /dev/null 2>&1
ada gio launch "/usr/share/applications/$entry" > /tmp/window.log 2>&1 &
until_true "the entry opens the window" ada xdotool search --onlyvisible --name '^ATTHENE Settings$'
window=$(ada xdotool search --onlyvisible --name '^ATTHENE Settings$' | head -n 1)
ada xprop -id "$window" WM_CLASS | grep --quiet "\"$(sed -n 's/^StartupWMClass=//p' "/usr/share/applications/$entry")\""
ok "desktops know by its class which entry and icon the window has"
# The page is there before it can be typed into.
until_true "the page is painted" grep --quiet --recursive "the page is painted" "$data/logs"
created() { ada atthene --json key list | grep --quiet --extended-regexp '"name": ?"From the window"'; }
create() {
    created && return
    ada xdotool windowactivate --sync "$window" key --clearmodifiers Escape key ctrl+n sleep 1 type --delay 30 'From the window'
    ada xdotool key Return sleep 2
    created
}
until_true "Ctrl+N, a name and Enter create a key in the window" create
ada xdg-open 'com.atthene.settings://oauth/microsoft-aaaaaa/callback?code=none&state=none' > /dev/null 2>&1 || true
until_true "a link reaches the window" grep --quiet --recursive "a link was not taken" "$data/logs"

ada atthene config set start_at_login true > /dev/null
until_true "the start at login starts the installed command" \
    grep --quiet '^Exec=/usr/bin/atthene serve --background' "/home/ada/.config/autostart/ATTHENE Settings.desktop"
pkill -u ada --full '^/usr/bin/atthene-settings|^atthene-settings' || true
until_true "without the window the service goes on" ada curl --silent --fail http://127.0.0.1:18765/healthz

apt-get -qq remove atthene-settings > /dev/null 2>&1
left() { while read -r file; do [ -d "$file" ] && ! [ -L "$file" ] || [ ! -e "$file" ] || echo "$file"; done < /tmp/files; }
[ -z "$(left)" ] || { left; exit 1; }
[ -s "$data/atthene.db" ]
ok "removed: no file of the package is left, and the data is"
dpkg --purge atthene-settings > /dev/null 2>&1
if grep --recursive --files-with-matches --fixed-strings com.atthene.settings /usr/share /etc /var/lib/dpkg/info; then exit 1; fi
[ -s "$data/atthene.db" ]
ok "purged: the system does not know it any more, and the data is still there"
