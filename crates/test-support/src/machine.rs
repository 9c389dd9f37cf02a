//! A profile in a temporary folder, with a clock that tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use atthene_core::identity::Profile;
use atthene_core::keys::{Expiry, KeyId, NewKey};
use atthene_core::{Clock, Core, Environment, Policy, UnixMs};
use atthene_store::Sqlite;
use atthene_vault::{MemoryVault, SecretStore};

use crate::{databases, environment};

pub const START: i64 = 1_800_000_000_000;

/// A folder and a clock; cores opened on it are processes on one machine.
pub struct Machine {
    pub dir: tempfile::TempDir,
    now: Arc<AtomicI64>,
}

impl Machine {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder"), now: Arc::new(AtomicI64::new(START)) }
    }

    /// Its profile lies in a file, whatever is said of others.
    pub fn with_file() -> Self {
        let machine = Self::new();
        Sqlite::open(machine.dir.path()).expect("opens");
        machine
    }

    pub fn open(&self) -> Arc<Core> {
        self.open_with(MemoryVault::default())
    }

    pub fn open_with(&self, vault: impl SecretStore + 'static) -> Arc<Core> {
        self.open_under(vault, Policy::default())
    }

    /// On a machine whose administrator has fixed this.
    pub fn open_under(&self, vault: impl SecretStore + 'static, policy: Policy) -> Arc<Core> {
        let folder = self.dir.path();
        let environment = environment(folder, self.clock(), vault).expect("opens");
        Core::open(&Profile::at(folder), Environment { policy, ..environment }).expect("opens")
    }

    /// The clock that [`Machine::step`] moves.
    pub fn clock(&self) -> Clock {
        let now = self.now.clone();
        Clock::from_fn(move || UnixMs(now.load(Ordering::Relaxed)))
    }

    /// Moves the clock, also backwards.
    pub fn step(&self, ms: i64) {
        self.now.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        databases::forget(self.dir.path());
    }
}

pub fn new_key(name: &str, days: u16, replaces: Option<KeyId>) -> NewKey {
    NewKey { name: name.to_owned(), expiry: Expiry::Days { days }, replaces }
}

/// The key that the list shows as live.
pub fn live(core: &Core) -> Option<KeyId> {
    core.keys.live().expect("reads").map(|key| key.id)
}
