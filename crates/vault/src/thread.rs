//! The thread that owns a vault: it makes all calls in order, and a caller waits for it with a limit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use atthene_core::port::{Later, Vault};
use atthene_core::vault::{VaultError, VaultKind};
use secrecy::SecretString;
use tokio::sync::oneshot;

use crate::envelopes::Envelopes;
use crate::file::FileVault;
use crate::keychain::{self, Keychain};
use crate::secret_store::SecretStore;
use crate::split::Split;

/// How long a caller waits for the keychain, and so for a person at its password window.
const TIMEOUT: Duration = Duration::from_secs(30);

type Job = Box<dyn FnOnce(&mut dyn SecretStore) + Send>;

/// The handle to the thread that owns the keychain.
#[derive(Clone)]
pub struct VaultThread {
    jobs: mpsc::Sender<Job>,
    /// What the latest call came to.
    trouble: Arc<Mutex<Option<String>>>,
    /// Whether the encrypted file is in use.
    in_file: Arc<AtomicBool>,
    envelopes: Arc<Envelopes>,
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

    fn check_writable(&mut self) -> Result<(), VaultError> {
        self.store().check_writable()
    }
}

impl VaultThread {
    /// Starts the thread. `store` itself is first touched by the first call.
    pub fn new(mut store: impl SecretStore + 'static) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new().name("vault".into()).spawn(move || {
            while let Ok(job) = queue.recv() {
                job(&mut store);
            }
        })?;
        Ok(Self { jobs, trouble: Arc::default(), in_file: Arc::default(), envelopes: Arc::default() })
    }

    /// The keychain, or the file once [`Vault::choose`] says so.
    pub fn either(keychain: Keychain, file: FileVault) -> std::io::Result<Self> {
        let in_file = Arc::<AtomicBool>::default();
        let envelopes = file.envelopes();
        let keychain = Split::new(keychain, keychain::LARGEST);
        let vault = Self::new(Either { keychain, file, in_file: in_file.clone() })?;
        Ok(Self { in_file, envelopes, ..vault })
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
        let outcome = match tokio::time::timeout(TIMEOUT, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Err(stopped(error.to_string())),
            Err(_) => Err(VaultError::Timeout),
        };
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = outcome.as_ref().err().map(ToString::to_string);
        outcome
    }
}

impl Vault for VaultThread {
    fn get<'a>(&'a self, name: &str) -> Later<'a, Result<Option<SecretString>, VaultError>> {
        let name = name.to_owned();
        Box::pin(self.ask(move |store| store.get(&name)))
    }

    fn set<'a>(&'a self, name: &str, secret: SecretString) -> Later<'a, Result<(), VaultError>> {
        let name = name.to_owned();
        Box::pin(self.ask(move |store| store.set(&name, &secret)))
    }

    fn delete<'a>(&'a self, name: &str) -> Later<'a, Result<(), VaultError>> {
        let name = name.to_owned();
        Box::pin(self.ask(move |store| store.delete(&name)))
    }

    fn check_writable(&self) -> Later<'_, Result<(), VaultError>> {
        Box::pin(async {
            self.ask(|store| store.check_writable()).await?;
            if self.in_file.load(Ordering::Acquire) {
                self.envelopes.prepare().await?;
            }
            Ok(())
        })
    }

    fn choose(&self, kind: VaultKind) {
        self.in_file.store(kind == VaultKind::File, Ordering::Release);
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
