//! What this process has seen lately and no row holds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::change::{Change, Changes};
use crate::clock::{Clock, UnixMs};

/// What the service has seen, for other processes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    runtime: Option<(UnixMs, String)>,
    gateway: Option<String>,
    stranger: Option<(u16, String)>,
}

/// What is wrong outside of this app, as far as it was seen.
pub struct Signals {
    clock: Clock,
    changes: Changes,
    runtime: Mutex<Option<(UnixMs, String)>>,
    /// Why the gateway can't listen.
    gateway: Mutex<Option<String>>,
    /// The gateway's port, and the program that has it and is no gateway of this profile.
    stranger: Mutex<Option<(u16, String)>>,
    /// Why the rows can't be had.
    store: Mutex<Option<String>>,
    /// The same, for whoever asks at each call.
    is_store_lost: AtomicBool,
    /// What is seen here is what the service sees.
    follows_service: AtomicBool,
}

impl Signals {
    pub(crate) fn new(clock: Clock, changes: Changes) -> Self {
        Self {
            clock,
            changes,
            runtime: Mutex::default(),
            gateway: Mutex::default(),
            stranger: Mutex::default(),
            store: Mutex::default(),
            is_store_lost: AtomicBool::new(false),
            follows_service: AtomicBool::new(false),
        }
    }

    pub(super) fn seen(&self) -> Seen {
        Seen { runtime: self.runtime_trouble(), gateway: self.gateway_trouble(), stranger: self.stranger() }
    }

    pub(super) fn follow_service(&self) {
        self.follows_service.store(true, Ordering::Release);
    }

    pub(super) fn follows_service(&self) -> bool {
        self.follows_service.load(Ordering::Acquire)
    }

    pub(super) fn take_over(&self, seen: Seen) {
        if self.seen() == seen {
            return;
        }
        *self.runtime.lock().unwrap_or_else(PoisonError::into_inner) = seen.runtime;
        *self.gateway.lock().unwrap_or_else(PoisonError::into_inner) = seen.gateway;
        *self.stranger.lock().unwrap_or_else(PoisonError::into_inner) = seen.stranger;
        self.changes.publish(Change::Attention);
    }

    /// The agent runtime answered, or why it could not be reached.
    pub fn runtime_seen(&self, seen: Result<(), String>) {
        let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if runtime.is_none() == seen.is_ok() {
            return;
        }
        *runtime = seen.err().map(|reason| (self.clock.now(), reason));
        self.changes.publish(Change::Attention);
    }

    /// The gateway of this process listens or was turned off, or why it can't listen.
    pub fn gateway_seen(&self, trouble: Option<String>) {
        let mut gateway = self.gateway.lock().unwrap_or_else(PoisonError::into_inner);
        if *gateway == trouble {
            return;
        }
        *gateway = trouble;
        self.changes.publish(Change::Attention);
    }

    /// Why the gateway can't listen; `None`: as far as was seen it can.
    pub(crate) fn gateway_trouble(&self) -> Option<String> {
        self.gateway.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who has the gateway's port and could not prove to be one on this data; `None`: nobody.
    pub fn stranger_seen(&self, seen: Option<(u16, String)>) {
        let mut stranger = self.stranger.lock().unwrap_or_else(PoisonError::into_inner);
        if *stranger == seen {
            return;
        }
        *stranger = seen;
        self.changes.publish(Change::Attention);
    }

    /// The rows can be had, or why not.
    pub(crate) fn store_seen(&self, seen: Result<(), String>) {
        self.is_store_lost.store(seen.is_err(), Ordering::Release);
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = seen.err();
        self.changes.publish(Change::Attention);
    }

    /// Whether the rows can't be had: what is known of them in memory is not to be relied on.
    pub fn is_store_lost(&self) -> bool {
        self.is_store_lost.load(Ordering::Acquire)
    }

    /// Why the rows can't be had; `None`: they can.
    pub fn store_trouble(&self) -> Option<String> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The gateway's port and the stranger who has it.
    pub fn stranger(&self) -> Option<(u16, String)> {
        self.stranger.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Since when and why the agent runtime can't be reached; `None`: as far as was seen it can.
    pub fn runtime_trouble(&self) -> Option<(UnixMs, String)> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
