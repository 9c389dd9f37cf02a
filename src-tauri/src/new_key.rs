//! Holds the text of a new key while its dialog is open, so that copying and saving happen
//! in Rust and the text never comes back from the page.

use std::sync::{Mutex, PoisonError};

use atthene_core::Error;
use atthene_core::keys::{KeyId, KeyText};

/// The text of the key that was just created.
#[derive(Default)]
pub(crate) struct NewKeySlot(Mutex<Option<Held>>);

struct Held {
    id: KeyId,
    text: KeyText,
    taken: bool,
}

impl NewKeySlot {
    pub(crate) fn hold(&self, id: KeyId, text: KeyText) {
        *self.lock() = Some(Held { id, text, taken: false });
    }

    /// The text, while its dialog is open.
    pub(crate) fn text(&self, id: &KeyId) -> Result<KeyText, Error> {
        self.lock().as_ref().filter(|held| held.id == *id).map(|held| held.text.clone()).ok_or(Error::KeyTextGone)
    }

    /// The text has a place of its own now: the clipboard or a file.
    pub(crate) fn taken(&self, id: &KeyId) {
        if let Some(held) = self.lock().as_mut().filter(|held| held.id == *id) {
            held.taken = true;
        }
    }

    pub(crate) fn dismiss(&self) {
        *self.lock() = None;
    }

    pub(crate) fn holds_uncopied(&self) -> bool {
        self.lock().as_ref().is_some_and(|held| !held.taken)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
