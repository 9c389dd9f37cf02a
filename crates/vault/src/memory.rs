//! A vault, and sealed rows, that last as long as the process: for tests and benchmarks.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;

use atthene_core::StoreError;
use atthene_core::port::{KEY_IN_FORCE, SealedEntry, SealedRows, SealedValue};
use atthene_core::vault::VaultError;

use crate::secret_store::SecretStore;

/// Keeps secrets in memory and forgets them when dropped. The app itself never uses it:
/// there is no fallback from the keychain.
#[derive(Default)]
pub struct MemoryVault(HashMap<String, SecretString>);

impl SecretStore for MemoryVault {
    fn get(&mut self, name: &str) -> Result<Option<SecretString>, VaultError> {
        Ok(self.0.get(name).cloned())
    }

    fn set(&mut self, name: &str, secret: &SecretString) -> Result<(), VaultError> {
        self.0.insert(name.to_owned(), secret.clone());
        Ok(())
    }

    fn delete(&mut self, name: &str) -> Result<(), VaultError> {
        self.0.remove(name);
        Ok(())
    }
}

/// Sealed rows that last as long as the process: for tests and fuzzing.
#[derive(Default)]
pub struct MemoryRows(Mutex<BTreeMap<String, Vec<u8>>>);

impl MemoryRows {
    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What somebody does who may write to the database, and asks for no key.
    pub fn plant(&self, entry: &str, bytes: &[u8]) {
        self.rows().insert(entry.to_owned(), bytes.to_owned());
    }
}

fn is_in_force(rows: &BTreeMap<String, Vec<u8>>, proof: &[u8]) -> bool {
    rows.get(KEY_IN_FORCE).is_some_and(|there| there == proof)
}

impl SealedRows for MemoryRows {
    fn get(&self, entry: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows().get(entry).cloned())
    }

    fn all(&self) -> Result<Vec<SealedEntry>, StoreError> {
        Ok(self.rows().iter().map(|(entry, sealed)| (entry.clone(), sealed.clone())).collect())
    }

    fn put(&self, entry: &str, sealed: &SealedValue) -> Result<bool, StoreError> {
        let mut rows = self.rows();
        let kept = is_in_force(&rows, &sealed.proof);
        if kept {
            rows.insert(entry.to_owned(), sealed.bytes.clone());
        }
        Ok(kept)
    }

    fn would_put(&self, proof: &[u8]) -> Result<bool, StoreError> {
        Ok(is_in_force(&self.rows(), proof))
    }

    fn delete(&self, entry: &str) -> Result<(), StoreError> {
        self.rows().remove(entry);
        Ok(())
    }

    fn put_first(&self, proof: &[u8]) -> Result<(), StoreError> {
        self.rows().entry(KEY_IN_FORCE.to_owned()).or_insert_with(|| proof.to_owned());
        Ok(())
    }

    fn replace_all(&self, anew: &dyn Fn(Vec<SealedEntry>) -> Option<Vec<SealedEntry>>) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let all = rows.iter().map(|(entry, sealed)| (entry.clone(), sealed.clone())).collect();
        for (entry, sealed) in anew(all).unwrap_or_default() {
            rows.entry(entry).and_modify(|there| *there = sealed);
        }
        Ok(())
    }
}
