//! Keeps secrets and their rows in step across crashes: secret, then row; on removal row, then
//! secret. An entry between two steps stands in `unsettled_secrets`, and whatever a start
//! finds there was left by a crash.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::json;

use crate::activity::{ActOutcome, Kind, Recorder};
use crate::bound::Bound;
use crate::error::{Error, StoreError};
use crate::port::{SecretStep, Store, Vault};
use crate::vault::VaultError;

/// The secret of this entry with what it is for. One that does not say so counts as gone, and so does a sealed one that
/// was damaged or comes from elsewhere: then what helps against a loss helps here, too.
pub(crate) async fn read(vault: &dyn Vault, entry: &str) -> Result<Option<Bound>, VaultError> {
    match vault.get(entry).await {
        Ok(secret) => Ok(secret.as_ref().and_then(Bound::open)),
        Err(error @ VaultError::Damaged(_)) => {
            tracing::error!(%error, "a secret counts as gone");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The vault, together with the rows that refer to it.
#[derive(Clone)]
pub(crate) struct Secrets {
    store: Arc<dyn Store>,
    vault: Arc<dyn Vault>,
    recorder: Recorder,
}

impl Secrets {
    pub(crate) fn new(store: Arc<dyn Store>, vault: Arc<dyn Vault>, recorder: Recorder) -> Self {
        Self { store, vault, recorder }
    }

    /// As [`read`] says.
    pub(crate) async fn get(&self, entry: &str) -> Result<Option<Bound>, Error> {
        Ok(read(&*self.vault, entry).await?)
    }

    /// Makes sure that a secret can be written under this entry and its row after it, before something is spent that
    /// it replaces. It counts as being written from then on: what [`Self::replace`] ends, or [`Self::nothing_written`].
    pub(crate) async fn make_sure(&self, entry: &str) -> Result<(), Error> {
        self.vault.check_writable().await?;
        Ok(self.store.mark_unsettled(entry)?)
    }

    /// Whether secrets can be kept now.
    pub(crate) async fn check_writable(&self) -> Result<(), Error> {
        Ok(self.vault.check_writable().await?)
    }

    /// Nothing was written under an entry that [`Self::make_sure`] was asked about.
    pub(crate) fn nothing_written(&self, entry: &str) {
        self.settle(entry);
    }

    /// No step of this entry is left. Whoever asked for them is not told otherwise where this can't be written down: they
    /// are done, and a start finds the entry, and sees whether a row expects it.
    fn settle(&self, entry: &str) {
        if let Err(error) = self.store.mark_settled(entry) {
            tracing::debug!(%error, "an entry of the vault is looked at by the next start");
        }
    }

    /// Writes the secret, then its row: `unit` is that unit of work of the store. `None` of it: the secret was
    /// swept meanwhile by another process that took this one for dead, so both are written once more; or the fleet key
    /// that it was sealed under is over, which the vault tells then, or has another one for.
    pub(crate) async fn put<T>(
        &self,
        entry: &str,
        secret: &Bound,
        unit: impl Fn(SecretStep<'_>) -> Result<Option<T>, StoreError>,
    ) -> Result<T, Error> {
        self.store.mark_unsettled(entry)?;
        self.replace(entry, secret, unit).await
    }

    /// As [`Self::put`], under an entry that [`Self::make_sure`] was asked about: with nothing before the secret.
    pub(crate) async fn replace<T>(
        &self,
        entry: &str,
        secret: &Bound,
        unit: impl Fn(SecretStep<'_>) -> Result<Option<T>, StoreError>,
    ) -> Result<T, Error> {
        let text = secret.seal().map_err(|error| Error::Internal(error.to_string()))?;
        loop {
            let among_rows = self.vault.seal(entry, &text).await?;
            let step = if let Some(sealed) = &among_rows {
                SecretStep::Sealed(entry, sealed)
            } else {
                self.vault.set(entry, text.clone()).await?;
                SecretStep::Written(entry)
            };
            if let Some(written) = unit(step)? {
                return Ok(written);
            }
            self.store.mark_unsettled(entry)?;
        }
    }

    /// Changes or removes the row with this unit of work, then forgets the secret. Where the
    /// keychain refuses, the next start forgets it.
    pub(crate) async fn remove<T>(
        &self,
        entry: &str,
        unit: impl FnOnce(SecretStep<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let written = unit(SecretStep::Leaving(entry))?;
        match self.vault.delete(entry).await {
            Ok(()) => self.settle(entry),
            Err(error) => tracing::warn!(%error, "a secret is left in the keychain until the next start"),
        }
        Ok(written)
    }

    /// Forgets a secret whose row stays as it is.
    pub(crate) async fn forget(&self, entry: &str) -> Result<(), Error> {
        self.remove(entry, |step| Ok(self.store.advance(step)?)).await
    }

    /// Forgets every entry that a crash left and no row expects.
    pub(crate) async fn sweep(&self, expected: &HashSet<String>) -> Result<(), Error> {
        for entry in self.store.claim_unsettled()? {
            let orphan = !expected.contains(&entry);
            if orphan {
                self.vault.delete(&entry).await?;
            }
            let removed = orphan.then(|| self.recorder.entry(Kind::SecretSwept, &entry, ActOutcome::Done, json!({})));
            self.store.swept(&entry, removed.as_ref())?;
        }
        Ok(())
    }
}
