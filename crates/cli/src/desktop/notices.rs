//! Desktop notifications. The core decides which are due; here they are only shown.

use atthene_core::identity::{IDENTIFIER, PRODUCT_NAME};
use notify_rust::Notification;

/// Shows a notification. A desktop that shows none is no error.
pub(super) async fn show(title: String, text: String) {
    let shown = tokio::task::spawn_blocking(move || {
        let mut notification = Notification::new();
        notification.appname(PRODUCT_NAME).summary(&title).body(&text).icon(IDENTIFIER);
        notification.show().map(drop)
    });
    match shown.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a notification could not be shown"),
        Err(error) => tracing::warn!(%error, "showing a notification broke"),
    }
}
