//! What was done: counters per hour, caller and outcome, and the record of each act.

mod account_export;
mod call;
mod latency;
mod listing;
mod page;
mod record;
mod report;
mod row;
mod signature;
mod timeline;
mod usage;

pub use call::{Call, CallOutcome, Caller, OTHERS, Trouble};
pub use latency::{Bucket, Latency};
pub use listing::Activity;
pub use record::{ActOutcome, Actor, Entry, Kind, Recorder};
pub use report::{HostUsage, ProgramUsage, Span, Totals, UsageReport};
pub use row::{ActivityFilter, ActivityPage, ActivityRow, Chain};
pub use signature::Thumbprint;
pub use timeline::{CheckedTimeline, Timeline, TimelineFilter, TimelineForm, TimelineRow};
pub use usage::Usage;

use serde::Serialize;
use ts_rs::TS;

use crate::clock::UnixMs;
use crate::keys::KeyId;

/// A program that used a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct CallerView {
    /// The program at the other end of the connection; empty where it could not be told.
    pub program: String,
    /// What it says of itself; empty where it says nothing.
    pub user_agent: String,
    #[ts(type = "number")]
    pub requests: u64,
    pub last_at: UnixMs,
}

/// Calls that were refused for one reason, by one program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct RefusalView {
    /// The stable word of the refusal.
    pub reason: String,
    /// The key that was presented, where its holder proved to hold it.
    pub key_id: Option<KeyId>,
    pub caller: CallerView,
}

/// The last 24 hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct LastDay {
    /// The start of the first hour.
    pub from: UnixMs,
    /// Answered calls in each of the 24 hours up to now, per key.
    pub keys: Vec<KeyHours>,
    /// Refused calls, the latest first.
    pub refusals: Vec<RefusalView>,
}

/// One key's answered calls in each hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct KeyHours {
    pub key_id: KeyId,
    /// Calls in each hour, the oldest first.
    #[ts(type = "Array<number>")]
    pub hours: Vec<u64>,
}
