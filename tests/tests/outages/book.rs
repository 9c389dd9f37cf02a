//! What was done with keys and acknowledged, for those who judge what gateways answer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A key whose text was given out.
#[derive(Debug, Clone)]
pub(crate) struct KeyFact {
    pub(crate) id: String,
    pub(crate) text: String,
    /// Something that may end it was begun.
    pub(crate) may_have_ended: bool,
    /// Its end was acknowledged then.
    pub(crate) ended: Option<Instant>,
}

/// An outage under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    pub(crate) since: Instant,
    /// Whether it is one in which nothing more is heard from its beginning on: no host can hear of a change that it
    /// can't follow, and close early for it.
    pub(crate) is_silent: bool,
}

#[derive(Default)]
struct Written {
    keys: Vec<KeyFact>,
    outage: Option<Outage>,
    wrong: Vec<String>,
}

#[derive(Default)]
pub(crate) struct Book(Mutex<Written>);

impl Book {
    fn open(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All keys, the oldest first; a key is known by its place.
    pub(crate) fn keys(&self) -> Vec<KeyFact> {
        self.open().keys.clone()
    }

    pub(crate) fn key(&self, at: usize) -> Option<KeyFact> {
        self.open().keys.get(at).cloned()
    }

    pub(crate) fn count(&self) -> usize {
        self.open().keys.len()
    }

    /// The newest key, where nobody has acknowledged its end.
    pub(crate) fn live(&self) -> Option<KeyFact> {
        self.open().keys.last().filter(|key| key.ended.is_none()).cloned()
    }

    /// A new one was acknowledged, and with it the end of all before.
    pub(crate) fn add(&self, id: String, text: String) {
        let mut written = self.open();
        for key in &mut written.keys {
            key.ended.get_or_insert_with(Instant::now);
        }
        written.keys.push(KeyFact { id, text, may_have_ended: false, ended: None });
    }

    /// What may end the live key begins; whether an earlier such attempt is in doubt.
    pub(crate) fn begin_end(&self) -> bool {
        self.open().keys.last_mut().is_some_and(|key| std::mem::replace(&mut key.may_have_ended, true))
    }

    /// The live key's end was acknowledged.
    pub(crate) fn end(&self) {
        if let Some(key) = self.open().keys.last_mut() {
            key.ended.get_or_insert_with(Instant::now);
        }
    }

    /// What would have ended the live key was refused.
    pub(crate) fn withdraw_end(&self) {
        if let Some(key) = self.open().keys.last_mut() {
            key.may_have_ended = false;
        }
    }

    pub(crate) fn set_outage(&self, outage: Option<Outage>) {
        self.open().outage = outage;
    }

    pub(crate) fn outage(&self) -> Option<Outage> {
        self.open().outage
    }

    /// Something that must never be.
    pub(crate) fn is_wrong(&self, what: String) {
        let mut written = self.open();
        // The first ones tell; a gateway that is wrong is so thousands of times.
        if written.wrong.len() < 20 {
            written.wrong.push(what);
        }
    }

    pub(crate) fn take_wrong(&self) -> Vec<String> {
        std::mem::take(&mut self.open().wrong)
    }
}
