//! Desktop notifications. The core decides which are due; here they are only shown.

use tauri::{AppHandle, Runtime};
use tauri_plugin_notification::NotificationExt;

/// Shows a notification. A desktop that shows none is no error.
pub(crate) fn show<R: Runtime>(app: &AppHandle<R>, title: &str, text: &str) {
    if let Err(error) = app.notification().builder().title(title).body(text).show() {
        tracing::info!(%error, "a notification could not be shown");
    }
}
