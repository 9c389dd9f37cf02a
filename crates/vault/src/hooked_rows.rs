//! Sealed rows in which tests put somebody else's act between two of ours, or which they take away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use atthene_core::StoreError;
use atthene_core::port::SealedRows;

use crate::memory::MemoryRows;

type Act = Box<dyn FnOnce(&MemoryRows) + Send>;

#[derive(Default)]
pub(crate) struct HookedRows {
    pub(crate) rows: MemoryRows,
    pub(crate) is_away: AtomicBool,
    before_replacing: Mutex<Vec<Act>>,
    before_putting: Mutex<Vec<Act>>,
}

impl HookedRows {
    /// Happens right before the next replacing; one that was named later, before the one after.
    pub(crate) fn before_replacing(&self, act: impl FnOnce(&MemoryRows) + Send + 'static) {
        self.before_replacing.lock().expect("not poisoned").push(Box::new(act));
    }

    pub(crate) fn before_putting(&self, act: impl FnOnce(&MemoryRows) + Send + 'static) {
        self.before_putting.lock().expect("not poisoned").push(Box::new(act));
    }

    fn rows(&self, acts: Option<&Mutex<Vec<Act>>>) -> Result<&MemoryRows, StoreError> {
        if self.is_away.load(Ordering::Acquire) {
            return Err(StoreError::Locked);
        }
        let mut acts = acts.map(|acts| acts.lock().unwrap_or_else(PoisonError::into_inner));
        let act = acts.as_mut().and_then(|acts| (!acts.is_empty()).then(|| acts.remove(0)));
        drop(acts);
        if let Some(act) = act {
            act(&self.rows);
        }
        Ok(&self.rows)
    }
}

impl SealedRows for HookedRows {
    fn put(&self, entry: &str, sealed: &[u8]) -> Result<(), StoreError> {
        self.rows(Some(&self.before_putting))?.put(entry, sealed)
    }

    fn get(&self, entry: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.rows(None)?.get(entry)
    }

    fn delete(&self, entry: &str) -> Result<(), StoreError> {
        self.rows(None)?.delete(entry)
    }

    fn all(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.rows(None)?.all()
    }

    fn replace_all(&self, old_and_new: &[(String, Vec<u8>, Vec<u8>)]) -> Result<bool, StoreError> {
        self.rows(Some(&self.before_replacing))?.replace_all(old_and_new)
    }
}
