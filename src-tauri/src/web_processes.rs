//! Keeps the web view's processes small.

use tauri::{AppHandle, Runtime};
use webkit2gtk::{HardwareAccelerationPolicy, HitTestResultExt, SettingsExt, WebView, WebViewExt};

use crate::first_page;

/// Forms and lists need no graphics card, and its drivers cost 75 MB of memory.
pub(crate) fn without_gpu(view: &WebView) {
    if let Some(settings) = WebViewExt::settings(view) {
        settings.set_hardware_acceleration_policy(HardwareAccelerationPolicy::Never);
    }
}

/// The browser's own menu reloads and goes back; only fields keep theirs, to cut and paste. A page that broke is
/// loaded again, and finds what was open.
pub(crate) fn without_browser_menu<R: Runtime>(view: &WebView, app: AppHandle<R>) {
    view.connect_context_menu(|_, _, _, at| !at.context_is_editable());
    view.connect_web_process_terminated(move |view, reason| {
        tracing::error!(?reason, "the page broke; it is loaded again");
        first_page::broke(&app);
        view.reload();
    });
}
