//! Commands on the settings, the database and the gateway's main switch.

use std::path::PathBuf;

use atthene_core::oversight::without_places;
use atthene_core::{Error, RestoreReport, Settings, SettingsInForce};
use tauri::{AppHandle, Runtime, State};
use tauri_plugin_clipboard_manager::ClipboardExt;

use super::{CommandAnswer, SecretRequest, Written, blocking, choose_old_file, in_new_file, on_core};
use crate::chosen::{ChosenFile, ToRestore};
use crate::state::Startup;

#[tauri::command]
pub(crate) async fn get_settings(startup: State<'_, Startup>) -> CommandAnswer<SettingsInForce> {
    on_core(&startup, |core| Ok(core.settings.in_force())).await
}

#[tauri::command]
pub(crate) async fn save_settings(
    startup: State<'_, Startup>,
    settings: Settings,
    credential: SecretRequest,
) -> CommandAnswer<SettingsInForce> {
    let core = startup.core().await?;
    core.save_settings(settings, credential.into()).await.map_err(|error| error.view())?;
    Ok(core.settings.in_force())
}

/// The names of the settings that the machine's administrator has fixed.
#[tauri::command]
pub(crate) async fn fixed_settings(startup: State<'_, Startup>) -> CommandAnswer<Vec<String>> {
    on_core(&startup, |core| Ok(core.settings.fixed())).await
}

/// What answered at this base URL.
#[tauri::command]
pub(crate) async fn test_runtime(startup: State<'_, Startup>, url: String) -> CommandAnswer<String> {
    let core = startup.core().await?;
    core.test_runtime(&url).await.map_err(|error| error.view())
}

#[tauri::command]
pub(crate) async fn stop_everything(startup: State<'_, Startup>) -> CommandAnswer<()> {
    on_core(&startup, |core| core.stop_everything().map(drop)).await
}

#[tauri::command]
pub(crate) async fn resume_everything(startup: State<'_, Startup>) -> CommandAnswer<()> {
    on_core(&startup, |core| core.resume()).await
}

/// Copies the database to a file that is asked for.
#[tauri::command]
pub(crate) async fn back_up<R: Runtime>(
    app: AppHandle<R>,
    startup: State<'_, Startup>,
) -> CommandAnswer<Option<Written<()>>> {
    let core = startup.core().await?;
    in_new_file(app, "atthene-settings.backup".into(), None, move |path| core.back_up(path)).await
}

/// Asks for a backup, and tells what it is called. [`restore`] puts it back.
#[tauri::command]
pub(crate) async fn choose_restore<R: Runtime>(
    app: AppHandle<R>,
    chosen: State<'_, ChosenFile<ToRestore>>,
) -> CommandAnswer<Option<PathBuf>> {
    let file = choose_old_file(app, "Choose a backup").await?;
    chosen.hold(file.clone());
    Ok(file)
}

/// Puts the chosen backup back.
#[tauri::command]
pub(crate) async fn restore(
    startup: State<'_, Startup>,
    chosen: State<'_, ChosenFile<ToRestore>>,
) -> CommandAnswer<RestoreReport> {
    let core = startup.core().await?;
    let none = || Error::Backup("No file was chosen".into()).view();
    let file = chosen.take().ok_or_else(none)?;
    core.restore(&file).await.map_err(|error| error.view())
}

#[tauri::command]
pub(crate) async fn reset(startup: State<'_, Startup>) -> CommandAnswer<()> {
    let core = startup.core().await?;
    core.reset().await.map_err(|error| error.view())
}

/// Copies versions, settings and the latest failures.
#[tauri::command]
pub(crate) async fn copy_diagnostics<R: Runtime>(app: AppHandle<R>, startup: State<'_, Startup>) -> CommandAnswer<()> {
    let gateway = startup.gateway_state().await;
    let text = on_core(&startup, |core| core.diagnostics()).await?;
    let more = format!("gateway: {gateway:?}\nweb view: {}\n", tauri::webview_version().unwrap_or_default());
    let text = text + &without_places(&more);
    blocking(move || app.clipboard().write_text(text).map_err(|error| Error::Clipboard(error.to_string()))).await
}
