//! Leases: what one host at a time does for all of them. They run out by the clock of the database, so that no host's
//! clock decides.

use std::time::Duration;

use crate::error::StoreError;

/// Grows each time a lease is taken. Whoever writes under a lease writes this along, so that one who lost it while it
/// was held up is known by a number that is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseFence(pub i64);

pub trait LeaseRows: Send + Sync {
    /// Takes the lease where nobody holds it or it has run out, for this long from now; also anew for the same holder,
    /// whose earlier fence ends with that. `None`: another one holds it. An error: it could not be asked, which is
    /// neither.
    fn take(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<LeaseFence>, StoreError>;
    /// Holds it for this long from now. Whether it was still held under this fence.
    fn renew(&self, name: &str, holder: &str, fence: LeaseFence, ttl: Duration) -> Result<bool, StoreError>;
    /// Lets others take it at once. One that is held under another fence stays.
    fn give_back(&self, name: &str, holder: &str, fence: LeaseFence) -> Result<(), StoreError>;
}
