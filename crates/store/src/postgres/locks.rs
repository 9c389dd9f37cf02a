//! Advisory locks of this app in its database, each held until the end of a transaction. The first number is ours.

/// Held by whoever looks at the format of the database, and updates it.
pub(super) const UPDATING: &str = "4711, 1";
/// Held together by all who append, until they have ended; by whoever reads on from a row, alone. Ids are given in
/// order, but transactions end in any: without it, a reader could pass a row that is not there yet.
pub(super) const APPENDING: &str = "4711, 2";
/// Held by whoever rolls hours up into days.
pub(super) const ROLLING_UP: &str = "4711, 3";
/// Held by whoever cuts the record.
pub(super) const CUTTING: &str = "4711, 4";

/// The statement that waits for one, alone.
pub(super) fn take(lock: &str) -> String {
    format!("SELECT pg_advisory_xact_lock({lock})::text")
}
