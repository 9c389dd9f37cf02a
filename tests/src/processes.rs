//! The processes under test: the window's, and the service's beside it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::machine::Machine;
use crate::{output, until};

/// Whether the window's process or the service beside it runs.
pub fn app_is_running() -> Result<bool> {
    Ok(window_is_running()? || service()?.is_some())
}

/// Whether the window's process runs.
pub fn window_is_running() -> Result<bool> {
    Ok(window_process()?.is_some())
}

/// The window's process, where it runs.
pub fn window_process() -> Result<Option<u32>> {
    Ok(running(&Machine::app()?, "")?.first().copied())
}

/// The process of the service that a window started, where it runs.
pub fn service() -> Result<Option<u32>> {
    let program = std::env::var_os("ATTHENE_COMMAND").map(PathBuf::from).context("ATTHENE_COMMAND names no command")?;
    Ok(running(&program, "--background")?.first().copied())
}

/// The processes of this program with this among their arguments.
fn running(program: &Path, argument: &str) -> Result<Vec<u32>> {
    let found = std::fs::read_dir("/proc")?.flatten().filter_map(|entry| {
        let is_it = std::fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == program);
        let arguments = std::fs::read(entry.path().join("cmdline")).ok().filter(|_| is_it)?;
        let has_it = argument.is_empty() || arguments.split(|byte| *byte == 0).any(|one| one == argument.as_bytes());
        entry.file_name().to_str().filter(|_| has_it)?.parse().ok()
    });
    Ok(found.collect())
}

/// Kills the window's process; the service beside it goes on.
pub async fn kill_window() -> Result<()> {
    output("pkill", &["-9", "-f", &Machine::app()?.display().to_string()]).await?;
    until("the window to be gone", || async { Ok((!window_is_running()?).then_some(())) }).await
}

/// Ends the window's process and the service beside it.
pub async fn end_app() -> Result<()> {
    // A window that lives would start the service again.
    let app = Machine::app()?.display().to_string();
    let _ = output("pkill", &["-TERM", "-f", &app]).await;
    until("the window to end", || async { Ok((!window_is_running()?).then_some(())) }).await?;
    if let Some(service) = service()? {
        output("kill", &["-TERM", &service.to_string()]).await?;
    }
    until("the app to end", || async { Ok((!app_is_running()?).then_some(())) }).await
}
