//! Windows and macOS from Linux: Debian's own Rust has the sources of the standard library, so that it builds for
//! a system whose own is not at hand.

pub mod macos;
pub mod windows;

use std::path::PathBuf;
use std::process::Command;

use crate::app::{root, target};
use crate::packages;

/// The compiler of Debian's packages; its `cargo` builds the standard library with it.
const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";

/// Whether this machine can build for them.
pub fn can_build() -> bool {
    packages::is_debian() && cfg!(target_arch = "x86_64")
}

/// What both systems are built in, side by side and apart from what this one is built in.
fn folder() -> PathBuf {
    target().join("systems")
}

/// Debian's cargo for this system. The crates are those of the lock file.
fn cargo(task: &str, system: &str) -> Command {
    let mut cargo = Command::new(CARGO);
    // What the cargo that runs this has set is meant for another compiler.
    for (name, _) in std::env::vars_os() {
        let of_cargo = name.to_str().is_some_and(|name| name.starts_with("CARGO") || name.starts_with("RUST"));
        if of_cargo && name != "CARGO_HOME" {
            cargo.env_remove(name);
        }
    }
    cargo
        .args([task, "--locked", "-Z", "build-std=std,panic_unwind", "--target", system])
        .current_dir(root())
        .env("RUSTC", RUSTC)
        // Building the standard library asks for a nightly; Debian's compiler is a release.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", folder())
        // What nobody debugs here is built and linked in less than half the time without.
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_TEST_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "0");
    cargo
}
