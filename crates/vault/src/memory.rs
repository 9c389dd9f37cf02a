//! A vault, and sealed rows, that last as long as the process: for tests and benchmarks.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;

use atthene_core::StoreError;
use atthene_core::port::SealedRows;
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
}

impl SealedRows for MemoryRows {
    fn put(&self, entry: &str, sealed: &[u8]) -> Result<(), StoreError> {
        self.rows().insert(entry.to_owned(), sealed.to_owned());
        Ok(())
    }

    fn get(&self, entry: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows().get(entry).cloned())
    }

    fn delete(&self, entry: &str) -> Result<(), StoreError> {
        self.rows().remove(entry);
        Ok(())
    }

    fn all(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        Ok(self.rows().iter().map(|(entry, sealed)| (entry.clone(), sealed.clone())).collect())
    }

    fn replace_all(&self, old_and_new: &[(String, Vec<u8>, Vec<u8>)]) -> Result<bool, StoreError> {
        let mut rows = self.rows();
        if old_and_new.iter().any(|(entry, old, _)| rows.get(entry) != Some(old)) {
            return Ok(false);
        }
        rows.extend(old_and_new.iter().map(|(entry, _, new)| (entry.clone(), new.clone())));
        Ok(true)
    }
}
