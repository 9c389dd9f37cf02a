//! What this process has seen lately and no row holds.

use std::sync::{Mutex, PoisonError};

use crate::change::{Change, Changes};
use crate::clock::{Clock, UnixMs};

/// What is wrong outside of this app, as far as it was seen.
pub struct Signals {
    clock: Clock,
    changes: Changes,
    runtime: Mutex<Option<(UnixMs, String)>>,
}

impl Signals {
    pub(crate) fn new(clock: Clock, changes: Changes) -> Self {
        Self { clock, changes, runtime: Mutex::default() }
    }

    /// The agent runtime answered, or why it could not be reached.
    pub fn runtime_seen(&self, seen: Result<(), String>) {
        let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if runtime.is_none() == seen.is_ok() {
            return;
        }
        *runtime = seen.err().map(|reason| (self.clock.now(), reason));
        self.changes.tell(Change::Attention);
    }

    /// Since when and why the agent runtime can't be reached; `None`: as far as was seen it can.
    pub fn runtime_trouble(&self) -> Option<(UnixMs, String)> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
