//! `cargo xtask package`: what people install. Made from the release build, by the systems' own tools.

mod deb;
mod rpm;
mod sbom;
mod stage;
mod tools;
pub mod walk;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::app::{Programs, build, target};
use crate::packages;
use crate::steps::say;
use stage::Stage;
use tools::run_for;

/// Builds the programs and makes all packages of them.
pub fn run() -> Result<()> {
    packages::ensure(packages::For::Packaging)?;
    for package in make(&build()?)? {
        say(&package.display().to_string());
    }
    Ok(())
}

/// Makes the packages, the lists of what they are made of, and a file with the SHA-256 sums of all.
pub fn make(programs: &Programs) -> Result<Vec<PathBuf>> {
    let out = target().join("packages");
    if out.exists() {
        std::fs::remove_dir_all(&out)?;
    }
    std::fs::create_dir_all(&out)?;
    let stage = Stage::new(programs)?;
    let mut made = vec![deb::make(&stage, &out)?, rpm::make(&stage, &out)?];
    made.extend(sbom::make(&out)?);
    let names = made.iter().filter_map(|package| package.file_name());
    let sums = run_for(Command::new("sha256sum").args(names).current_dir(&out))?;
    made.push(out.join("SHA256SUMS"));
    std::fs::write(out.join("SHA256SUMS"), sums)?;
    Ok(made)
}
