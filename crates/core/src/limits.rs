//! What callers without a live key can take, at the most. They can call as often as they like, under any
//! name: none of these numbers grows with that.

use std::sync::{Mutex, PoisonError};

use crate::clock::UnixMs;

/// Connections to the gateway at a time. Where all are taken, the quietest makes room.
pub const CONNECTIONS: usize = 512;
/// All headers of a request, in bytes; also what is buffered of an answer that its caller does not read.
pub const HEAD_BYTES: usize = 64 * 1024;
/// Characters that are kept of what a caller says of itself.
pub const LONGEST_USER_AGENT: usize = 120;
/// Characters that are kept of a path that was refused.
pub const LONGEST_PATH: usize = 200;

/// Names of refused callers that are told apart in an hour; the others share one.
pub(crate) const NAMED_OUTSIDERS: usize = 32;
/// Names that all tables together hold before refused callers get no new one.
pub const MOST_CALLERS: u32 = 1024;
/// Counters held between two batches.
pub(crate) const MOST_SLOTS: usize = 256;
/// Calls to explain that are held between two batches, of refused callers and of others each.
pub(crate) const MOST_TROUBLED: usize = 50;
/// Calls to explain that are kept, of refused callers and of others each.
pub const KEPT_TROUBLED: i64 = 1000;

/// Refused calls of one program within [`BURST_WINDOW`] that are a burst.
pub(crate) const BURST: u32 = 20;
/// Refused calls of all of them within that time that are one, whoever they say they are.
pub(crate) const BURST_OF_ALL: u32 = 200;
/// In milliseconds.
pub(crate) const BURST_WINDOW: i64 = 5 * 60_000;
/// A burst that goes on is told of once in this time, in milliseconds.
pub(crate) const BURST_PAUSE: i64 = UnixMs::HOUR;
/// Programs watched for bursts at a time.
pub(crate) const MOST_WATCHED: usize = 64;
/// Bursts of single programs that are put on record in an hour.
pub(crate) const BURSTS_AN_HOUR: u32 = 8;
/// Answers to no sign-in that are put on record in an hour.
pub(crate) const REFUSED_SIGN_INS_AN_HOUR: u32 = 10;

/// So many in an hour, and no more.
pub(crate) struct Allowance {
    most: u32,
    taken: Mutex<(UnixMs, u32)>,
}

impl Allowance {
    pub(crate) fn an_hour(most: u32) -> Self {
        Self { most, taken: Mutex::new((UnixMs(0), 0)) }
    }

    /// Takes one, where there is one left.
    pub(crate) fn take(&self, now: UnixMs) -> bool {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.0 != now.hour() {
            *taken = (now.hour(), 0);
        }
        let some_left = taken.1 < self.most;
        taken.1 += u32::from(some_left);
        some_left
    }
}
