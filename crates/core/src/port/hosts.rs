//! Who shares a profile: each host says every few seconds that it is there, and the database says when that was.

use std::time::Duration;

use crate::activity::Entry;
use crate::clock::UnixMs;
use crate::error::StoreError;

/// One of the hosts that share a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRow {
    /// Tells it apart.
    pub id: String,
    /// What people call it. Two may be called alike.
    pub name: String,
    /// Whether it is the one that asks.
    pub is_here: bool,
    /// What its service has said of itself; `None`: none has served there yet.
    pub seen: Option<HostSeen>,
    /// What its service does, as JSON, as it told last; `None`: it has told nothing since it began.
    pub status: Option<String>,
}

/// A host's service, as it said itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSeen {
    pub version: String,
    /// Where its gateway answers, in its own words.
    pub address: String,
    /// Since when it serves, by its own clock.
    pub started_at: UnixMs,
    /// When it was last heard of, by the clock of the database.
    pub at: UnixMs,
    /// How long ago that was, by the same clock.
    pub ago: Duration,
}

/// The hosts of a shared profile.
pub trait HostRows: Send + Sync {
    /// Everyone who takes part, by name.
    fn hosts(&self) -> Result<Vec<HostRow>, StoreError>;
    /// This host's service of this version is there, answers at this address and has served since then. Said every few
    /// seconds: nobody is told of it. One that was forgotten takes part again.
    fn beat(&self, version: &str, address: &str, started_at: UnixMs) -> Result<(), StoreError>;
    /// Forgets a host that left for good. What it put on record and what it counted stays, and bears its name; what it
    /// left in the vault between two steps is cleared away by this one when it next starts. Whether there was such a
    /// host; if so, the entry is on record with it.
    fn forget(&self, id: &str, entry: &Entry<'_>) -> Result<bool, StoreError>;
}
