//! The OS keychain behind one small trait, owned by one thread.
//!
//! The platform stores neither order concurrent calls nor promise to return: a locked
//! keychain waits for a person. So one thread makes all calls in order, and a caller waits
//! for it with a limit. There is no plain-text fallback.

mod keychain;
mod memory;

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::oneshot;

pub use keychain::Keychain;
pub use memory::MemoryVault;

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
        Ok(Self { jobs, trouble: Arc::default() })
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
