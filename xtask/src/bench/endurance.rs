//! The release build of the command, for a long time.

use anyhow::Result;

use crate::app::{build_command, cargo};
use crate::packages;
use crate::steps::must;

pub fn run(arguments: &[&str]) -> Result<()> {
    packages::ensure(packages::For::Build)?;
    let atthene = build_command()?;
    must(
        cargo()
            .args(["run", "--release", "--locked", "--package", "atthene-endurance", "--"])
            .args(arguments)
            .env("ATTHENE_COMMAND", atthene),
    )
}
