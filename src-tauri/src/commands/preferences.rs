//! Commands on the settings.

use atthene_core::{SecretChange, Settings};
use secrecy::SecretString;
use serde::Deserialize;
use tauri::State;
use ts_rs::TS;

use super::{Answer, on_core};
use crate::startup::Startup;

/// What is to become of the agent runtime's credential, as the page says it.
#[derive(Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export)]
pub enum SecretRequest {
    /// Leave it as it is.
    Keep,
    /// Put this one in its place.
    Replace {
        /// The credential; it goes to the keychain and never comes back.
        #[ts(type = "string")]
        secret: SecretString,
    },
    /// Forget it.
    Remove,
}

impl From<SecretRequest> for SecretChange {
    fn from(request: SecretRequest) -> Self {
        match request {
            SecretRequest::Keep => Self::Keep,
            SecretRequest::Replace { secret } => Self::Replace(secret),
            SecretRequest::Remove => Self::Remove,
        }
    }
}

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
