//! Counts calls in memory and writes them in one batch: no database write on the request path.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use super::call::{ANSWERED, OTHERS};
use super::latency::Times;
use super::{ActOutcome, Call, CallOutcome, Caller, CallerView, KeyHours, Kind, LastDay, Recorder, Trouble};
use crate::change::{Change, Changes};
use crate::clock::{Clock, UnixMs};
use crate::error::{Error, StoreError};
use crate::keys::KeyId;
use crate::limits::{
    Allowance, BURST, BURST_OF_ALL, BURST_PAUSE, BURST_WINDOW, BURSTS_AN_HOUR, MOST_SLOTS, MOST_TROUBLED, MOST_WATCHED,
    NAMED_OUTSIDERS,
};
use crate::port::{CountedCalls, CountedTimes, KeptTrouble, Store, UsageBatch};
use crate::problem::ProblemCode;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CountKey {
    hour: UnixMs,
    key: Option<KeyId>,
    caller: Caller,
    outcome: CallOutcome,
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
    counts: Vec<(CountKey, Count)>,
    troubled: VecDeque<PendingTrouble>,
    /// Apart: a flood of refused calls must not push out what an application asks about.
    refused: VecDeque<PendingTrouble>,
    bursts: Vec<Burst>,
}

/// A call to keep, with who made it.
struct PendingTrouble {
    at: UnixMs,
    key: Option<KeyId>,
    caller: Caller,
    trouble: Box<Trouble>,
}

/// Many refused calls of one program in a short time.
struct Burst {
    by: String,
    reason: ProblemCode,
    calls: u32,
    key: Option<KeyId>,
}

/// What is known of the calls of a refused program.
enum BurstWatch {
    /// Somebody was told of them lately, or is by this burst.
    Reported(Option<Burst>),
    Unreported,
}

/// Refused calls since a moment.
#[derive(Default)]
struct Watched {
    since: UnixMs,
    refused: u32,
    told_at: Option<UnixMs>,
}

impl Watched {
    /// Counts one; whether that makes a burst of `burst` calls that somebody has to be told of.
    fn count(&mut self, burst: u32, now: UnixMs) -> bool {
        if !(0..BURST_WINDOW).contains(&(now.0 - self.since.0)) {
            (self.since, self.refused) = (now, 0);
        }
        self.refused += 1;
        self.refused >= burst && !self.was_told(now)
    }

    fn was_told(&self, now: UnixMs) -> bool {
        self.told_at.is_some_and(|told| now.0 - told.0 < BURST_PAUSE)
    }
}

/// Whom a burst is told of that no single program made.
const MANY: &str = "many callers together";

/// What callers call themselves in this hour.
#[derive(Default)]
struct Names {
    hour: UnixMs,
    known: HashSet<Caller>,
}

impl Names {
    /// The name under which a refused caller is counted.
    fn of(&mut self, caller: Caller, hour: UnixMs) -> Caller {
        if self.hour != hour {
            (self.hour, self.known) = (hour, HashSet::new());
        }
        if self.known.contains(&caller) {
            return caller;
        }
        if self.known.len() >= NAMED_OUTSIDERS {
            return Caller { program: "".into(), user_agent: OTHERS.into() };
        }
        self.known.insert(caller.clone());
        caller
    }
}

/// The counters of this profile.
pub struct Usage {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    changes: Changes,
    recorder: Recorder,
    pending: Mutex<Pending>,
    /// A batch that may have been written: added to others it would be counted twice, or not at all.
    in_doubt: Mutex<Option<Pending>>,
    watched: Mutex<HashMap<String, Watched>>,
    /// Refused callers, all together.
    refused: Mutex<Watched>,
    /// Names of refused callers that hold no key at all.
    keyless: Mutex<Names>,
    /// Names of refused callers that hold one that ended.
    former: Mutex<Names>,
    named_bursts: Allowance,
}

