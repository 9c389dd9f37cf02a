//! Sealed rows in which tests put somebody else's act between two of ours, or which they take away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use atthene_core::StoreError;
use atthene_core::port::{SealedEntry, SealedRows, SealedValue};

use crate::memory::MemoryRows;

type Act = Box<dyn FnOnce(&MemoryRows) + Send>;

#[derive(Default)]
pub(crate) struct HookedRows {
    pub(crate) rows: MemoryRows,
    pub(crate) is_away: AtomicBool,
    before_putting: Mutex<Vec<Act>>,
}

impl HookedRows {
    /// Happens right before the next putting; one that was named later, before the one after.
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
    fn get(&self, entry: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.rows(None)?.get(entry)
    }

    fn all(&self) -> Result<Vec<SealedEntry>, StoreError> {
        self.rows(None)?.all()
    }

    fn put(&self, entry: &str, sealed: &SealedValue) -> Result<bool, StoreError> {
        self.rows(Some(&self.before_putting))?.put(entry, sealed)
    }

    fn would_put(&self, proof: &[u8]) -> Result<bool, StoreError> {
        self.rows(None)?.would_put(proof)
    }

    fn delete(&self, entry: &str) -> Result<(), StoreError> {
        self.rows(None)?.delete(entry)
    }

    fn put_first(&self, proof: &[u8]) -> Result<(), StoreError> {
        self.rows(None)?.put_first(proof)
    }

    fn replace_all(&self, anew: &dyn Fn(Vec<SealedEntry>) -> Option<Vec<SealedEntry>>) -> Result<(), StoreError> {
        self.rows(None)?.replace_all(anew)
    }
}
