//! What one host at a time does for all that share a profile: takes a lease, renews it while that goes on, and writes
//! under its fence.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::blocking::blocking;
use crate::error::{Error, StoreError};
use crate::host::Host;
use crate::ids::random_letters;
use crate::port::{LeaseFence, LeaseRows, UnderLease};

/// How long a lease lasts that nobody renews. Longer than a call to an authority, which takes 15 s at the most and is
/// made twice at the most: a host whose database is away meanwhile has ended it before another one takes the lease.
const TTL: Duration = Duration::from_secs(45);
/// It is renewed this often before it runs out.
const RENEWALS: u32 = 3;
/// For how long whoever is done waits for the lease to be given back. It is, beside that.
const GIVING_BACK: Duration = Duration::from_secs(1);
/// How soon it is given back again where that failed.
const AGAIN: Duration = Duration::from_secs(2);

/// The leases of a profile that several hosts share, as one process of a host takes them.
pub struct Leases {
    rows: Arc<dyn LeaseRows>,
    holder: String,
    ttl: Duration,
    /// Leases of this process under which what was begun has ended, though that could not be written down.
    ended: Mutex<HashMap<String, LeaseFence>>,
}

impl Leases {
    /// For this process of the host: another one of the same host is another holder.
    pub fn new(rows: Arc<dyn LeaseRows>, host: &Host) -> Self {
        let holder = format!("{} {}", host.id(), random_letters(10));
        Self { rows, holder, ttl: TTL, ended: Mutex::default() }
    }

    /// With leases that run out after this time, where nobody renews them.
    #[must_use]
    pub fn lasting(self, ttl: Duration) -> Self {
        Self { ttl, ..self }
    }

    /// Takes the lease of that name; `None`: another one holds it.
    ///
    /// # Errors
    /// It could not be asked, which is neither.
    pub(crate) async fn take(self: &Arc<Self>, name: &str) -> Result<Option<HeldLease>, Error> {
        let (this, asked) = (self.clone(), name.to_owned());
        let taken = blocking(move || Ok(this.rows.take(&asked, &this.holder, this.ttl)?)).await?;
        let Some(taken) = taken else { return Ok(None) };
        let own = self.ended().remove(name).is_some_and(|ended| ended.0 + 1 == taken.fence.0);
        let is_unknown = taken.is_begun && !own;
        let mut lease = HeldLease {
            leases: self.clone(),
            name: name.to_owned(),
            fence: taken.fence,
            is_unknown,
            is_open: AtomicBool::new(is_unknown),
            renewal: None,
        };
        let renewal = renew(self.clone(), lease.name.clone(), lease.fence);
        lease.renewal = Some(tokio::spawn(renewal).abort_handle());
        Ok(Some(lease))
    }

    fn ended(&self) -> std::sync::MutexGuard<'_, HashMap<String, LeaseFence>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until it is aborted, or another one holds the lease.
async fn renew(leases: Arc<Leases>, name: String, fence: LeaseFence) {
    loop {
        tokio::time::sleep(leases.ttl / RENEWALS).await;
        let (this, name) = (leases.clone(), name.clone());
        match blocking(move || Ok(this.rows.renew(&name, &this.holder, fence, this.ttl)?)).await {
            Ok(true) => {}
            Ok(false) => return tracing::warn!("a lease was lost while this host was held up; another one goes on"),
            // Until it runs out there is time to try again.
            Err(error) => tracing::warn!(%error, "a lease could not be renewed"),
        }
    }
}

/// A lease that is renewed for as long as this lives, and given back then.
pub(crate) struct HeldLease {
    leases: Arc<Leases>,
    name: String,
    fence: LeaseFence,
    is_unknown: bool,
    /// Whether something was begun whose end is not known.
    is_open: AtomicBool,
    renewal: Option<AbortHandle>,
}

impl HeldLease {
    /// Whether somebody before has begun what can't be done twice, and nobody knows how it ended.
    pub(crate) fn is_outcome_unknown(&self) -> bool {
        self.is_unknown
    }

    /// What is written under it names this.
    pub(crate) fn under(&self) -> UnderLease<'_> {
        UnderLease { name: &self.name, fence: self.fence }
    }

    /// Writes down that what can't be done twice is done next. Nobody does it whom this failed.
    pub(crate) async fn begin(&self) -> Result<(), Error> {
        let (this, name, fence) = (self.leases.clone(), self.name.clone(), self.fence);
        if !blocking(move || Ok(this.rows.begin(&name, &this.holder, fence, this.ttl)?)).await? {
            return Err(StoreError::Overtaken.into());
        }
        self.is_open.store(true, Ordering::Release);
        Ok(())
    }

    /// How what was begun has ended is known.
    pub(crate) fn end(&self) {
        self.is_open.store(false, Ordering::Release);
    }

    /// Gives it back, and waits a moment for that: whoever waits for it need not wait for its time to run out.
    pub(crate) async fn give_back(mut self) {
        if let Some(given) = self.leave() {
            let _ = tokio::time::timeout(GIVING_BACK, given).await;
        }
    }

    /// `None`: that was done, or nothing is there any more that could do it; then it runs out.
    fn leave(&mut self) -> Option<tokio::task::JoinHandle<()>> {
        self.renewal.take()?.abort();
        let is_ended = !self.is_open.load(Ordering::Acquire);
        if is_ended {
            self.leases.ended().insert(self.name.clone(), self.fence);
        }
        let (leases, name, fence) = (self.leases.clone(), self.name.clone(), self.fence);
        let attempts = TTL.as_secs() / AGAIN.as_secs();
        let given = async move {
            for _ in 0..attempts {
                let (this, asked) = (leases.clone(), name.clone());
                let given = blocking(move || Ok(this.rows.give_back(&asked, &this.holder, fence, is_ended)?)).await;
                match given {
                    Ok(()) => {
                        let mut ended = leases.ended();
                        if ended.get(&name) == Some(&fence) {
                            ended.remove(&name);
                        }
                        return;
                    }
                    Err(error) => tracing::warn!(%error, "a lease could not be given back yet"),
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        Some(Handle::try_current().ok()?.spawn(given))
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        drop(self.leave());
    }
}
