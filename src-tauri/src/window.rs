//! The one window: hidden until painted, and going nowhere.

use atthene_core::identity::PRODUCT_NAME;
use tauri::utils::config::WebviewUrl;
use tauri::webview::NewWindowResponse;
use tauri::{AppHandle, Emitter, Manager, Runtime, Theme, WebviewWindow, WebviewWindowBuilder, WindowEvent};

use crate::new_key::NewKeySlot;

/// The label that the capability names.
pub(crate) const LABEL: &str = "main";
/// Tells the page that the window was asked to close while a new key is not copied.
const CLOSE_HELD: &str = "close-held";

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
    let handle = app.clone();
    window.on_window_event(move |event| {
        if let WindowEvent::CloseRequested { api, .. } = event
            && handle.state::<NewKeySlot>().holds_uncopied()
        {
            api.prevent_close();
            let _ = handle.emit(CLOSE_HELD, ());
        }
    });
    Ok(())
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
