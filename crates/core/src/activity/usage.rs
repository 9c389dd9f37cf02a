//! Counts calls in memory and writes them in one batch: no database write on the request path.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::{CallerView, Came, Entry, KeyHours, Kind, LastDay, Recorder, RefusalView, Times};
use crate::change::{Change, Changes};
use crate::clock::{Clock, UnixMs};
use crate::error::Error;
use crate::keys::{KeyId, Use};
use crate::store::{Store, keys, troubled, usage as rows};

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

pub(super) const ANSWERED: &str = "answered";
pub(super) const FAILED: &str = "failed";

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Answered => ANSWERED,
            Self::Failed => FAILED,
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
    /// What this app added; `None` where that can't be told apart: access was renewed on the way, or
    /// Graph was called.
    pub gateway_time: Option<Duration>,
    /// What the agent runtime took; `None` where it was not asked.
    pub runtime_time: Option<Duration>,
    /// What is needed to explain it later; `None` for one that went well.
    pub trouble: Option<Box<Trouble>>,
}

/// A call that was refused or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The name that the caller was told.
    pub request_id: Arc<str>,
    /// The method.
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// The stable code of the answer.
    pub code: &'static str,
    /// What the caller was told.
    pub detail: String,
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
    gateway_times: Times,
    runtime_times: Times,
}

impl Count {
    fn since(now: UnixMs) -> Self {
        let (gateway_times, runtime_times) = (Times::default(), Times::default());
        Self { requests: 0, bytes_in: 0, bytes_out: 0, first_at: now, last_at: now, gateway_times, runtime_times }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.first_at = self.first_at.min(other.first_at);
        self.last_at = self.last_at.max(other.last_at);
        self.gateway_times.add(&other.gateway_times);
        self.runtime_times.add(&other.runtime_times);
    }
}

#[derive(Default)]
struct Pending {
    /// Few, and mostly one: looking through them is cheaper than hashing all that tells them apart.
    counts: Vec<(Slot, Count)>,
    troubled: VecDeque<TroubledCall>,
    bursts: Vec<Burst>,
}

/// A call to keep, with who made it.
struct TroubledCall {
    at: UnixMs,
    key: Option<KeyId>,
    caller: Caller,
    trouble: Box<Trouble>,
}

/// Many refused calls of one program in a short time.
struct Burst {
    by: String,
    reason: &'static str,
    key: Option<KeyId>,
}

/// How many refused calls of one program within [`BURST_WINDOW`] are a burst.
const BURST: u32 = 20;
const BURST_WINDOW: i64 = 5 * 60_000;
/// A program that goes on is told of once in this time.
const BURST_PAUSE: i64 = UnixMs::HOUR;
/// Programs watched for bursts at a time.
const MOST_WATCHED: usize = 64;

/// Refused calls of one program since a moment.
struct Watched {
    since: UnixMs,
    refused: u32,
    told_at: Option<UnixMs>,
}

/// Distinct slots held between two batches. A caller chooses its user agent freely; beyond
/// this many it is counted without one, so that memory and rows stay bounded.
const MOST_SLOTS: usize = 256;
/// Troubled calls kept between two batches: the latest.
const MOST_TROUBLED: usize = 100;

/// The counters of this profile.
pub struct Usage {
    pub(super) store: Arc<Store>,
    pub(super) clock: Clock,
    changes: Changes,
    recorder: Recorder,
    pending: Mutex<Pending>,
    watched: Mutex<HashMap<String, Watched>>,
}

impl Usage {
    pub(crate) fn new(store: Arc<Store>, clock: Clock, changes: Changes, recorder: Recorder) -> Self {
        Self { store, clock, changes, recorder, pending: Mutex::default(), watched: Mutex::default() }
    }

    /// Counts a call. Takes no time worth measuring and never fails.
    pub fn record(&self, call: Call) {
        let now = self.clock.now();
        let hour = now.hour();
        let burst = match call.outcome {
            Outcome::Refused(reason) => self.burst(&call, reason, now),
            _ => None,
        };
        let mut pending = self.lock();
        pending.bursts.extend(burst);
        if let Some(trouble) = call.trouble {
            if pending.troubled.len() >= MOST_TROUBLED {
                pending.troubled.pop_front();
            }
            let (key, caller) = (call.key.clone(), call.caller.clone());
            pending.troubled.push_back(TroubledCall { at: now, key, caller, trouble });
        }
        let slot = Slot { hour, key: call.key, caller: call.caller, outcome: call.outcome };
        let count = pending.count(slot, now);
        count.requests += 1;
        count.bytes_in += call.bytes_in;
        count.bytes_out += call.bytes_out;
        count.last_at = count.last_at.max(now);
        for (times, time) in
            [(&mut count.gateway_times, call.gateway_time), (&mut count.runtime_times, call.runtime_time)]
        {
            if let Some(time) = time {
                times.record(time);
            }
        }
    }

