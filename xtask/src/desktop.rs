//! A display and a session bus, where the machine has none or a test needs its own.

use std::process::Command;

use anyhow::Result;

use crate::packages;

/// Whether a window would be seen by a person.
pub fn has_display() -> bool {
    !cfg!(target_os = "linux")
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// A virtual display with a session bus and a runtime folder of its own. `program` and its
/// arguments are added by the caller; the folder lives as long as what is returned.
pub fn virtual_desktop() -> Result<(Command, tempfile::TempDir)> {
    packages::ensure(packages::For::Headless)?;
    let runtime_dir = tempfile::Builder::new().prefix("atthene-desktop-").tempdir()?;
    let mut command = Command::new("dbus-run-session");
    command
        .args(["--", "xvfb-run", "--auto-servernum", "--server-args=-screen 0 1280x800x24"])
        .env("XDG_RUNTIME_DIR", runtime_dir.path())
        .env_remove("WAYLAND_DISPLAY")
        .env("GDK_BACKEND", "x11")
        .env("NO_AT_BRIDGE", "1");
    Ok((command, runtime_dir))
}
