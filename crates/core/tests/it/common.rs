//! A profile in a temporary folder, with a clock that tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use atthene_core::identity::Profile;
use atthene_core::keys::{Expiry, KeyId, KeyState, NewKey};
use atthene_core::vault::{MemoryVault, Vault};
use atthene_core::{Clock, Core, Outside, UnixMs};

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

    pub fn open(&self) -> Arc<Core> {
        let vault = Vault::new(MemoryVault::default()).expect("a thread");
        self.open_with(Outside::new(self.clock(), vault))
    }

    pub fn open_with(&self, outside: Outside) -> Arc<Core> {
        Core::open_with(&Profile::at(self.dir.path()), outside).expect("opens")
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

pub fn new_key(name: &str, days: u16, replaces: Option<KeyId>) -> NewKey {
    NewKey { name: name.to_owned(), expiry: Expiry::Days { days }, replaces }
}

/// The key that the list shows as live.
pub fn live(core: &Core) -> Option<KeyId> {
    let keys = core.keys.list().expect("lists");
    keys.into_iter().find(|key| matches!(key.state, KeyState::Active | KeyState::Expiring)).map(|key| key.id)
}
