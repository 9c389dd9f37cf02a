//! The one window: hidden until painted, going nowhere. With it this process ends, and the service goes on.

use atthene_core::identity::{PRODUCT_NAME, Profile};
use atthene_core::{OnClose, blocking};
use tauri::plugin::TauriPlugin;
use tauri::utils::config::WebviewUrl;
use tauri::webview::NewWindowResponse;
use tauri::{
    AppHandle, CloseRequestApi, Emitter, Manager, Runtime, Theme, WebviewWindow, WebviewWindowBuilder, WindowEvent,
};

use tauri_plugin_window_state::StateFlags;

use crate::new_key::NewKeySlot;
use crate::state::{HasTray, ServiceWish, Startup};

/// Where the window was, in the data folder.
const STATE_FILE: &str = "window.json";
/// The label that the capability names.
pub(crate) const LABEL: &str = "main";
/// Tells the page that the window was asked to close while a new key is not copied.
const CLOSE_HELD: &str = "close-held";
/// Tells the page that the person has to say what closing is to do.
const CLOSE_ASKED: &str = "close-asked";

/// Keeps size and place of the window in the data folder.
pub(crate) fn remembered<R: Runtime>(profile: Option<&Profile>) -> TauriPlugin<R> {
    let kept = tauri_plugin_window_state::Builder::default()
        .with_state_flags(StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED);
    match profile {
        // An absolute path takes the place of the plugin's own folder.
        Some(profile) => kept.with_filename(profile.data_dir().join(STATE_FILE).display().to_string()).build(),
        None => kept.build(),
    }
}

pub(crate) fn open<R: Runtime>(app: &AppHandle<R>) -> tauri::Result<()> {
    let window = WebviewWindowBuilder::new(app, LABEL, WebviewUrl::default())
        .title(PRODUCT_NAME)
        .inner_size(1100.0, 720.0)
        .min_inner_size(820.0, 560.0)
        .center()
        .visible(false)
        .on_navigation(|url| url.scheme() == "tauri" || url.host_str() == Some("tauri.localhost"))
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .build()?;
    // The colour of the page, so that nothing flashes before it paints (ui/src/tokens.css).
    let dark = window.theme().is_ok_and(|theme| theme == Theme::Dark);
    window.set_background_color(Some(if dark {
        tauri::webview::Color(22, 24, 29, 255)
    } else {
        tauri::webview::Color(255, 255, 255, 255)
    }))?;
    #[cfg(target_os = "linux")]
    let handle = app.clone();
    #[cfg(target_os = "linux")]
    window.with_webview(move |view| {
        crate::web_processes::without_gpu(&view.inner());
        crate::web_processes::without_browser_menu(&view.inner(), handle);
    })?;
    let handle = app.clone();
    window.on_window_event(move |event| {
        if let WindowEvent::CloseRequested { api, .. } = event {
            close_requested(&handle, api);
        }
    });
    Ok(())
}

fn close_requested<R: Runtime>(app: &AppHandle<R>, api: &CloseRequestApi) {
    if app.state::<NewKeySlot>().guards() {
        api.prevent_close();
        let _ = app.emit(CLOSE_HELD, ());
        return;
    }
    match app.state::<Startup>().settings().map(|settings| settings.on_close) {
        Some(OnClose::Ask) if !app.state::<HasTray>().is_there() && has_gateway(app) => {
            api.prevent_close();
            let _ = app.emit(CLOSE_ASKED, ());
        }
        Some(OnClose::Quit) => {
            api.prevent_close();
            quit(app);
        }
        // The service goes on, where there is one, and this process ends with its window.
        Some(OnClose::KeepRunning | OnClose::Ask) | None => {}
    }
}

/// Whether closing the window raises the question what becomes of the gateway.
fn has_gateway<R: Runtime>(app: &AppHandle<R>) -> bool {
    let startup = app.state::<Startup>();
    startup.service_wish() == ServiceWish::Kept || startup.opened_core().is_some_and(|core| core.has_service())
}

/// Starts this process anew, with the rows that the folder leads to by then.
pub(crate) fn start_anew<R: Runtime>(app: &AppHandle<R>) {
    app.state::<Startup>().leave();
    app.request_restart();
}

/// Ends the service and this process.
fn quit<R: Runtime>(app: &AppHandle<R>) {
    let startup = app.state::<Startup>();
    startup.leave();
    let core = startup.opened_core();
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Some(core) = core
            && let Err(error) = blocking(move || core.ask_service_to_end()).await
        {
            tracing::error!(%error, "the service goes on");
        }
        app.exit(0);
    });
}

/// Ends this process, where no new key would be lost: the person has quit elsewhere.
pub(crate) fn leave<R: Runtime>(app: &AppHandle<R>) {
    if app.state::<NewKeySlot>().guards() {
        let _ = app.emit(CLOSE_HELD, ());
        return;
    }
    app.state::<Startup>().leave();
    app.exit(0);
}

/// Asks the window to close, as its frame does.
pub(crate) fn close<R: Runtime>(app: &AppHandle<R>) {
    if let Some(window) = main_window(app) {
        let _ = window.close();
    }
}

/// Shows everything so many times as large.
pub(crate) fn zoom<R: Runtime>(app: &AppHandle<R>, factor: f64) {
    if let Some(window) = main_window(app) {
        let _ = window.set_zoom(factor.clamp(0.5, 2.0));
    }
}

/// Closes the window the way that the person chose.
pub(crate) fn close_as<R: Runtime>(app: &AppHandle<R>, chosen: OnClose) {
    if chosen == OnClose::Quit {
        return quit(app);
    }
    app.exit(0);
}

fn main_window<R: Runtime>(app: &AppHandle<R>) -> Option<WebviewWindow<R>> {
    app.get_webview_window(LABEL)
}

/// Shows the window for the first time. A window manager that refuses is not fought.
pub(crate) fn show<R: Runtime>(app: &AppHandle<R>) {
    if let Some(window) = main_window(app) {
        let _ = window.show();
    }
}

/// Brings the window to the front.
pub(crate) fn raise<R: Runtime>(app: &AppHandle<R>) {
    if let Some(window) = main_window(app) {
        let _ = window.unminimize();
        let _ = window.show();
        let _ = window.set_focus();
    }
}
