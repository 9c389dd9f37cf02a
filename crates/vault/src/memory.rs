//! A vault that lasts as long as the process: for tests and benchmarks.

use std::collections::HashMap;

use secrecy::SecretString;

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
