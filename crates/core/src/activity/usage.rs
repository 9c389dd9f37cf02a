//! Counts calls in memory and writes them in one batch: no database write on the request path.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Bucket, CallerView, KeyHours, LastDay, RefusalView};
use crate::change::{Change, Changes};
use crate::clock::{Clock, UnixMs};
use crate::error::Error;
use crate::keys::{KeyId, Use};
use crate::store::{Store, keys, usage as rows};

/// Who calls. A hint, not a proof: the program is read from the operating system when the
/// connection is new, the user agent is what the caller says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Caller {
    /// Program and script, as in `node server.js`; empty where it could not be told.
    pub program: Arc<str>,
    /// The `User-Agent` header; empty where there was none.
    pub user_agent: Arc<str>,
}

impl Caller {
    /// The shortest name that tells this caller apart.
    pub fn label(&self) -> &str {
        let product = self.user_agent.split_whitespace().next().unwrap_or_default();
        [&*self.program, product].into_iter().find(|name| !name.is_empty()).unwrap_or("an unknown program")
    }
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The key was good and an answer was given, whatever its status.
    Answered,
    /// The key was good, but the agent runtime could not be reached or gave no answer.
    Failed,
    /// Refused, for the reason of this stable word.
    Refused(&'static str),
}

const ANSWERED: &str = "answered";

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Answered => ANSWERED,
            Self::Failed => "failed",
            Self::Refused(reason) => reason,
        }
    }
}

/// One call that has ended.
#[derive(Debug, Clone)]
pub struct Call {
    /// The key, where the caller proved to hold it.
    pub key: Option<KeyId>,
    /// Who called.
    pub caller: Caller,
    /// What came of it.
    pub outcome: Outcome,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// What this app added.
    pub gateway_time: Duration,
    /// What the agent runtime took; `None` where it was not asked.
    pub runtime_time: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Slot {
    hour: UnixMs,
    key: Option<KeyId>,
    caller: Caller,
    outcome: Outcome,
}

#[derive(Debug, Clone)]
struct Count {
    requests: u64,
    bytes_in: u64,
    bytes_out: u64,
    first_at: UnixMs,
    last_at: UnixMs,
}

#[derive(Default)]
struct Pending {
    counts: HashMap<Slot, Count>,
    latencies: HashMap<(UnixMs, Option<KeyId>, &'static str, Bucket), u64>,
}

/// Distinct slots held between two batches. A caller chooses its user agent freely; beyond
/// this many it is counted without one, so that memory and rows stay bounded.
const MOST_SLOTS: usize = 256;

/// The counters of this profile.
pub struct Usage {
    store: Arc<Store>,
    clock: Clock,
    changes: Changes,
    pending: Mutex<Pending>,
}

impl Usage {
    pub(crate) fn new(store: Arc<Store>, clock: Clock, changes: Changes) -> Self {
        Self { store, clock, changes, pending: Mutex::default() }
    }

    /// Counts a call. Takes no time worth measuring and never fails.
    pub fn record(&self, call: Call) {
        let now = self.clock.now();
        let hour = now.hour();
        let mut pending = self.lock();
        for (part, time) in [("gateway", Some(call.gateway_time)), ("runtime", call.runtime_time)] {
            let Some(time) = time else { continue };
            *pending.latencies.entry((hour, call.key.clone(), part, Bucket::of(time))).or_default() += 1;
        }
        let mut slot = Slot { hour, key: call.key, caller: call.caller, outcome: call.outcome };
        if pending.counts.len() >= MOST_SLOTS && !pending.counts.contains_key(&slot) {
            slot.caller.user_agent = "".into();
        }
        let count = pending.counts.entry(slot).or_insert(Count {
            requests: 0,
            bytes_in: 0,
            bytes_out: 0,
            first_at: now,
            last_at: now,
        });
        count.requests += 1;
        count.bytes_in += call.bytes_in;
        count.bytes_out += call.bytes_out;
        count.last_at = count.last_at.max(now);
    }

    /// Writes what was counted since the last time, in one transaction. Blocks on SQLite.
    /// What could not be written is kept for the next time.
    pub fn flush(&self) -> Result<(), Error> {
        let pending = std::mem::take(&mut *self.lock());
        if pending.counts.is_empty() {
            return Ok(());
        }
        let written = self.store.write(|tx| Ok(pending.write(tx)?));
        match written {
            Ok(()) => self.changes.tell(Change::Usage),
            Err(_) => self.lock().put_back(pending),
        }
        written
    }

    /// Every program that used the key since `since`, the most recent first.
    pub fn callers(&self, key: &KeyId, since: UnixMs) -> Result<Vec<CallerView>, Error> {
        self.store.read(|connection| rows::callers(connection, &key.0, since, ANSWERED))
    }

    /// Every program that used the key in the last 30 days, the most recent first.
    pub fn recent_callers(&self, key: &KeyId) -> Result<Vec<CallerView>, Error> {
        self.callers(key, self.clock.now().plus(-30 * UnixMs::DAY).hour())
    }

    /// The last 24 hours, per key and hour, with the refusals.
    pub fn last_day(&self) -> Result<LastDay, Error> {
        let from = self.clock.now().hour().plus(-23 * UnixMs::HOUR);
        self.store.read(|connection| {
            let mut keys: Vec<KeyHours> = Vec::new();
            for (key, hour, requests) in rows::answered_by_hour(connection, from, ANSWERED)? {
                if keys.last().is_none_or(|last| last.key_id != key) {
                    keys.push(KeyHours { key_id: key, hours: vec![0; 24] });
                }
                let at = usize::try_from((hour.0 - from.0) / UnixMs::HOUR).unwrap_or(usize::MAX);
                if let Some(slot) = keys.last_mut().and_then(|last| last.hours.get_mut(at)) {
                    *slot += requests;
                }
            }
            let refusals: Vec<RefusalView> = rows::refusals(connection, from)?;
            Ok(LastDay { from, keys, refusals })
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn write(&self, connection: &rusqlite::Connection) -> rusqlite::Result<()> {
        for (slot, count) in &self.counts {
            let key = slot.key.as_ref().map_or("", |key| &key.0);
            rows::add(
                connection,
                &rows::Added {
                    hour: slot.hour,
                    key,
                    program: &slot.caller.program,
                    user_agent: &slot.caller.user_agent,
                    outcome: slot.outcome.as_str(),
                    requests: count.requests,
                    bytes_in: count.bytes_in,
                    bytes_out: count.bytes_out,
                    last_at: count.last_at,
                },
            )?;
            if slot.outcome == Outcome::Answered {
                let by = slot.caller.label().to_owned();
                let first = Use { at: count.first_at, by: by.clone() };
                keys::count(connection, key, count.requests, &first, &Use { at: count.last_at, by })?;
            }
        }
        for ((hour, key, part, bucket), requests) in &self.latencies {
            rows::add_latency(connection, *hour, key.as_ref().map_or("", |key| &key.0), part, bucket.0, *requests)?;
        }
        Ok(())
    }

    fn put_back(&mut self, older: Self) {
        for (slot, old) in older.counts {
            match self.counts.entry(slot) {
                std::collections::hash_map::Entry::Vacant(slot) => {
                    slot.insert(old);
                }
                std::collections::hash_map::Entry::Occupied(mut slot) => {
                    let count = slot.get_mut();
                    count.requests += old.requests;
                    count.bytes_in += old.bytes_in;
                    count.bytes_out += old.bytes_out;
                    count.first_at = old.first_at;
                }
            }
        }
        for (slot, old) in older.latencies {
            *self.latencies.entry(slot).or_default() += old;
        }
    }
}
