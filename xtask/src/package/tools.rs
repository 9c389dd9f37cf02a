//! What all packages say of themselves, and the hands that make them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::app::root;

/// The name of the package.
pub const NAME: &str = "atthene-settings";
pub const SUMMARY: &str = "API key and integrations of an agent platform";
pub const DESCRIPTION: &str = "For the administrators of an agent platform: manages the one API key with which external \
applications call the agents, enforces it in a gateway on this machine, and connects Outlook and Teams accounts through \
Microsoft apps. With a window, a service, and the command atthene.";
pub const MAINTAINER: &str = "ATTHENE <packages@atthene.com>";

/// The version of the workspace.
pub fn version() -> Result<String> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml"))?;
    let line = manifest.lines().find_map(|line| line.strip_prefix("version = ")).context("no version")?;
    Ok(line.trim_matches('"').to_owned())
}

/// The day of the last commit: packages made twice of one commit are alike.
pub fn day() -> Result<String> {
    Ok(run_for(Command::new("git").args(["log", "-1", "--format=%cs"]).current_dir(root()))?.trim().to_owned())
}

/// What a program printed.
pub fn run_for(command: &mut Command) -> Result<String> {
    let done = command.output().with_context(|| format!("{} could not be started", command.get_program().display()))?;
    ensure!(done.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    std::fs::create_dir_all(path.parent().context("no folder")?)?;
    std::fs::write(path, content).with_context(|| path.display().to_string())
}
