//! The start at login: an entry of the desktop that starts the service.

use atthene_core::identity::PRODUCT_NAME;
use auto_launch::{AutoLaunchBuilder, MacOSLaunchMode};

/// What the entry starts this program with.
const ARGUMENTS: [&str; 2] = ["serve", "--background"];

/// Makes or removes the entry, where it is otherwise.
pub(super) async fn set(wanted: bool) {
    // It reads and writes files of the desktop.
    let done = tokio::task::spawn_blocking(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let program = std::env::current_exe()?.display().to_string();
        // So Linux calls a program whose file was replaced by an upgrade since it started; the entry means the new one.
        let program = program.strip_suffix(" (deleted)").unwrap_or(&program);
        let item = AutoLaunchBuilder::new()
            .set_app_name(PRODUCT_NAME)
            .set_app_path(program)
            .set_macos_launch_mode(MacOSLaunchMode::LaunchAgent)
            .set_args(&ARGUMENTS)
            .build()?;
        if item.is_enabled()? == wanted {
            return Ok(());
        }
        if wanted {
            item.enable()?;
        } else {
            item.disable()?;
        }
        Ok(())
    });
    match done.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the start at login could not be changed"),
        Err(error) => tracing::warn!(%error, "changing the start at login broke"),
    }
}
