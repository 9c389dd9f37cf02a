//! Keeps the page alive under the locale `C.UTF-8`, the usual one of servers and containers.
//!
//! WebKitGTK makes the language tag "C" of it, and every `Intl` call of the page throws
//! "invalid language tag". Plain `C` is known to WebKit. The variables are read when the
//! process starts and setting them later is unsafe, so the process starts itself again.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Returns where the locale is fine; starts the program again with a better one where it is not.
pub(crate) fn make_usable() {
    let chosen =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(std::env::var_os).find(|value| !value.is_empty());
    let nameless = chosen.is_some_and(|locale| locale.to_string_lossy().starts_with("C."));
    let Ok(program) = std::env::current_exe() else { return };
    if nameless {
        let mut again = Command::new(program);
        again.args(std::env::args_os().skip(1)).env_remove("LC_ALL").env("LC_CTYPE", "en_US.UTF-8");
        // Comes back only when it failed; then the app goes on as it is.
        let error = again.exec();
        tracing::warn!(%error, "the app could not be started again with a usable locale");
    }
}
