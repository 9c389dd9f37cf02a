//! Commands on the settings, the database and the gateway's main switch.

use std::path::PathBuf;

use atthene_core::Settings;
use tauri::{AppHandle, Runtime, State};
use tauri_plugin_clipboard_manager::ClipboardExt;

use super::{Answer, SecretRequest, blocking, choose_new_file, choose_old_file, on_core};
use crate::startup::Startup;

#[tauri::command]
pub(crate) async fn get_settings(startup: State<'_, Startup>) -> Answer<Settings> {
    on_core(&startup, |core| Ok(Settings::clone(&core.settings.current()))).await
}

#[tauri::command]
pub(crate) async fn save_settings(
    startup: State<'_, Startup>,
    settings: Settings,
    credential: SecretRequest,
) -> Answer<Settings> {
    let core = startup.core().await?;
    let saved = core.save_settings(settings, credential.into()).await.map_err(|error| error.view())?;
    Ok(Settings::clone(&saved))
}

/// The names of the settings that the machine's administrator has fixed.
#[tauri::command]
pub(crate) async fn fixed_settings(startup: State<'_, Startup>) -> Answer<Vec<String>> {
    on_core(&startup, |core| Ok(core.settings.fixed())).await
}

/// What answered at this base URL.
#[tauri::command]
pub(crate) async fn test_runtime(startup: State<'_, Startup>, url: String) -> Answer<String> {
    let core = startup.core().await?;
    core.test_runtime(&url).await.map_err(|error| error.view())
}

#[tauri::command]
pub(crate) async fn stop_everything(startup: State<'_, Startup>) -> Answer<()> {
    on_core(&startup, |core| core.stop_everything().map(drop)).await
}

#[tauri::command]
pub(crate) async fn resume_everything(startup: State<'_, Startup>) -> Answer<()> {
    on_core(&startup, |core| core.resume()).await
}

#[tauri::command]
pub(crate) async fn choose_backup<R: Runtime>(app: AppHandle<R>) -> Answer<Option<PathBuf>> {
    choose_new_file(app, "atthene-settings.backup".into()).await
}

#[tauri::command]
pub(crate) async fn back_up(startup: State<'_, Startup>, path: PathBuf) -> Answer<()> {
    on_core(&startup, move |core| core.back_up(&path)).await
}

#[tauri::command]
pub(crate) async fn choose_restore<R: Runtime>(app: AppHandle<R>) -> Answer<Option<PathBuf>> {
    choose_old_file(app).await
}

#[tauri::command]
pub(crate) async fn restore(startup: State<'_, Startup>, path: PathBuf) -> Answer<()> {
    on_core(&startup, move |core| core.restore(&path)).await
}

#[tauri::command]
pub(crate) async fn reset(startup: State<'_, Startup>) -> Answer<()> {
    let core = startup.core().await?;
    core.reset().await.map_err(|error| error.view())
}

/// Copies versions, settings and the latest failures.
#[tauri::command]
pub(crate) async fn copy_diagnostics<R: Runtime>(app: AppHandle<R>, startup: State<'_, Startup>) -> Answer<()> {
    let gateway = startup.gateway_state();
    let text = on_core(&startup, |core| core.diagnostics()).await?;
    let text = format!("{text}gateway: {gateway:?}\nweb view: {}\n", tauri::webview_version().unwrap_or_default());
    blocking(move || {
        app.clipboard().write_text(text).map_err(|error| atthene_core::Error::Clipboard(error.to_string()))
    })
    .await
}
