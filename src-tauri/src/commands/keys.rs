//! Commands on the API key.

use atthene_core::UnixMs;
use atthene_core::activity::{CallerView, LastDay};
use atthene_core::keys::{EnvFileWritten, KeyId, KeyView, NewKey, RevokeReason, write_env_file};
use serde::Serialize;
use tauri::{AppHandle, Runtime, State};
use ts_rs::TS;

use super::{CommandAnswer, in_new_file, on_core};
use crate::clipboard;
use crate::new_key::NewKeySlot;
use crate::state::Startup;

/// A key with its text, this one time.
#[derive(Serialize, TS)]
#[ts(export)]
pub(super) struct CreatedKey {
    key: KeyView,
    /// Its text: shown now, and never again.
    text: String,
}

#[tauri::command]
pub(crate) async fn list_keys(startup: State<'_, Startup>) -> CommandAnswer<Vec<KeyView>> {
    on_core(&startup, |core| core.keys.list()).await
}

#[tauri::command]
pub(crate) async fn create_key(
    startup: State<'_, Startup>,
    slot: State<'_, NewKeySlot>,
    new: NewKey,
) -> CommandAnswer<CreatedKey> {
    let (key, text) = on_core(&startup, move |core| core.keys.create(new)).await?;
    let created = CreatedKey { key: key.clone(), text: text.expose().to_owned() };
    slot.hold(key.id, text);
    Ok(created)
}

#[tauri::command]
pub(crate) async fn revoke_key(
    startup: State<'_, Startup>,
    id: KeyId,
    reason: Option<RevokeReason>,
) -> CommandAnswer<KeyView> {
    on_core(&startup, move |core| core.keys.revoke(&id, reason)).await
}

#[tauri::command]
pub(crate) async fn recent_callers(startup: State<'_, Startup>, id: KeyId) -> CommandAnswer<Vec<CallerView>> {
    on_core(&startup, move |core| core.usage.recent_callers(&id)).await
}

#[tauri::command]
pub(crate) async fn last_day(startup: State<'_, Startup>) -> CommandAnswer<LastDay> {
    on_core(&startup, |core| core.usage.last_day()).await
}

/// Copies the text of the new key; returns when it will be cleared from the clipboard.
#[tauri::command]
pub(crate) async fn copy_new_key<R: Runtime>(
    app: AppHandle<R>,
    startup: State<'_, Startup>,
    slot: State<'_, NewKeySlot>,
    id: KeyId,
) -> CommandAnswer<UnixMs> {
    let text = slot.text(&id).map_err(|error| error.view())?;
    let clears_at =
        on_core(&startup, move |core| clipboard::copy(&app, text, core.settings.current().clipboard_seconds)).await?;
    slot.taken(&id);
    Ok(clears_at)
}

/// Asks for a .env file in the desktop's own dialog, and puts the text of the new key into it.
#[tauri::command]
pub(crate) async fn write_new_key<R: Runtime>(
    app: AppHandle<R>,
    slot: State<'_, NewKeySlot>,
    id: KeyId,
) -> CommandAnswer<Option<EnvFileWritten>> {
    let text = slot.text(&id).map_err(|error| error.view())?;
    let written = in_new_file(app, ".env".into(), move |path| write_env_file(path, &text)).await?;
    if written.is_some() {
        slot.taken(&id);
    }
    Ok(written.map(|written| written.done))
}

#[tauri::command]
pub(crate) async fn dismiss_new_key(slot: State<'_, NewKeySlot>) -> CommandAnswer<()> {
    slot.dismiss();
    Ok(())
}
