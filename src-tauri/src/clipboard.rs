//! Copies a key so that it does not linger: excluded from clipboard history where the
//! platform can, cleared after a while and at quit if it is still there.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use atthene_core::{Clock, Error, UnixMs};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tauri::{AppHandle, Manager, Runtime};
use tauri_plugin_clipboard_manager::ClipboardExt;

use crate::new_key::{KeyPlace, NewKeySlot};

/// What holds a key and was put on the clipboard by this app, until it is cleared.
#[derive(Default)]
pub(crate) struct CopiedKey(Mutex<Copied>);

#[derive(Default)]
struct Copied {
    text: Option<SecretString>,
    /// Counts copies, so that the timer of an older one leaves a newer one alone.
    copies: u64,
}

/// Copies what holds the key and returns when it will be cleared. Blocks on the clipboard.
pub(crate) fn copy<R: Runtime>(app: &AppHandle<R>, text: SecretString, seconds: u16) -> Result<UnixMs, Error> {
    app.clipboard().write_secret(text.expose_secret()).map_err(|error| Error::Clipboard(error.to_string()))?;
    let copied = app.state::<CopiedKey>();
    let copy = {
        let mut copied = copied.lock();
        copied.copies += 1;
        copied.text = Some(text);
        copied.copies
    };
    let app = app.clone();
    let wait = Duration::from_secs(u64::from(seconds));
    tauri::async_runtime::spawn(async move {
        tokio::time::sleep(wait).await;
        // Reading a clipboard that this process owns must not happen on the window's thread.
        let _ = tokio::task::spawn_blocking(move || {
            if app.state::<CopiedKey>().lock().copies == copy {
                clear_now(&app);
            }
        })
        .await;
    });
    Ok(Clock::system().now().plus(i64::from(seconds) * 1000))
}

/// Clears the clipboard if it still holds the key that this app put there.
pub(crate) fn clear_now<R: Runtime>(app: &AppHandle<R>) {
    let still_there = holds_key(app);
    if app.state::<CopiedKey>().lock().text.take().is_none() {
        return;
    }
    if still_there && let Err(error) = app.clipboard().clear() {
        tracing::warn!(%error, "the clipboard could not be cleared");
    }
    app.state::<NewKeySlot>().left_clipboard(if still_there { KeyPlace::Cleared } else { KeyPlace::Overwritten });
}

/// Looks whether something else was copied over the key. Blocks on the clipboard.
pub(crate) fn look<R: Runtime>(app: &AppHandle<R>) {
    if app.state::<CopiedKey>().lock().text.is_some() && !holds_key(app) {
        app.state::<NewKeySlot>().left_clipboard(KeyPlace::Overwritten);
    }
}

/// Whether the clipboard holds what this app put there.
fn holds_key<R: Runtime>(app: &AppHandle<R>) -> bool {
    let Some(text) = app.state::<CopiedKey>().lock().text.clone() else { return false };
    app.clipboard().read_text().is_ok_and(|held| held.as_bytes().ct_eq(text.expose_secret().as_bytes()).into())
}

/// Whether this desktop has a clipboard. Blocks on it.
pub(crate) fn is_within_reach<R: Runtime>(app: &AppHandle<R>) -> Result<(), String> {
    match app.clipboard().read_text().map_err(|error| error.to_string()) {
        // Empty, or holding a picture: it can be asked, and that is all that matters.
        Err(reason) if reason.contains("not available in the requested format") => Ok(()),
        other => other.map(drop),
    }
}

impl CopiedKey {
    fn lock(&self) -> std::sync::MutexGuard<'_, Copied> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
