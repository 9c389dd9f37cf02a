//! Keeps secrets and their rows in step across crashes: secret, then row; on removal row, then
//! secret. An entry between two steps stands in `unsettled_secrets`, and whatever a start
//! finds there was left by a crash.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::Transaction;
use serde_json::json;

use crate::activity::{Came, Entry, Kind, Recorder};
use crate::bound::Bound;
use crate::error::Error;
use crate::store::{Store, unsettled as rows};
use crate::vault::Vault;

/// The vault, together with the rows that refer to it.
#[derive(Clone)]
pub(crate) struct Secrets {
    store: Arc<Store>,
    vault: Vault,
    recorder: Recorder,
}

impl Secrets {
    pub(crate) fn new(store: Arc<Store>, vault: Vault, recorder: Recorder) -> Self {
        Self { store, vault, recorder }
    }

    /// The secret with what it is for. One that does not say so counts as gone.
    pub(crate) async fn get(&self, entry: &str) -> Result<Option<Bound>, Error> {
        Ok(self.vault.get(entry).await?.as_ref().and_then(Bound::open))
    }

    /// Writes the secret, then its row in one transaction.
    pub(crate) async fn put<T>(
        &self,
        entry: &str,
        secret: &Bound,
        row: impl Fn(&Transaction<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let sealed = secret.seal().map_err(|error| Error::Internal(error.to_string()))?;
        loop {
            self.store.write(|tx| Ok(rows::unsettle(tx, entry)?))?;
            self.vault.set(entry, sealed.clone()).await?;
            let written = self.store.write(|tx| {
                // Swept meanwhile by another process that took this one for dead: once more.
                if rows::settle(tx, entry)? { row(tx).map(Some) } else { Ok(None) }
            })?;
            if let Some(written) = written {
                return Ok(written);
            }
        }
    }

    /// Changes or removes the row in one transaction, then forgets the secret. Where the
    /// keychain refuses, the next start forgets it.
    pub(crate) async fn remove<T>(
        &self,
        entry: &str,
        row: impl FnOnce(&Transaction<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let written = self.store.write(|tx| {
            rows::unsettle(tx, entry)?;
            row(tx)
        })?;
        match self.vault.delete(entry).await {
            Ok(()) => self.store.write(|tx| Ok(rows::settle(tx, entry).map(drop)?))?,
            Err(error) => tracing::warn!(%error, "a secret is left in the keychain until the next start"),
        }
        Ok(written)
    }

    /// Forgets every entry that a crash left and no row expects.
    pub(crate) async fn sweep(&self, expected: &HashSet<String>) -> Result<(), Error> {
        for entry in self.store.write(|tx| Ok(rows::claim(tx)?))? {
            let orphan = !expected.contains(&entry);
            if orphan {
                self.vault.delete(entry.clone()).await?;
            }
            self.store.write(|tx| {
                rows::swept(tx, &entry)?;
                if orphan {
                    let detail = json!({});
                    let swept = Entry { kind: Kind::SecretSwept, subject: &entry, outcome: Came::Done, detail };
                    self.recorder.append(tx, &swept)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}
