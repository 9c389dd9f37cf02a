//! What is linked in: licences, sources, versions that are banned, and known holes.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::app::{cargo, target};
use crate::steps::{must, say};

/// Looked at with this version, so that a run says the same everywhere.
const VERSION: &str = "0.20.2";

/// `cargo deny check`: everything that needs no network fails the step. The database of advisories lies
/// elsewhere; where it can't be had, that is said.
pub fn check() -> Result<()> {
    let deny = installed()?;
    must(Command::new(&deny).args(["--locked", "check", "bans", "licenses", "sources"]))?;
    let advisories = Command::new(&deny).args(["--locked", "check", "advisories"]).output().context("cargo-deny")?;
    let said = String::from_utf8_lossy(&advisories.stderr);
    if advisories.status.success() {
        return Ok(());
    }
    if said.contains("failed to fetch advisory database") {
        say("known holes were NOT looked for: the database of advisories can't be had here");
        return Ok(());
    }
    bail!("{said}");
}

/// The program, built once into the folder of builds.
fn installed() -> Result<PathBuf> {
    let folder = target().join("tools");
    let program = folder.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    let version = || Command::new(&program).arg("--version").output();
    if version().is_ok_and(|told| String::from_utf8_lossy(&told.stdout).contains(VERSION)) {
        return Ok(program);
    }
    say("installing cargo-deny (a few minutes, the first time)");
    let what = format!("cargo-deny@{VERSION}");
    must(cargo().args(["install", "--quiet", "--locked", "--root"]).arg(&folder).arg(what))?;
    Ok(program)
}
