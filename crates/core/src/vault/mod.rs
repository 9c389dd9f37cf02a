//! The OS keychain behind one small trait, owned by one thread.
//!
//! The platform stores neither order concurrent calls nor promise to return: a locked
//! keychain waits for a person. So one thread makes all calls in order, and a caller waits
//! for it with a limit. There is no plain-text fallback; an encrypted file can be chosen on
//! purpose.

mod file;
mod keychain;
mod memory;
mod split;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use ts_rs::TS;

pub use file::{FileVault, PASSPHRASE_VARIABLE};
pub use keychain::Keychain;
pub use memory::MemoryVault;
use split::Split;

/// How long a caller waits for the keychain, and so for a person at its password window.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the keychain gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There is none on this machine.
    #[error("This machine has no keychain that the app can reach ({0}).")]
    Missing(String),
    /// It is there but locked.
    #[error("The keychain is locked ({0}).")]
    Locked(String),
    /// It said no.
    #[error("The keychain refused ({0}).")]
    Refused(String),
    /// The encrypted file can't be opened.
    #[error("The vault file needs its passphrase ({0}).")]
    Passphrase(String),
    /// It did not answer in time; it probably waits for a password.
    #[error("The keychain has not answered for 30 seconds; it probably waits for your password.")]
    Timeout,
}

/// Where secrets lie. Each is an entry of its own, named so that a person understands it.
pub trait SecretStore: Send {
    /// The secret, if there is one.
    fn get(&mut self, name: &str) -> Result<Option<SecretString>, VaultError>;
    /// Keeps the secret, over an older one.
    fn set(&mut self, name: &str, secret: &SecretString) -> Result<(), VaultError>;
    /// Forgets the secret; one that is not there is no error.
    fn delete(&mut self, name: &str) -> Result<(), VaultError>;
}

/// What is to become of a stored secret.
#[derive(Debug)]
pub enum SecretChange {
    /// Leave it as it is.
    Keep,
    /// Put this one in its place.
    Replace(SecretString),
    /// Forget it.
    Remove,
}

type Job = Box<dyn FnOnce(&mut dyn SecretStore) + Send>;

/// The handle to the thread that owns the keychain.
#[derive(Clone)]
pub struct Vault {
    jobs: mpsc::Sender<Job>,
    /// What the latest call came to.
    trouble: Arc<Mutex<Option<String>>>,
    /// Whether the encrypted file is in use.
    in_file: Arc<AtomicBool>,
}

/// Where secrets lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum VaultKind {
    /// In the keychain of the operating system.
    Keychain,
    /// In an encrypted file: for servers that have no keychain.
    File,
}

/// Asks the one that is in use.
struct Either {
    keychain: Split<Keychain>,
    file: FileVault,
    in_file: Arc<AtomicBool>,
}

impl Either {
    fn store(&mut self) -> &mut dyn SecretStore {
        if self.in_file.load(Ordering::Acquire) { &mut self.file } else { &mut self.keychain }
    }
}

impl SecretStore for Either {
    fn get(&mut self, name: &str) -> Result<Option<SecretString>, VaultError> {
        self.store().get(name)
    }

    fn set(&mut self, name: &str, secret: &SecretString) -> Result<(), VaultError> {
        self.store().set(name, secret)
    }

    fn delete(&mut self, name: &str) -> Result<(), VaultError> {
        self.store().delete(name)
    }
}

impl Vault {
    /// Starts the thread. `store` itself is first touched by the first call.
    pub fn new(mut store: impl SecretStore + 'static) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new().name("vault".into()).spawn(move || {
            while let Ok(job) = queue.recv() {
                job(&mut store);
            }
        })?;
        Ok(Self { jobs, trouble: Arc::default(), in_file: Arc::default() })
    }

    /// The keychain, or the file once [`Vault::choose`] says so.
    pub fn either(keychain: Keychain, file: FileVault) -> std::io::Result<Self> {
        let in_file = Arc::<AtomicBool>::default();
        let keychain = Split::new(keychain, keychain::LARGEST);
        let vault = Self::new(Either { keychain, file, in_file: in_file.clone() })?;
        Ok(Self { in_file, ..vault })
    }

    /// Uses this one from now on.
    pub(crate) fn choose(&self, kind: VaultKind) {
        self.in_file.store(kind == VaultKind::File, Ordering::Release);
    }

    /// Why the latest call failed; `None`: it did not.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The secret of that name, if there is one.
    pub async fn get(&self, name: impl Into<String>) -> Result<Option<SecretString>, VaultError> {
        let name = name.into();
        self.ask(move |store| store.get(&name)).await
    }

    /// Keeps the secret under that name.
    pub async fn set(&self, name: impl Into<String>, secret: SecretString) -> Result<(), VaultError> {
        let name = name.into();
        self.ask(move |store| store.set(&name, &secret)).await
    }

    /// Forgets the secret of that name.
    pub async fn delete(&self, name: impl Into<String>) -> Result<(), VaultError> {
        let name = name.into();
        self.ask(move |store| store.delete(&name)).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn SecretStore) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let (answer, answered) = oneshot::channel();
        let stopped = |_| VaultError::Refused("its thread has stopped".into());
        self.jobs
            .send(Box::new(move |store| {
                // A caller whose patience ended has dropped the receiver; the call is done all the same.
                let _ = answer.send(job(store));
            }))
            .map_err(|error| stopped(error.to_string()))?;
        let outcome = match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Err(stopped(error.to_string())),
            Err(_) => Err(VaultError::Timeout),
        };
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = outcome.as_ref().err().map(ToString::to_string);
        outcome
    }
}
