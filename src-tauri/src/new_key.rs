//! Holds the text of a new key while its dialog is open, so that copying and saving happen in Rust. A key that would
//! replace a live one is held without being in force until it is taken: whatever ends before changes nothing.

use std::sync::{Arc, Mutex, PoisonError};

use atthene_core::keys::{KeyId, KeyText, KeyView, PreparedKey};
use atthene_core::{Core, Error, UnixMs};
use serde::Serialize;
use ts_rs::TS;

/// The key whose dialog is open.
#[derive(Default)]
pub(crate) struct NewKeySlot(Mutex<Option<Held>>);

struct Held {
    prepared: Arc<PreparedKey>,
    /// Its row, once it is in force.
    issued: Option<KeyView>,
    place: KeyPlace,
}

/// Where the text lies, apart from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "place", rename_all = "snake_case")]
#[ts(export)]
pub(crate) enum KeyPlace {
    Nowhere,
    Clipboard {
        clears_at: UnixMs,
    },
    /// It was on the clipboard until its time was over.
    Cleared,
    /// It was on the clipboard, and something else was copied over it.
    Overwritten,
    File,
}

/// The new key as its dialog shows it: without its text.
#[derive(Serialize, TS)]
#[ts(export)]
pub(crate) struct NewKeyView {
    pub(crate) key: KeyView,
    /// Its text with the secret part hidden.
    masked: String,
    /// Whether it is in force.
    is_live: bool,
    /// The key that is in force until this one is taken, or was until then.
    pub(crate) replaces: Option<KeyId>,
    place: KeyPlace,
}

impl NewKeySlot {
    pub(crate) fn hold(&self, prepared: PreparedKey) -> NewKeyView {
        let held = Held { prepared: Arc::new(prepared), issued: None, place: KeyPlace::Nowhere };
        let view = held.view();
        *self.lock() = Some(held);
        view
    }

    pub(crate) fn view(&self) -> Option<NewKeyView> {
        self.lock().as_ref().map(Held::view)
    }

    /// The text, while its dialog is open.
    pub(crate) fn text(&self, id: &KeyId) -> Result<KeyText, Error> {
        self.with(id, |held| Ok(held.prepared.text().clone()))
    }

    /// Puts the key in force where it is not yet; the one before ends. Blocks on the rows.
    pub(crate) fn issue(&self, core: &Core, id: &KeyId) -> Result<KeyText, Error> {
        self.with(id, |held| {
            if held.issued.is_none() {
                held.issued = Some(core.keys.issue(&held.prepared)?);
            }
            Ok(held.prepared.text().clone())
        })
    }

    /// Where the text of this key lies from now on. A file outlasts the clipboard.
    pub(crate) fn lies(&self, id: &KeyId, place: KeyPlace) {
        let _ = self.with(id, |held| {
            if held.place != KeyPlace::File {
                held.place = place;
            }
            Ok(())
        });
    }

    /// What was on the clipboard is not there any more.
    pub(crate) fn left_clipboard(&self, now: KeyPlace) {
        if let Some(held) = self.lock().as_mut().filter(|held| matches!(held.place, KeyPlace::Clipboard { .. })) {
            held.place = now;
        }
    }

    pub(crate) fn dismiss(&self) {
        *self.lock() = None;
    }

    /// Whether a key is in force that nobody would have: one that is not in force yet is lost without harm.
    pub(crate) fn guards(&self) -> bool {
        self.lock().as_ref().is_some_and(|held| {
            held.issued.is_some() && matches!(held.place, KeyPlace::Nowhere | KeyPlace::Overwritten)
        })
    }

    fn with<T>(&self, id: &KeyId, work: impl FnOnce(&mut Held) -> Result<T, Error>) -> Result<T, Error> {
        let mut held = self.lock();
        work(held.as_mut().filter(|held| held.prepared.view().id == *id).ok_or(Error::KeyTextGone)?)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn view(&self) -> NewKeyView {
        let key = self.issued.clone().unwrap_or_else(|| self.prepared.view());
        NewKeyView {
            masked: format!("atk_{}_{}{}", key.id.0, "•".repeat(12), key.last_four),
            key,
            is_live: self.issued.is_some(),
            replaces: self.prepared.replaces().cloned(),
            place: self.place,
        }
    }
}
