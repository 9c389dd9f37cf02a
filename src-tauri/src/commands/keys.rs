//! Commands on the API key.

use std::path::PathBuf;
use std::time::Duration;

use atthene_core::activity::{CallerView, LastDay};
use atthene_core::keys::{EnvFileWritten, KeyId, KeyView, NewKey, PLACEHOLDER, RevokeReason, write_env_file};
use atthene_core::oversight::{GatewayState, TrialCall};
use atthene_core::{Core, Error};
use atthene_gateway::{RunsIn, running_as};
use serde::Serialize;
use tauri::{AppHandle, Manager, Runtime, State};
use tokio::sync::broadcast::error::RecvError;
use ts_rs::TS;

use super::{CommandAnswer, blocking, in_new_file, on_core};
use crate::clipboard;
use crate::new_key::{KeyPlace, NewKeySlot, NewKeyView};
use crate::state::Startup;

/// Longer than a service takes to start.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

#[tauri::command]
pub(crate) async fn list_keys(startup: State<'_, Startup>) -> CommandAnswer<Vec<KeyView>> {
    on_core(&startup, |core| core.keys.list()).await
}

/// Makes a key. With no live one it is in force at once; else when it is taken.
#[tauri::command]
pub(crate) async fn create_key<R: Runtime>(
    app: AppHandle<R>,
    startup: State<'_, Startup>,
    new: NewKey,
) -> CommandAnswer<NewKeyView> {
    on_core(&startup, move |core| {
        let slot = app.state::<NewKeySlot>();
        let prepared = core.keys.prepare(new)?;
        let view = slot.hold(prepared);
        if view.replaces.is_some() {
            return Ok(view);
        }
        slot.issue(&core, &view.key.id).inspect_err(|_| slot.dismiss())?;
        slot.view().ok_or(Error::KeyTextGone)
    })
    .await
}

/// The new key whose dialog is open, also after the page was loaded again.
#[tauri::command]
pub(crate) async fn held_new_key<R: Runtime>(app: AppHandle<R>) -> CommandAnswer<Option<NewKeyView>> {
    blocking(move || {
        clipboard::look(&app);
        Ok(app.state::<NewKeySlot>().view())
    })
    .await
}

/// The text, for eyes that want to see it.
#[tauri::command]
pub(crate) async fn reveal_new_key(slot: State<'_, NewKeySlot>, id: KeyId) -> CommandAnswer<String> {
    slot.text(&id).map(|text| text.expose().to_owned()).map_err(|error| error.view())
}

/// Puts the new key in force; the one before ends.
#[tauri::command]
pub(crate) async fn issue_new_key<R: Runtime>(
    app: AppHandle<R>,
    startup: State<'_, Startup>,
    id: KeyId,
) -> CommandAnswer<()> {
    on_core(&startup, move |core| app.state::<NewKeySlot>().issue(&core, &id).map(drop)).await
}

/// A first call with the new key through the gateway.
#[tauri::command]
pub(crate) async fn try_new_key(
    startup: State<'_, Startup>,
    slot: State<'_, NewKeySlot>,
    id: KeyId,
) -> CommandAnswer<TrialCall> {
    let core = startup.core().await?;
    let text = slot.text(&id).map_err(|error| error.view())?;
    let Some(port) = listening(&core, &startup).await else {
        return Err(Error::GatewayUnreachable("it does not listen".into()).view());
    };
    core.try_key(&text, port).await.map_err(|error| error.view())
}

/// The port of the gateway. A service that has just been started is waited for: whoever makes a key at once is not told
/// that it does not work.
async fn listening(core: &Core, startup: &Startup) -> Option<u16> {
    let mut changes = core.changes().subscribe();
    let listens = async {
        loop {
            let state = startup.gateway_state().await;
            if state.port().is_some() || !matches!(state, GatewayState::Starting | GatewayState::Stopped) {
                return state.port();
            }
            if matches!(changes.recv().await, Err(RecvError::Closed)) {
                return None;
            }
        }
    };
    tokio::time::timeout(STARTS_WITHIN, listens).await.ok().flatten()
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
pub(crate) async fn describe_key(
    startup: State<'_, Startup>,
    id: KeyId,
    name: String,
    note: String,
) -> CommandAnswer<KeyView> {
    on_core(&startup, move |core| core.keys.describe(&id, &name, &note)).await
}

#[tauri::command]
pub(crate) async fn recent_callers(startup: State<'_, Startup>, id: KeyId) -> CommandAnswer<Vec<CallerView>> {
    on_core(&startup, move |core| core.usage.recent_callers(&id)).await
}

#[tauri::command]
pub(crate) async fn last_day(startup: State<'_, Startup>) -> CommandAnswer<LastDay> {
    on_core(&startup, |core| core.usage.last_day()).await
}

/// Puts the new key in force and its text on the clipboard: alone, or in place of the placeholder of a sample.
#[tauri::command]
pub(crate) async fn copy_new_key<R: Runtime>(
    app: AppHandle<R>,
    startup: State<'_, Startup>,
    id: KeyId,
    inside: Option<String>,
) -> CommandAnswer<()> {
    on_core(&startup, move |core| {
        let slot = app.state::<NewKeySlot>();
        let key = slot.issue(&core, &id)?;
        let text = match inside {
            Some(sample) => sample.replace(PLACEHOLDER, key.expose()),
            None => key.expose().to_owned(),
        };
        let clears_at = clipboard::copy(&app, text.into(), core.settings.current().clipboard_seconds)?;
        slot.lies(&id, KeyPlace::Clipboard { clears_at });
        Ok(())
    })
    .await
}

/// Where a program runs that has to be given the new key.
#[derive(Serialize, TS)]
#[ts(export)]
pub(super) struct RunningView {
    /// Its process.
    process: i32,
    /// The folder that it works in, to be shown.
    #[ts(type = "string")]
    folder: PathBuf,
}

/// Where programs of these names run now, in their order.
#[tauri::command]
pub(crate) async fn where_programs_run(programs: Vec<String>) -> CommandAnswer<Vec<Option<RunningView>>> {
    let found = |name: &String| {
        let RunsIn { process, folder } = running_as(name)?;
        Some(RunningView { process, folder })
    };
    blocking(move || Ok(programs.iter().map(found).collect())).await
}

/// Asks for a .env file in the desktop's own dialog, puts the new key in force and its text into the file.
#[tauri::command]
pub(crate) async fn write_new_key<R: Runtime>(
    app: AppHandle<R>,
    startup: State<'_, Startup>,
    slot: State<'_, NewKeySlot>,
    id: KeyId,
    program: Option<String>,
) -> CommandAnswer<Option<EnvFileWritten>> {
    let core = startup.core().await?;
    slot.text(&id).map_err(|error| error.view())?;
    let (handle, written_id) = (app.clone(), id.clone());
    // The dialog opens where that program works; the page names no path.
    let folder = blocking(move || Ok(program.and_then(|name| running_as(&name)).map(|runs| runs.folder))).await?;
    let written = in_new_file(app, ".env".into(), folder, move |path| {
        let text = handle.state::<NewKeySlot>().issue(&core, &written_id)?;
        write_env_file(path, &text)
    });
    let written = written.await?;
    if written.is_some() {
        slot.lies(&id, KeyPlace::File);
    }
    Ok(written.map(|written| written.done))
}

#[tauri::command]
pub(crate) async fn dismiss_new_key(slot: State<'_, NewKeySlot>) -> CommandAnswer<()> {
    slot.dismiss();
    Ok(())
}
