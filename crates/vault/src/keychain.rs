//! The platform's own keychain: Secret Service, Keychain Services, Credential Manager.

use std::collections::HashMap;
use std::sync::Arc;

use keyring_core::{CredentialStore, Entry, Error as KeyringError};
use secrecy::{ExposeSecret, SecretString};

use atthene_core::vault::VaultError;

use crate::secret_store::SecretStore;
use atthene_core::identity::PRODUCT_NAME;

/// Bytes that one entry holds on every platform: Windows takes 2,560 (`CRED_MAX_CREDENTIAL_BLOB_SIZE`,
/// wincred.h), and the others more.
pub(super) const LARGEST: usize = 2560;

/// The keychain entries of one profile.
pub struct Keychain {
    service: String,
    /// Opened at the first call and again after a failure: a person may start or unlock the
    /// keychain while the app runs.
    store: Option<Arc<CredentialStore>>,
}

impl Keychain {
    /// Nothing is opened yet.
    pub fn new(service: String) -> Self {
        Self { service, store: None }
    }

    fn with_entry<T>(
        &mut self,
        name: &str,
        work: impl FnOnce(&Entry) -> Result<T, KeyringError>,
    ) -> Result<Option<T>, VaultError> {
        let store = match &self.store {
            Some(store) => store.clone(),
            None => {
                self.store.insert(platform::open().map_err(|error| VaultError::Missing(error.to_string()))?).clone()
            }
        };
        let label = format!("{PRODUCT_NAME}: {name}");
        let modifiers = platform::labelled(&label);
        let done = store.build(&self.service, name, Some(&modifiers)).and_then(|entry| work(&entry));
        match done {
            Ok(done) => Ok(Some(done)),
            Err(KeyringError::NoEntry) => Ok(None),
            Err(error) => {
                self.store = None;
                Err(match error {
                    KeyringError::NoStorageAccess(error) if platform::has_no_keyring(&*error) => {
                        VaultError::NoKeyring(error.to_string())
                    }
                    KeyringError::NoStorageAccess(error) => VaultError::Locked(error.to_string()),
                    KeyringError::NoDefaultStore => VaultError::Missing("no keychain service".into()),
                    // Never the error itself: some variants carry the bytes of the secret.
                    KeyringError::BadEncoding(_) | KeyringError::BadDataFormat(..) => {
                        VaultError::Refused("the entry holds something this app did not write".into())
                    }
                    other => VaultError::Refused(other.to_string()),
                })
            }
        }
    }
}

impl SecretStore for Keychain {
    fn get(&mut self, name: &str) -> Result<Option<SecretString>, VaultError> {
        let Some(bytes) = self.with_entry(name, Entry::get_secret)? else { return Ok(None) };
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text.into())),
            Err(_) => Err(VaultError::Refused("the entry holds something this app did not write".into())),
        }
    }

    fn set(&mut self, name: &str, secret: &SecretString) -> Result<(), VaultError> {
        // Bytes, not a "password": Windows would store that as UTF-16 and halve the limit.
        self.with_entry(name, |entry| entry.set_secret(secret.expose_secret().as_bytes()))?;
        Ok(())
    }

    fn delete(&mut self, name: &str) -> Result<(), VaultError> {
        self.with_entry(name, Entry::delete_credential)?;
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use super::{Arc, CredentialStore, HashMap, KeyringError};

    pub(super) fn open() -> Result<Arc<CredentialStore>, KeyringError> {
        zbus_secret_service_keyring_store::Store::new().map(|store| store as Arc<CredentialStore>)
    }

    pub(super) fn labelled(label: &str) -> HashMap<&str, &str> {
        HashMap::from([("label", label)])
    }

    /// Whether the service is there and has no collection to keep secrets in: nothing that could be unlocked.
    pub(super) fn has_no_keyring(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
        matches!(error.downcast_ref(), Some(secret_service::Error::NoResult))
    }
}

#[cfg(target_os = "macos")]
mod platform {
    use super::{Arc, CredentialStore, HashMap, KeyringError};

    pub(super) fn open() -> Result<Arc<CredentialStore>, KeyringError> {
        apple_native_keyring_store::keychain::Store::new().map(|store| store as Arc<CredentialStore>)
    }

    pub(super) fn labelled(_label: &str) -> HashMap<&str, &str> {
        HashMap::new()
    }

    pub(super) fn has_no_keyring(_: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
        false
    }
}

#[cfg(target_os = "windows")]
mod platform {
    use super::{Arc, CredentialStore, HashMap, KeyringError};

    pub(super) fn open() -> Result<Arc<CredentialStore>, KeyringError> {
        windows_native_keyring_store::Store::new().map(|store| store as Arc<CredentialStore>)
    }

    // "Local": a secret must not roam with the Windows profile to other machines.
    pub(super) fn labelled(_label: &str) -> HashMap<&str, &str> {
        HashMap::from([("persistence", "Local")])
    }

    pub(super) fn has_no_keyring(_: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
        false
    }
}

/// Linux has its keychain in the end-to-end tests.
#[cfg(all(test, target_os = "windows"))]
mod tests {
    use super::*;
    use crate::split::Split;

    #[test]
    fn the_systems_own_store_gives_back_what_is_longer_than_an_entry() {
        let service = format!("atthene test {}", std::process::id());
        let mut store = Split::new(Keychain::new(service), LARGEST);
        for length in [1, LARGEST, LARGEST + 1, 3 * LARGEST] {
            let secret = SecretString::from("s".repeat(length));
            store.set("a name with \u{fc} and spaces", &secret).expect("is kept");
            let kept = store.get("a name with \u{fc} and spaces").expect("is asked").expect("is there");
            assert_eq!(kept.expose_secret(), secret.expose_secret(), "{length} bytes");
        }
        store.delete("a name with \u{fc} and spaces").expect("is deleted");
        assert!(store.get("a name with \u{fc} and spaces").expect("is asked").is_none());
    }
}
