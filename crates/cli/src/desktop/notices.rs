//! Desktop notifications. The core decides which are due; here they are only shown.

use atthene_core::identity::{IDENTIFIER, PRODUCT_NAME};
use notify_rust::Notification;

/// What is done with a notification that a person chooses.
type OnClick = fn();

/// Shows a notification; a person who clicks it is led on. A desktop that shows none is no error.
pub(super) async fn show(title: String, text: String, chosen: OnClick) {
    let shown = tokio::task::spawn_blocking(move || {
        let mut notification = Notification::new();
        notification.appname(PRODUCT_NAME).summary(&title).body(&text).icon(IDENTIFIER);
        lead_on(&mut notification, chosen)
    });
    match shown.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a notification could not be shown"),
        Err(error) => tracing::warn!(%error, "showing a notification broke"),
    }
}

/// Waits beside everything else until it is clicked or gone.
#[cfg(target_os = "linux")]
fn lead_on(notification: &mut Notification, chosen: OnClick) -> notify_rust::error::Result<()> {
    // The action that desktops take a click on the notification itself for.
    let shown = notification.action("default", "Open").show()?;
    std::thread::spawn(move || {
        shown.wait_for_action(|action| {
            if action == "default" {
                chosen();
            }
        });
    });
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn lead_on(notification: &mut Notification, _chosen: OnClick) -> notify_rust::error::Result<()> {
    notification.show().map(drop)
}
