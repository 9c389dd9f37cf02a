//! What is linked in: licences, sources, versions that are banned, and known holes.

use anyhow::{Context, Result, bail};

use crate::cargo_tool;
use crate::steps::{must, say};

const VERSION: &str = "0.20.2";

/// `cargo deny check`: everything that needs no network fails the step. The database of advisories lies
/// elsewhere; where it can't be had, that is said.
pub fn check() -> Result<()> {
    let deny = || cargo_tool::call("cargo-deny", VERSION);
    must(deny()?.args(["--locked", "check", "bans", "licenses", "sources"]))?;
    let advisories = deny()?.args(["--locked", "check", "advisories"]).output().context("cargo-deny")?;
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
