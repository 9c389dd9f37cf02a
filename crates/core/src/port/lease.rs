//! Leases: what one host at a time does for all of them. They run out by the clock of the database, so that no host's
//! clock decides.

use std::time::Duration;

use crate::error::StoreError;

/// Grows by one each time a lease is taken. Whoever writes under a lease writes this along, so that one who lost it
/// while it was held up is known by a number that is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseFence(pub i64);

/// A lease as it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenLease {
    pub fence: LeaseFence,
    /// Whether somebody before has begun what can't be done twice, and nobody knows how it ended.
    pub is_begun: bool,
}

/// The lease that something is written under.
#[derive(Debug, Clone, Copy)]
pub struct UnderLease<'a> {
    pub name: &'a str,
    pub fence: LeaseFence,
}

pub trait LeaseRows: Send + Sync {
    /// Takes the lease where nobody holds it or it has run out, for this long from now; also anew for the same holder,
    /// whose earlier fence ends with that. `None`: another one holds it. An error: it could not be asked, which is
    /// neither.
    fn take(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<TakenLease>, StoreError>;
    /// Holds it for this long from now. Whether it was still held under this fence.
    fn renew(&self, name: &str, holder: &str, fence: LeaseFence, ttl: Duration) -> Result<bool, StoreError>;
    /// The same, and writes down that what can't be done twice is done next. It stays written down until its end is,
    /// whoever holds the lease meanwhile.
    fn begin(&self, name: &str, holder: &str, fence: LeaseFence, ttl: Duration) -> Result<bool, StoreError>;
    /// Lets others take it at once. One that is held under another fence stays. `is_ended`: how what was begun has
    /// ended is known.
    fn give_back(&self, name: &str, holder: &str, fence: LeaseFence, is_ended: bool) -> Result<(), StoreError>;
}
