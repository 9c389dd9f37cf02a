//! What was read of the revisions last: by the listener, for whoever watches.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use atthene_core::StoreError;
use atthene_core::port::Revisions;

/// Rows are read again each second. Past this, nothing can be said of them.
const SILENT: Duration = Duration::from_millis(2500);

/// A moment by both clocks of the machine: the one that is never set may stand still while the machine sleeps.
#[derive(Clone, Copy)]
pub(super) struct Moment(Instant, SystemTime);

impl Moment {
    pub(super) fn now() -> Self {
        Self(Instant::now(), SystemTime::now())
    }

    /// By whichever of them went further.
    fn elapsed(&self) -> Duration {
        self.0.elapsed().max(self.1.elapsed().unwrap_or_default())
    }
}

/// What the listener knows.
pub(super) struct Heard {
    latest: Mutex<Latest>,
    woken: Condvar,
}

struct Latest {
    revisions: Revisions,
    /// When they were asked for: they were read after that.
    at: Moment,
    /// Why they can't be read now.
    trouble: Option<String>,
}

impl Heard {
    pub(super) fn new(revisions: Revisions) -> Self {
        let latest = Latest { revisions, at: Moment::now(), trouble: None };
        Self { latest: Mutex::new(latest), woken: Condvar::new() }
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// They were read, after those before them: one connection after another, one question after another, so that no
    /// answer that was under way for long puts an older one back.
    pub(super) fn read(&self, revisions: Revisions, at: Moment) {
        let mut latest = self.latest();
        let is_new = latest.revisions != revisions;
        *latest = Latest { revisions, at, trouble: None };
        drop(latest);
        if is_new {
            self.woken.notify_all();
        }
    }

    /// They can't be read.
    pub(super) fn fail(&self, reason: String) {
        self.latest().trouble = Some(reason);
    }

    /// What they are. An error: nothing can be said of them now.
    pub(super) fn revisions(&self) -> Result<Revisions, StoreError> {
        let latest = self.latest();
        if let Some(reason) = &latest.trouble {
            return Err(StoreError::Unreachable { reason: reason.clone() });
        }
        if latest.at.elapsed() > SILENT {
            return Err(StoreError::Unreachable { reason: "it gave no answer for some seconds".to_owned() });
        }
        Ok(latest.revisions)
    }

    /// How long ago they were so.
    pub(super) fn age(&self) -> Duration {
        self.latest().at.elapsed()
    }

    /// Waits until they are others than these, this long at the most.
    pub(super) fn wait(&self, told: Revisions, most: Duration) {
        // What can't be read is asked about no more often than what is as it was.
        let is_quiet = |latest: &mut Latest| latest.trouble.is_some() || latest.revisions == told;
        drop(self.woken.wait_timeout_while(self.latest(), most, is_quiet).unwrap_or_else(PoisonError::into_inner));
    }
}
