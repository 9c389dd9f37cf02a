//! `cargo xtask package`: what people install. Made from the release build, by the systems' own tools.

mod deb;
mod rpm;
mod stage;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::app::{build_app, build_command, root, target};
use crate::packages;
use crate::steps::say;
use stage::Stage;

/// The name of the package.
const NAME: &str = "atthene-settings";
const SUMMARY: &str = "The API key and the integrations of your agents";
const DESCRIPTION: &str = "For the administrators of an agent platform: manages the one API key with which external \
applications call the agents, enforces it in a gateway on this machine, and connects Outlook and Teams accounts through \
Microsoft apps. With a window, a service, and the command atthene.";
const HOMEPAGE: &str = "https://atthene.com/";
const MAINTAINER: &str = "ATTHENE <packages@atthene.com>";

/// Builds the programs and makes all packages of them.
pub fn run() -> Result<()> {
    packages::ensure(packages::For::Packaging)?;
    let programs = [build_app()?, build_command()?];
    for package in make(&programs)? {
        say(&package.display().to_string());
    }
    Ok(())
}

/// Makes the packages, and a file with their SHA-256 sums.
pub fn make(programs: &[PathBuf; 2]) -> Result<Vec<PathBuf>> {
    let out = target().join("packages");
    if out.exists() {
        std::fs::remove_dir_all(&out)?;
    }
    std::fs::create_dir_all(&out)?;
    let stage = Stage::new(programs)?;
    let mut made = vec![deb::make(&stage, &out)?, rpm::make(&stage, &out)?];
    let names = made.iter().filter_map(|package| package.file_name());
    let sums = run_for(Command::new("sha256sum").args(names).current_dir(&out))?;
    made.push(out.join("SHA256SUMS"));
    std::fs::write(out.join("SHA256SUMS"), sums)?;
    Ok(made)
}

/// The version of the workspace.
fn version() -> Result<String> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml"))?;
    let line = manifest.lines().find_map(|line| line.strip_prefix("version = ")).context("no version")?;
    Ok(line.trim_matches('"').to_owned())
}

/// The day of the last commit: packages made twice of one commit are alike.
fn day() -> Result<String> {
    Ok(run_for(Command::new("git").args(["log", "-1", "--format=%cs"]).current_dir(root()))?.trim().to_owned())
}

/// What a program printed.
fn run_for(command: &mut Command) -> Result<String> {
    let done = command.output().with_context(|| format!("{} could not be started", command.get_program().display()))?;
    ensure!(done.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    std::fs::create_dir_all(path.parent().context("no folder")?)?;
    std::fs::write(path, content).with_context(|| path.display().to_string())
}
