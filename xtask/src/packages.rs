//! System packages: looked for, and installed where the system is one that we know.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::steps::{must, say};

/// What packages are needed for.
#[derive(Clone, Copy)]
pub enum For {
    /// Building the app.
    Build,
    /// Running it where there is no display.
    Headless,
    /// A database server for tests. Where the package starts one, that is left alone.
    Database,
    /// The end-to-end tests.
    EndToEnd,
    /// What calls are made with, to build for them.
    Tuning,
    /// The gateways that the benchmark compares with.
    Bench,
    /// Building for Windows and macOS, and running what is for Windows.
    OtherSystems,
    /// Making packages, and looking at them.
    Packaging,
}

struct System {
    name: &'static str,
    /// Whether one package is there.
    query: &'static [&'static str],
    refresh: Option<&'static [&'static str]>,
    install: &'static [&'static str],
    build: &'static [&'static str],
    headless: &'static [&'static str],
    database: &'static [&'static str],
    end_to_end: &'static [&'static str],
    tuning: &'static [&'static str],
    bench: &'static [&'static str],
    other_systems: &'static [&'static str],
    packaging: &'static [&'static str],
}

const DEBIAN: System = System {
    name: "Debian",
    query: &["dpkg-query", "--show", "--showformat=${db:Status-Status}"],
    refresh: Some(&["apt-get", "update", "-qq"]),
    install: &["apt-get", "install", "-y", "-qq", "--no-install-recommends"],
    build: &["build-essential", "pkg-config", "libwebkit2gtk-4.1-dev", "libgtk-3-dev", "librsvg2-dev"],
    headless: &["xvfb", "xauth", "dbus", "imagemagick", "fonts-dejavu-core"],
    // Version 15 on Debian 12.
    database: &["postgresql", "iproute2"],
    end_to_end: &[
        "webkit2gtk-driver",
        "openbox",
        "wmctrl",
        "xdotool",
        "x11-utils",
        "procps",
        "git",
        "gnome-keyring",
        "libsecret-tools",
        "xclip",
        "faketime",
        "curl",
        "python3",
        "python3-venv",
        "chromium",
        "chromium-driver",
        "xdg-utils",
        "desktop-file-utils",
        "libglib2.0-bin",
        "dunst",
        "xfce4-panel",
        "nginx-light",
        "caddy",
    ],
    tuning: &["nginx-light", "wrk"],
    bench: &["nginx-light", "haproxy", "caddy", "wrk"],
    other_systems: &["rustc-web", "cargo-web", "rust-web-src", "gcc-mingw-w64-x86-64", "wine64", "libclang1-14"],
    packaging: &["dpkg-dev", "rpm", "lintian", "appstream", "desktop-file-utils", "debootstrap", "xz-utils"],
};

const FEDORA: System = System {
    name: "Fedora",
    query: &["rpm", "--query"],
    refresh: None,
    install: &["dnf", "install", "-y"],
    build: &["gcc", "pkgconf-pkg-config", "webkit2gtk4.1-devel", "gtk3-devel", "librsvg2-devel"],
    headless: &["xorg-x11-server-Xvfb", "xorg-x11-xauth", "dbus-daemon", "ImageMagick", "dejavu-sans-fonts"],
    database: &["postgresql-server", "iproute"],
    // Fedora builds WebKitWebDriver for GTK 4 only, so the end-to-end tests run on Debian.
    end_to_end: &[],
    tuning: &["nginx", "wrk"],
    bench: &["nginx", "haproxy", "caddy", "wrk"],
    // The compiler that can build for them is a package of Debian.
    other_systems: &[],
    packaging: &[],
};

const ARCH: System = System {
    name: "Arch",
    query: &["pacman", "--query"],
    refresh: None,
    install: &["pacman", "--sync", "--noconfirm", "--needed"],
    build: &["base-devel", "webkit2gtk-4.1", "gtk3", "librsvg"],
    headless: &["xorg-server-xvfb", "xorg-xauth", "dbus", "imagemagick", "ttf-dejavu"],
    database: &["postgresql", "iproute2"],
    end_to_end: &["openbox", "wmctrl", "xdotool", "git", "xclip", "libfaketime", "curl", "python"],
    // wrk is not among its packages: builds are plain there.
    tuning: &[],
    bench: &["nginx", "haproxy", "caddy"],
    other_systems: &[],
    packaging: &[],
};

impl System {
    /// The system this runs on, where it is one that we know.
    fn this() -> Option<&'static Self> {
        let text = std::fs::read_to_string("/etc/os-release").ok()?;
        let ids: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
            .flat_map(|value| value.trim_matches('"').split(' '))
            .collect();
        [("debian", &DEBIAN), ("ubuntu", &DEBIAN), ("fedora", &FEDORA), ("arch", &ARCH)]
            .into_iter()
            .find_map(|(id, system)| ids.contains(&id).then_some(system))
    }

    fn has(&self, package: &str) -> bool {
        let found = Command::new(self.query[0]).args(&self.query[1..]).arg(package).stderr(Stdio::null()).output();
        found.is_ok_and(|found| found.status.success() && (self.name != DEBIAN.name || found.stdout == b"installed"))
    }
}

/// Whether this is Debian, or made from it.
pub fn is_debian() -> bool {
    System::this().is_some_and(|system| system.name == DEBIAN.name)
}

/// Sees to it that the packages are there.
pub fn ensure(what: For) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return check_tools();
    }
    let Some(system) = System::this() else {
        say("this Linux is not Debian, Fedora or Arch: install WebKitGTK 4.1 and GTK 3 for development yourself");
        return Ok(());
    };
    let wanted = match what {
        For::Build => system.build,
        For::Headless => system.headless,
        For::Database => system.database,
        For::EndToEnd => system.end_to_end,
        For::Tuning => system.tuning,
        For::Bench => system.bench,
        For::OtherSystems => system.other_systems,
        For::Packaging => system.packaging,
    };
    let missing: Vec<&str> = wanted.iter().copied().filter(|package| !system.has(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    say(&format!("installing {} (a {} system)", missing.join(", "), system.name));
    if let Some(refresh) = system.refresh {
        must(&mut as_root(refresh))?;
    }
    must(as_root(system.install).args(&missing).env("DEBIAN_FRONTEND", "noninteractive"))
        .with_context(|| format!("install these yourself: {}", missing.join(" ")))
}

fn as_root(command: &[&str]) -> Command {
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    if root {
        let mut run = Command::new(command[0]);
        run.args(&command[1..]);
        run
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(command);
        sudo
    }
}

/// macOS and Windows bring their web view; the compiler must be there.
fn check_tools() -> Result<()> {
    let (tool, arguments, remedy) = if cfg!(target_os = "macos") {
        ("xcode-select", &["-p"][..], "the Xcode command line tools: run `xcode-select --install`")
    } else {
        ("where", &["link.exe"][..], "the C++ build tools of Visual Studio: run this from its developer prompt")
    };
    let there = Command::new(tool).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        bail!("missing: {remedy}");
    }
    Ok(())
}

/// The page is built with Vite 8, which wants Node 20.19 or newer.
pub fn need_node() -> Result<()> {
    const REMEDY: &str = "Node 20.19 or newer with npm is needed to build the page: get it from https://nodejs.org or your package manager";
    let printed = Command::new("node").arg("--version").output().context(REMEDY)?;
    let version = String::from_utf8_lossy(&printed.stdout).trim().trim_start_matches('v').to_owned();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if (major, minor) < (20, 19) {
        bail!("{REMEDY} (found {version})");
    }
    Ok(())
}
