//! Who may spend a connection's tokens: one task of one process at a time.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::ConnectionId;

/// How often a lock that another process has is tried again.
const TRY_EVERY: Duration = Duration::from_millis(20);
/// Longer than any refresh takes. Past it the other process hangs, and this one goes on alone.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

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
    pub(super) async fn wait(&self, id: &ConnectionId) -> RefreshLock {
        let here = self.here.lock().unwrap_or_else(PoisonError::into_inner).entry(id.clone()).or_default().clone();
        let here = here.lock_owned().await;
        let elsewhere = match tokio::time::timeout(LONGEST_WAIT, self.lock(id)).await {
            Ok(Ok(file)) => Some(file),
            // A file system without locks leaves it to one process, as does a hanging one.
            Ok(Err(error)) => {
                tracing::warn!(%error, "another process may refresh the same connection meanwhile");
                None
            }
            Err(_) => {
                tracing::warn!("another process holds on to a connection; this one goes on without it");
                None
            }
        };
        RefreshLock { _elsewhere: elsewhere, _here: here }
    }

    /// The system lets go of it when the process ends, however that comes about.
    async fn lock(&self, id: &ConnectionId) -> std::io::Result<File> {
        std::fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(id.as_str());
        loop {
            let file = File::options().create(true).truncate(false).write(true).open(&path)?;
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
