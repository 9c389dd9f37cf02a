//! What this process has seen lately and no row holds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::change::{Change, Changes};
use crate::clock::{Clock, UnixMs};
use crate::trust::Trust;
use crate::watch::Outage;

/// What the service has seen, for other processes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    runtime: Option<(UnixMs, String)>,
    gateway: Option<String>,
    stranger: Option<(u16, String)>,
}

/// Rows that lie elsewhere and can't be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct StoreAway {
    /// The last moment at which they were known.
    pub since: UnixMs,
    /// Until then what is known of them serves; `None`: it does not any more, and nobody is let in.
    pub trusted_until: Option<UnixMs>,
    /// What the network or the database said.
    pub reason: String,
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
    /// Rows elsewhere that can't be had.
    away: Mutex<Option<StoreAway>>,
    /// Until when what is known of them is relied on.
    trust: Trust,
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
            away: Mutex::default(),
            trust: Trust::default(),
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
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.set_lost(seen.err());
    }

    /// What is known of rows elsewhere is relied on for so long, unless that is told anew.
    pub(crate) fn store_trusted(&self, left: Duration) {
        self.trust.ends_in(left);
    }

    /// Rows elsewhere can't be had; what is known of them serves for a while.
    pub(crate) fn store_away(&self, outage: &Outage<'_>) {
        self.trust.ends_in(outage.left);
        self.set_away(outage, Some(self.clock.now().after(outage.left)));
        self.changes.publish(Change::Attention);
    }

    /// The rows can't be had, and nobody is let in.
    pub(crate) fn store_lost(&self, outage: &Outage<'_>) {
        if outage.is_elsewhere {
            self.set_away(outage, None);
        }
        self.set_lost(Some(outage.why.to_string()));
    }

    fn set_away(&self, outage: &Outage<'_>, trusted_until: Option<UnixMs>) {
        let away = StoreAway { since: outage.since, trusted_until, reason: outage.why.to_string() };
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = Some(away);
    }

    fn set_lost(&self, why: Option<String>) {
        self.is_store_lost.store(why.is_some(), Ordering::Release);
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = why;
        self.changes.publish(Change::Attention);
    }

    /// Rows elsewhere that can't be had; `None`: they can.
    pub(crate) fn away(&self) -> Option<StoreAway> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the rows can't be had: what is known of them in memory is not to be relied on.
    pub fn is_store_lost(&self) -> bool {
        self.is_store_lost.load(Ordering::Acquire) || self.trust.is_over()
    }

    /// Why the rows can't be had; `None`: they can, or what is known of them still serves.
    pub fn store_trouble(&self) -> Option<String> {
        let why = self.store.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Over, and whoever should have told is held up.
        why.or_else(|| self.trust.is_over().then(|| "The database gives no answer.".to_owned()))
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
