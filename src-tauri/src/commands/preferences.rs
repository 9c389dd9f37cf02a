//! Commands on the settings.

use atthene_core::Settings;
use tauri::State;

use super::{Answer, SecretRequest, on_core};
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
