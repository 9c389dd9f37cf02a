//! Commands on the window itself.

use std::path::PathBuf;

use atthene_core::oversight::GatewayState;
use atthene_core::{Error, OnClose, Policy, Settings};
use serde::Serialize;
use tauri::{AppHandle, Manager, Runtime, State};
use tauri_plugin_clipboard_manager::ClipboardExt;
use ts_rs::TS;

use super::{CommandAnswer, blocking, on_core};
use crate::clipboard;
use crate::new_key::NewKeySlot;
use crate::startup;
use crate::state::{HasTray, Startup};
use crate::view_file::ViewFile;

/// What the page needs to know of the app that it belongs to.
#[derive(Serialize, TS)]
#[ts(export)]
pub(super) struct AppInfo {
    /// The version of the app.
    version: &'static str,
    /// Where the machine's administrator fixes things.
    policy_file: PathBuf,
    /// Where the database and the log lie.
    data_dir: PathBuf,
    /// Whether this desktop has a tray that shows the app.
    has_tray: bool,
}

/// Answers once the profile is open, or says why it can't be opened.
#[tauri::command]
pub(crate) async fn start_up<R: Runtime>(app: AppHandle<R>, startup: State<'_, Startup>) -> CommandAnswer<AppInfo> {
    #[cfg(target_os = "linux")]
    app.state::<crate::first_page::FirstPage>().runs();
    startup.core().await?;
    Ok(AppInfo {
        version: env!("CARGO_PKG_VERSION"),
        policy_file: Policy::path(),
        data_dir: startup.data_dir().map_err(|error| error.view())?,
        has_tray: app.state::<HasTray>().is_there(),
    })
}

/// Tries once more to open the profile.
#[tauri::command]
pub(crate) async fn try_again<R: Runtime>(app: AppHandle<R>, startup: State<'_, Startup>) -> CommandAnswer<AppInfo> {
    startup::again(&app);
    start_up(app, startup).await
}

/// The page shows something.
#[tauri::command]
pub(crate) async fn painted<R: Runtime>(app: AppHandle<R>, startup: State<'_, Startup>) -> CommandAnswer<()> {
    crate::window::show(&app);
    tracing::info!("the page is painted");
    startup.page_painted();
    Ok(())
}

/// Closes the window although a new key was not copied.
#[tauri::command]
pub(crate) async fn close_anyway<R: Runtime>(app: AppHandle<R>, slot: State<'_, NewKeySlot>) -> CommandAnswer<()> {
    slot.dismiss();
    crate::window::close(&app);
    Ok(())
}

/// Closes the window after the person said what that is to do. The choice is kept, unless the
/// administrator has fixed it; the window closes all the same.
#[tauri::command]
pub(crate) async fn close_window<R: Runtime>(
    app: AppHandle<R>,
    startup: State<'_, Startup>,
    on_close: OnClose,
) -> CommandAnswer<()> {
    let kept = on_core(&startup, move |core| {
        core.settings.save(Settings { on_close, ..Settings::clone(&core.settings.current()) })
    })
    .await;
    if let Err(error) = kept {
        tracing::warn!(code = ?error.code, "what closing the window does was not kept");
    }
    crate::window::close_as(&app, on_close);
    Ok(())
}

/// Shows the data folder in the desktop's file manager.
#[tauri::command]
pub(crate) async fn open_data_folder(startup: State<'_, Startup>) -> CommandAnswer<()> {
    let folder = startup.data_dir().map_err(|error| error.view())?;
    blocking(move || {
        tauri_plugin_opener::open_path(folder, None::<&str>).map_err(|error| Error::BrowserFailed(error.to_string()))
    })
    .await
}

/// What the page kept of its view.
#[tauri::command]
pub(crate) async fn kept_view(startup: State<'_, Startup>) -> CommandAnswer<Option<String>> {
    let file = view_file(&startup)?;
    blocking(move || Ok(file.read())).await
}

#[tauri::command]
pub(crate) async fn keep_view(startup: State<'_, Startup>, text: String) -> CommandAnswer<()> {
    let file = view_file(&startup)?;
    blocking(move || file.keep(&text)).await
}

fn view_file(startup: &Startup) -> CommandAnswer<ViewFile> {
    startup.data_dir().map(ViewFile::of).map_err(|error| error.view())
}

/// Asks the window to close, as its frame does.
#[tauri::command]
pub(crate) async fn ask_close<R: Runtime>(app: AppHandle<R>) -> CommandAnswer<()> {
    crate::window::close(&app);
    Ok(())
}

#[tauri::command]
pub(crate) async fn set_zoom<R: Runtime>(app: AppHandle<R>, factor: f64) -> CommandAnswer<()> {
    crate::window::zoom(&app, factor);
    Ok(())
}

/// Copies a text that is no secret, such as a snippet.
#[tauri::command]
pub(crate) async fn copy_text<R: Runtime>(app: AppHandle<R>, text: String) -> CommandAnswer<()> {
    blocking(move || {
        app.clipboard().write_text(text).map_err(|error| Error::Clipboard(error.to_string()))?;
        clipboard::look(&app);
        Ok(())
    })
    .await
}

/// Opens one of Microsoft's pages in the person's browser.
#[tauri::command]
pub(crate) async fn open_link(link: String) -> CommandAnswer<()> {
    blocking(move || {
        let link = atthene_identity::own_page(&link).ok_or(Error::LinkRefused)?;
        tauri_plugin_opener::open_url(link.as_str(), None::<&str>)
            .map_err(|error| Error::BrowserFailed(error.to_string()))
    })
    .await
}

#[tauri::command]
pub(crate) async fn gateway_state(startup: State<'_, Startup>) -> CommandAnswer<GatewayState> {
    Ok(startup.gateway_state().await)
}
