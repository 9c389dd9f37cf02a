//! Who may spend a connection's tokens: one task of one process at a time, on one host of those that share a profile.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;
use tokio::sync::broadcast::error::RecvError;

use super::ConnectionId;
use crate::change::{Change, Changes};
use crate::error::{Error, StoreError};
use crate::files;
use crate::leases::{HeldLease, Leases};
use crate::port::UnderLease;

/// How often a lock that another process has is tried again.
const TRY_EVERY: Duration = Duration::from_millis(20);
/// How often a lease that another host has is looked at, where no change of a connection is heard of.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longer than any refresh takes. Past it somebody keeps what the authority gave, and can't yet.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// When whoever waited in vain may try again.
const TRY_AGAIN: Duration = Duration::from_secs(15);

/// Gives refresh locks. A strict authority takes a refresh token that is spent twice for a stolen one and
/// signs the person out (RFC 9700, 4.14.2), so the window and the command must not race, nor two hosts.
pub(super) struct RefreshLocks {
    folder: PathBuf,
    here: Mutex<HashMap<ConnectionId, Arc<tokio::sync::Mutex<()>>>>,
    /// Where several hosts share the profile. On one machine the lock file is enough: the system lets go of it with the
    /// process, and a token that a killed process may have spent is spent by whoever comes next, as it always was.
    leases: Option<Arc<Leases>>,
    changes: Changes,
    /// When a lease could not be asked last, and why.
    unasked: Mutex<Option<(Instant, String)>>,
}

/// Held while a connection's tokens are spent, replaced or removed.
pub(super) struct RefreshLock {
    // Let go in this order: the others first.
    elsewhere: Elsewhere,
    _here: OwnedMutexGuard<()>,
}

/// What keeps others out.
enum Elsewhere {
    /// The other processes of this machine.
    File { _locked: Option<File> },
    /// Every process of every host.
    Lease(HeldLease),
}

impl RefreshLocks {
    /// Locks lie in this folder beside the database, or are leases.
    pub(super) fn new(data: &Path, leases: Option<Arc<Leases>>, changes: Changes) -> Self {
        let folder = data.join("locks");
        Self { folder, here: Mutex::default(), leases, changes, unasked: Mutex::default() }
    }

    /// Waits for the refresh lock.
    ///
    /// # Errors
    /// [`Error::Waiting`]: somebody still holds it, after a minute. [`Error::Store`]: it could not be asked for. Nobody
    /// goes on without it: the token that would be spent may be spent already.
    pub(super) async fn wait(&self, id: &ConnectionId) -> Result<RefreshLock, Error> {
        let lock = self.wait_unless(id, || false).await?;
        lock.ok_or_else(|| Error::Internal("a lock that is waited for was not".into()))
    }

    /// The same; `None`: another host holds it, and what is at hand is enough meanwhile.
    pub(super) async fn wait_unless(
        &self,
        id: &ConnectionId,
        is_enough: impl Fn() -> bool,
    ) -> Result<Option<RefreshLock>, Error> {
        let here = self.here.lock().unwrap_or_else(PoisonError::into_inner).entry(id.clone()).or_default().clone();
        let came = Instant::now();
        let held = async {
            let here = here.lock_owned().await;
            let elsewhere = if let Some(leases) = &self.leases {
                let Some(lease) = self.lease(leases, id, came, is_enough).await? else { return Ok(None) };
                Elsewhere::Lease(lease)
            } else {
                // A file system without locks leaves it to one process.
                let locked = self.lock(id).await.inspect_err(|error| {
                    tracing::warn!(%error, "another process may refresh the same connection meanwhile");
                });
                Elsewhere::File { _locked: locked.ok() }
            };
            Ok(Some(RefreshLock { elsewhere, _here: here }))
        };
        tokio::time::timeout(LONGEST_WAIT, held).await.unwrap_or_else(|_| {
            let why = "Another call still renews this connection, or keeps what it was given. Try again.".to_owned();
            Err(Error::Waiting { why, left: TRY_AGAIN })
        })
    }

    /// Asks until it is held here; `None`: what is at hand is enough while another host holds it.
    async fn lease(
        &self,
        leases: &Arc<Leases>,
        id: &ConnectionId,
        came: Instant,
        is_enough: impl Fn() -> bool,
    ) -> Result<Option<HeldLease>, Error> {
        // Those who waited while it could not be asked get that for an answer: each would take as long again.
        let unasked = self.unasked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, reason)) = unasked.filter(|(at, _)| *at > came) {
            return Err(StoreError::Unreachable { reason }.into());
        }
        let mut news = self.changes.subscribe();
        loop {
            match leases.take(id.as_str()).await {
                Ok(Some(lease)) => return Ok(Some(lease)),
                Ok(None) if is_enough() => return Ok(None),
                Ok(None) => {}
                Err(error) => {
                    let why = if let Error::Store(StoreError::Unreachable { reason }) = &error {
                        reason.clone()
                    } else {
                        error.to_string()
                    };
                    *self.unasked.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), why));
                    return Err(error);
                }
            }
            let heard =
                async { while !matches!(news.recv().await, Ok(Change::Connections) | Err(RecvError::Closed)) {} };
            // Else it is looked at all the same.
            let _ = tokio::time::timeout(LOOK_EVERY, heard).await;
        }
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

impl RefreshLock {
    fn lease(&self) -> Option<&HeldLease> {
        match &self.elsewhere {
            Elsewhere::File { .. } => None,
            Elsewhere::Lease(lease) => Some(lease),
        }
    }

    /// What is written while it is held is written under this.
    pub(super) fn under(&self) -> Option<UnderLease<'_>> {
        self.lease().map(HeldLease::under)
    }

    /// Whether the refresh token may be spent: a host began to, and ended before it wrote down what came of it.
    pub(super) fn is_outcome_unknown(&self) -> bool {
        self.lease().is_some_and(HeldLease::is_outcome_unknown)
    }

    /// The refresh token is spent next. Nobody spends it whom this failed.
    pub(super) async fn begin(&self) -> Result<(), Error> {
        match self.lease() {
            Some(lease) => lease.begin().await,
            None => Ok(()),
        }
    }

    /// What came of the refresh token is known.
    pub(super) fn end(&self) {
        if let Some(lease) = self.lease() {
            lease.end();
        }
    }

    /// Lets others go on.
    pub(super) async fn give_back(self) {
        let Self { elsewhere, _here } = self;
        if let Elsewhere::Lease(lease) = elsewhere {
            lease.give_back().await;
        }
    }
}
