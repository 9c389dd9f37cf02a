//! Programs that have to succeed.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Runs a command to its end; a failure is an error that names it.
pub(super) fn must(command: &mut Command) -> Result<()> {
    let status =
        command.status().with_context(|| format!("{} could not be started", command.get_program().display()))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
