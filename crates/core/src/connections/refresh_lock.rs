//! Who may spend a connection's tokens: one task of one process at a time.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::ConnectionId;
use crate::error::Error;
use crate::files;

/// How often a lock that another process has is tried again.
const TRY_EVERY: Duration = Duration::from_millis(20);
/// Longer than any refresh takes. Past it somebody keeps what the authority gave, and can't yet.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// When whoever waited in vain may try again.
const TRY_AGAIN: Duration = Duration::from_secs(15);

/// Gives refresh locks. A strict authority takes a refresh token that is spent twice for a stolen one and
/// signs the person out (RFC 9700, 4.14.2), so the window and the command must not race.
pub(super) struct RefreshLocks {
    folder: PathBuf,
    here: Mutex<HashMap<ConnectionId, Arc<tokio::sync::Mutex<()>>>>,
}

/// Held while a connection's tokens are spent, replaced or removed.
pub(super) struct RefreshLock {
    // Let go in this order: the other processes first.
    _elsewhere: Option<File>,
    _here: OwnedMutexGuard<()>,
}

impl RefreshLocks {
    /// Locks lie in this folder beside the database.
    pub(super) fn new(data: &Path) -> Self {
        Self { folder: data.join("locks"), here: Mutex::default() }
    }

    /// Waits for the refresh lock.
    ///
    /// # Errors
    /// [`Error::Waiting`]: somebody still holds it, after a minute. Nobody goes on without it: the token that
    /// would be spent may be spent already.
    pub(super) async fn wait(&self, id: &ConnectionId) -> Result<RefreshLock, Error> {
        let here = self.here.lock().unwrap_or_else(PoisonError::into_inner).entry(id.clone()).or_default().clone();
        let held = async {
            let here = here.lock_owned().await;
            // A file system without locks leaves it to one process.
            let elsewhere = self.lock(id).await.inspect_err(|error| {
                tracing::warn!(%error, "another process may refresh the same connection meanwhile");
            });
            RefreshLock { _elsewhere: elsewhere.ok(), _here: here }
        };
        tokio::time::timeout(LONGEST_WAIT, held).await.map_err(|_| {
            let why = "Another call still renews this connection, or keeps what it was given. Try again.".to_owned();
            Error::Waiting { why, left: TRY_AGAIN }
        })
    }

    /// The system lets go of it when the process ends, however that comes about.
    async fn lock(&self, id: &ConnectionId) -> std::io::Result<File> {
        files::make_private_folder(&self.folder)?;
        let path = self.folder.join(id.as_str());
        loop {
            let file = files::open_private(&path)?;
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(TRY_EVERY).await,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// The connection is gone; whoever waits for its refresh lock will find that, too.
    pub(super) fn forget(&self, id: &ConnectionId) {
        self.here.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        let _ = std::fs::remove_file(self.folder.join(id.as_str()));
    }
}