impl Usage {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Clock, changes: Changes, recorder: Recorder) -> Self {
        Self {
            store,
            clock,
            changes,
            recorder,
            pending: Mutex::default(),
            in_doubt: Mutex::default(),
            watched: Mutex::default(),
            refused: Mutex::default(),
            keyless: Mutex::default(),
            former: Mutex::default(),
            named_bursts: Allowance::an_hour(BURSTS_AN_HOUR),
        }
    }

    /// Counts a call. Takes no time worth measuring and never fails.
    pub fn record(&self, mut call: Call) {
        let now = self.clock.now();
        let hour = now.hour();
        let mut burst = None;
        let is_refused = matches!(call.outcome, CallOutcome::Refused(_));
        if let CallOutcome::Refused(reason) = call.outcome {
            burst = match self.burst(&call, reason, now) {
                BurstWatch::Reported(burst) => burst,
                // Those that no single program is told of are seen together.
                BurstWatch::Unreported => self.burst_of_all(reason, now),
            };
            // Apart: whoever holds no key must not hide which application still sends an ended one.
            let names = if call.key.is_some() { &self.former } else { &self.keyless };
            call.caller = names.lock().unwrap_or_else(PoisonError::into_inner).of(call.caller, hour);
        }
        let mut pending = self.lock();
        pending.bursts.extend(burst);
        if let Some(trouble) = call.trouble {
            let kept = if is_refused { &mut pending.refused } else { &mut pending.troubled };
            if kept.len() >= MOST_TROUBLED {
                kept.pop_front();
            }
            let (key, caller) = (call.key.clone(), call.caller.clone());
            kept.push_back(PendingTrouble { at: now, key, caller, trouble });
        }
        let slot = CountKey { hour, key: call.key, caller: call.caller, outcome: call.outcome };
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

    /// Whether this refused call makes a burst of all of them that nobody was told of.
    fn burst_of_all(&self, reason: ProblemCode, now: UnixMs) -> Option<Burst> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if !refused.count(BURST_OF_ALL, now) {
            return None;
        }
        refused.told_at = Some(now);
        Some(Burst { by: MANY.to_owned(), reason, calls: BURST_OF_ALL, key: None })
    }

    /// Whether this refused call makes a burst of one program.
    fn burst(&self, call: &Call, reason: ProblemCode, now: UnixMs) -> BurstWatch {
        let by = call.caller.label();
        let mut all = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_WATCHED && !all.contains_key(by) {
            all.retain(|_, watched| now.0 - watched.since.0 < BURST_WINDOW);
            if all.len() >= MOST_WATCHED {
                // Too many names to watch each.
                return BurstWatch::Unreported;
            }
        }
        let watched = all.entry(by.to_owned()).or_default();
        if watched.count(BURST, now) && self.named_bursts.take(now) {
            watched.told_at = Some(now);
            return BurstWatch::Reported(Some(Burst {
                by: by.to_owned(),
                reason,
                calls: BURST,
                key: call.key.clone(),
            }));
        }
        if watched.was_told(now) { BurstWatch::Reported(None) } else { BurstWatch::Unreported }
    }

    /// Writes what was counted since the last time, in one transaction. Blocks on SQLite.
    /// What could not be written is kept for the next time.
    pub fn flush(&self) -> Result<(), Error> {
        let mut in_doubt = self.in_doubt.lock().unwrap_or_else(PoisonError::into_inner);
        if in_doubt.is_some() {
            let was_counted = self.store.was_counted()?;
            if let Some(batch) = in_doubt.take().filter(|_| !was_counted) {
                self.lock().put_back(batch);
            }
        }
        let pending = std::mem::take(&mut *self.lock());
        if pending.counts.is_empty() {
            return Ok(());
        }
        let written = self.store.count(&pending.batch(&self.recorder));
        match written {
            Ok(()) => self.changes.publish(Change::Usage),
            Err(StoreError::OutcomeUnknown { .. }) => *in_doubt = Some(pending),
            Err(_) => self.lock().put_back(pending),
        }
        Ok(written?)
    }

    /// Every program that used the key since `since`, the most recent first.
    pub fn callers(&self, key: &KeyId, since: UnixMs) -> Result<Vec<CallerView>, Error> {
        Ok(self.store.callers(key, since, ANSWERED)?)
    }

    /// Every program that used the key in the last 30 days, the most recent first.
    pub fn recent_callers(&self, key: &KeyId) -> Result<Vec<CallerView>, Error> {
        self.callers(key, self.clock.now().plus(-30 * UnixMs::DAY).hour())
    }

    /// The last 24 hours, per key and hour, with the refusals.
    pub fn last_day(&self) -> Result<LastDay, Error> {
        let from = self.clock.now().hour().plus(-23 * UnixMs::HOUR);
        let (answered, refusals) = self.store.last_day(from, ANSWERED)?;
        let mut keys: Vec<KeyHours> = Vec::new();
        for (key, hour, requests) in answered {
            if keys.last().is_none_or(|last| last.key_id != key) {
                keys.push(KeyHours { key_id: key, hours: vec![0; 24] });
            }
            let at = usize::try_from((hour.0 - from.0) / UnixMs::HOUR).unwrap_or(usize::MAX);
            if let Some(slot) = keys.last_mut().and_then(|last| last.hours.get_mut(at)) {
                *slot += requests;
            }
        }
        Ok(LastDay { from, keys, refusals })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// What is counted for this slot since the last batch.
    fn count(&mut self, mut slot: CountKey, now: UnixMs) -> &mut Count {
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

    /// All of it as rows.
    fn batch<'a>(&'a self, recorder: &Recorder) -> UsageBatch<'a> {
        let troubled = [(&self.troubled, false), (&self.refused, true)].into_iter().flat_map(|(all, is_refused)| {
            all.iter().map(move |PendingTrouble { at, key, caller, trouble }| KeptTrouble {
                at: *at,
                key: key.as_ref(),
                caller,
                trouble,
                is_refused,
            })
        });
        let entries = self.bursts.iter().map(|burst| {
            let detail = json!({ "program": burst.by, "reason": burst.reason.as_str(), "calls": burst.calls });
            let subject = burst.key.as_ref().map_or("", |key| &key.0);
            recorder.entry(Kind::RefusalBurst, subject, ActOutcome::Failed, detail)
        });
        let calls = self.counts.iter().map(|(slot, count)| CountedCalls {
            hour: slot.hour,
            key: slot.key.as_ref(),
            caller: &slot.caller,
            outcome: slot.outcome,
            requests: count.requests,
            bytes_in: count.bytes_in,
            bytes_out: count.bytes_out,
            first_at: count.first_at,
            last_at: count.last_at,
        });
        UsageBatch {
            calls: calls.collect(),
            times: self.times(),
            troubled: troubled.collect(),
            entries: entries.collect(),
        }
    }

    fn put_back(&mut self, mut older: Self) {
        for (mine, older) in [(&mut self.troubled, &mut older.troubled), (&mut self.refused, &mut older.refused)] {
            older.append(mine);
            *mine = older.split_off(older.len().saturating_sub(MOST_TROUBLED));
        }
        self.bursts.append(&mut older.bursts);
        for (slot, old) in older.counts {
            self.count(slot, old.first_at).add(&old);
        }
    }

    /// How long calls took, those of all callers of a key together.
    fn times(&self) -> Vec<CountedTimes<'_>> {
        let mut all: HashMap<_, Times> = HashMap::new();
        for (slot, count) in &self.counts {
            for (part, times) in [("gateway", &count.gateway_times), ("runtime", &count.runtime_times)] {
                all.entry((slot.hour, slot.key.as_ref(), part)).or_default().add(times);
            }
        }
        let rows = all.into_iter().flat_map(|((hour, key, part), times)| {
            let counted: Vec<_> = times.counted().collect();
            counted.into_iter().map(move |(bucket, requests)| CountedTimes { hour, key, part, bucket, requests })
        });
        rows.collect()
    }
}