    /// Whether this refused call makes a burst that nobody was told of.
    fn burst(&self, call: &Call, reason: &'static str, now: UnixMs) -> Option<Burst> {
        let by = call.caller.label();
        let mut all = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_WATCHED && !all.contains_key(by) {
            all.retain(|_, watched| now.0 - watched.since.0 < BURST_WINDOW);
            if all.len() >= MOST_WATCHED {
                return None;
            }
        }
        let watched = all.entry(by.to_owned()).or_insert(Watched { since: now, refused: 0, told_at: None });
        if now.0 - watched.since.0 >= BURST_WINDOW {
            *watched = Watched { since: now, refused: 0, told_at: watched.told_at };
        }
        watched.refused += 1;
        if watched.refused < BURST || watched.told_at.is_some_and(|told| now.0 - told.0 < BURST_PAUSE) {
            return None;
        }
        watched.told_at = Some(now);
        Some(Burst { by: by.to_owned(), reason, key: call.key.clone() })
    }

    /// Writes what was counted since the last time, in one transaction. Blocks on SQLite.
    /// What could not be written is kept for the next time.
    pub fn flush(&self) -> Result<(), Error> {
        let pending = std::mem::take(&mut *self.lock());
        if pending.counts.is_empty() {
            return Ok(());
        }
        let written = self.store.write(|tx| Ok(pending.write(tx, &self.recorder)?));
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
    /// What is counted for this slot since the last batch.
    fn count(&mut self, mut slot: Slot, now: UnixMs) -> &mut Count {
        let mut found = self.counts.iter().position(|(known, _)| *known == slot);
        if found.is_none() && self.counts.len() >= MOST_SLOTS {
            slot.caller.user_agent = "".into();
            found = self.counts.iter().position(|(known, _)| *known == slot);
        }
        let at = found.unwrap_or_else(|| {
            self.counts.push((slot, Count::since(now)));
            self.counts.len() - 1
        });
        &mut self.counts[at].1
    }

    fn write(&self, connection: &rusqlite::Connection, recorder: &Recorder) -> rusqlite::Result<()> {
        for call in &self.troubled {
            troubled::add(connection, call.at, call.key.as_ref(), &call.caller, &call.trouble)?;
        }
        if !self.troubled.is_empty() {
            troubled::forget_old(connection)?;
        }
        for burst in &self.bursts {
            let detail = json!({ "program": burst.by, "reason": burst.reason, "calls": BURST });
            let subject = burst.key.as_ref().map_or("", |key| &key.0);
            let entry = Entry { kind: Kind::RefusalBurst, subject, outcome: Came::Failed, detail };
            recorder.append(connection, &entry)?;
        }
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
        for ((hour, key, part), times) in self.times() {
            for (bucket, requests) in times.counted() {
                rows::add_latency(connection, hour, key, part, bucket.0, requests)?;
            }
        }
        Ok(())
    }

    fn put_back(&mut self, mut older: Self) {
        older.troubled.append(&mut self.troubled);
        self.troubled = older.troubled.split_off(older.troubled.len().saturating_sub(MOST_TROUBLED));
        self.bursts.append(&mut older.bursts);
        for (slot, old) in older.counts {
            self.count(slot, old.first_at).add(&old);
        }
    }

    /// How long calls took, by what is written of that.
    fn times(&self) -> HashMap<(UnixMs, &str, &'static str), Times> {
        let mut all: HashMap<_, Times> = HashMap::new();
        for (slot, count) in &self.counts {
            let key = slot.key.as_ref().map_or("", |key| &*key.0);
            for (part, times) in [("gateway", &count.gateway_times), ("runtime", &count.runtime_times)] {
                all.entry((slot.hour, key, part)).or_default().add(times);
            }
        }
        all
    }
}
