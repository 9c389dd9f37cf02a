//! Usage over time: who called, what came of it, and how long it took.

use std::collections::HashMap;
use std::io::Write;

use jiff::Zoned;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::call::{ANSWERED, FAILED};
use super::{CallerView, Latency, RefusalView, Usage};
use crate::clock::UnixMs;
use crate::error::Error;
use crate::export::{ExportTable, Format, with_host};
use crate::port::{HostCalls, HourRow, UsageView};

/// How far back a report looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Span {
    Day,
    Week,
    Month,
    Quarter,
}

impl Span {
    /// How many days it has.
    pub fn days(self) -> i64 {
        match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
            Self::Quarter => 90,
        }
    }

    /// The beginnings of its steps up to `now`: whole hours, or days of the local calendar.
    fn steps(self, now: UnixMs) -> Vec<UnixMs> {
        if self == Self::Day {
            return (0..24).rev().map(|back| now.hour().plus(-back * UnixMs::HOUR)).collect();
        }
        let zone = TimeZone::system();
        let today = jiff::Timestamp::from_millisecond(now.0).map(|at| at.to_zoned(zone.clone()).date());
        let Ok(today) = today else { return vec![now.hour()] };
        let begins = |back: i64| {
            let date = today.checked_sub(jiff::Span::new().days(back)).ok()?;
            let start: Zoned = date.to_datetime(Time::midnight()).to_zoned(zone.clone()).ok()?;
            // Counters are kept by the hour; where midnight lies between two, the earlier one begins the day.
            Some(UnixMs(start.timestamp().as_millisecond()).hour())
        };
        (0..self.days()).rev().filter_map(begins).collect()
    }
}

/// Calls in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct Totals {
    /// The key was good and an answer was given.
    #[ts(type = "number")]
    pub answered: u64,
    /// The key was good, and no answer could be had.
    #[ts(type = "number")]
    pub failed: u64,
    /// Not let in.
    #[ts(type = "number")]
    pub refused: u64,
    #[ts(type = "number")]
    pub bytes_in: u64,
    #[ts(type = "number")]
    pub bytes_out: u64,
}

impl Totals {
    fn add(&mut self, outcome: &str, requests: u64, bytes_in: u64, bytes_out: u64) {
        match outcome {
            ANSWERED => self.answered += requests,
            FAILED => self.failed += requests,
            _ => self.refused += requests,
        }
        self.bytes_in += bytes_in;
        self.bytes_out += bytes_out;
    }

    fn calls(&self) -> u64 {
        self.answered + self.failed + self.refused
    }
}

/// What one program did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct ProgramUsage {
    /// Who; its requests are all of its calls.
    pub caller: CallerView,
    pub totals: Totals,
    /// Its calls in each step.
    #[ts(type = "Array<number>")]
    pub steps: Vec<u64>,
}

/// What the gateway of one host took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct HostUsage {
    pub id: String,
    /// What people call it.
    pub name: String,
    pub totals: Totals,
    pub last_at: UnixMs,
    /// Its calls in each step.
    #[ts(type = "Array<number>")]
    pub steps: Vec<u64>,
}

/// Everything that the page Usage shows.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct UsageReport {
    /// The beginnings of the steps, the oldest first.
    pub steps: Vec<UnixMs>,
    /// When it was made.
    pub until: UnixMs,
    /// Answered calls in each step.
    #[ts(type = "Array<number>")]
    pub answered: Vec<u64>,
    /// Failed calls in each step.
    #[ts(type = "Array<number>")]
    pub failed: Vec<u64>,
    /// Refused calls in each step.
    #[ts(type = "Array<number>")]
    pub refused: Vec<u64>,
    /// The programs that called most, at most 50.
    pub programs: Vec<ProgramUsage>,
    /// The hosts that took most, at most 50. Empty: the profile is one machine's alone.
    pub hosts: Vec<HostUsage>,
    /// Refusals by reason, key and program, the latest first.
    pub refusals: Vec<RefusalView>,
    /// All of the span.
    pub total: Totals,
    /// All of the span before, up to the same hour: what is still to come today has no match there.
    pub before: Totals,
    /// What this gateway itself added.
    pub gateway: Option<Latency>,
    /// What the agent runtime took until its answer began.
    pub runtime: Option<Latency>,
}

const MOST_PROGRAMS: usize = 50;
const MOST_HOSTS: usize = 50;

/// Hours are kept this long, a little more than the longest span, then become days.
const HOURS_KEPT: i64 = 92 * UnixMs::DAY;
/// Days are kept for two years.
const DAYS_KEPT: i64 = 731 * UnixMs::DAY;

impl Usage {
    /// The report over a span up to now. Blocks on SQLite.
    pub fn report(&self, span: Span) -> Result<UsageReport, Error> {
        let now = self.clock.now();
        let steps = span.steps(now);
        let from = steps.first().copied().unwrap_or(now);
        let step_of = |hour: UnixMs| steps.partition_point(|begins| *begins <= hour).saturating_sub(1);
        let nothing = vec![0_u64; steps.len()];
        let (mut answered, mut failed, mut refused) = (nothing.clone(), nothing.clone(), nothing.clone());
        let mut total = Totals::default();
        let mut programs: HashMap<i64, (Totals, UnixMs, Vec<u64>)> = HashMap::new();
        let mut each = |row: HourRow<'_>| {
            let at = step_of(row.hour);
            let line = match row.outcome {
                ANSWERED => &mut answered,
                FAILED => &mut failed,
                _ => &mut refused,
            };
            line[at] += row.requests;
            total.add(row.outcome, row.requests, row.bytes_in, row.bytes_out);
            let (theirs, last_at, in_steps) =
                programs.entry(row.caller).or_insert_with(|| (Totals::default(), row.last_at, nothing.clone()));
            theirs.add(row.outcome, row.requests, row.bytes_in, row.bytes_out);
            *last_at = (*last_at).max(row.last_at);
            in_steps[at] += row.requests;
        };
        let earlier = -span.days() * UnixMs::DAY;
        let span_before = (from.plus(earlier), now.hour().plus(UnixMs::HOUR + earlier));
        let view = self.store.usage()?;
        view.hours(from, &mut each)?;
        let mut programs: Vec<_> = programs.into_iter().collect();
        programs.sort_by_key(|(id, (totals, ..))| (std::cmp::Reverse(totals.calls()), *id));
        programs.truncate(MOST_PROGRAMS);
        let programs = programs
            .into_iter()
            .map(|(id, (totals, last_at, steps))| {
                let (program, user_agent) = view.caller(id)?;
                let caller = CallerView { program, user_agent, requests: totals.calls(), last_at };
                Ok(ProgramUsage { caller, totals, steps })
            })
            .collect::<Result<_, Error>>()?;
        let hosts = hosts(view.as_ref(), from, &nothing, step_of)?;
        let mut before = Totals::default();
        for (outcome, requests, bytes_in, bytes_out) in view.totals(span_before.0, span_before.1)? {
            before.add(&outcome, requests, bytes_in, bytes_out);
        }
        Ok(UsageReport {
            until: now,
            answered,
            failed,
            refused,
            programs,
            hosts,
            refusals: view.refusals(from)?,
            total,
            before,
            gateway: Latency::of(&view.latency("gateway", from)?),
            runtime: Latency::of(&view.latency("runtime", from)?),
            steps,
        })
    }

    /// Writes every counter of the span, hour by hour. Blocks on SQLite.
    pub fn export(&self, span: Span, format: Format, to: impl Write) -> Result<u64, Error> {
        let from = span.steps(self.clock.now()).first().copied().unwrap_or(UnixMs(0));
        let names = ["hour", "key", "program", "user_agent", "outcome", "requests", "bytes_in", "bytes_out", "host"];
        let is_shared = self.store.shared().is_some();
        let mut table = ExportTable::begin(to, format, with_host(&names, is_shared))?;
        self.store.export_usage(from, &mut |row| {
            let values = [
                row.hour.rfc3339().into(),
                row.key_id.into(),
                row.program.into(),
                row.user_agent.into(),
                row.outcome.into(),
                row.requests.into(),
                row.bytes_in.into(),
                row.bytes_out.into(),
                row.host.into(),
            ];
            table.row(with_host(&values, is_shared))
        })?;
        table.end()
    }

    /// Calls by outcome over all that is kept: answered, failed, or the word of the refusal.
    pub fn all_time(&self) -> Result<Vec<(String, u64)>, Error> {
        let totals = self.store.all_time()?;
        Ok(totals.into_iter().map(|(outcome, requests, ..)| (outcome, requests)).collect())
    }

    /// Rolls old hours up into days and forgets the oldest days. Blocks on SQLite.
    pub fn roll_up(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let day = |back: i64| {
            let then = now.plus(-back).0;
            UnixMs(then - then.rem_euclid(UnixMs::DAY))
        };
        Ok(self.store.roll_up(day(HOURS_KEPT), day(DAYS_KEPT))?)
    }
}

/// What each host took, those that took most first.
fn hosts(
    view: &dyn UsageView,
    from: UnixMs,
    nothing: &[u64],
    step_of: impl Fn(UnixMs) -> usize,
) -> Result<Vec<HostUsage>, Error> {
    let mut hosts: Vec<HostUsage> = Vec::new();
    // Rows of one host come one after the other.
    for HostCalls { host, name, outcome, requests, bytes_in, bytes_out, last_at } in view.hosts(from)? {
        if hosts.last().is_none_or(|last| last.id != host) {
            hosts.push(HostUsage { id: host, name, totals: Totals::default(), last_at, steps: nothing.to_vec() });
        }
        if let Some(theirs) = hosts.last_mut() {
            theirs.totals.add(&outcome, requests, bytes_in, bytes_out);
            theirs.last_at = theirs.last_at.max(last_at);
        }
    }
    hosts.sort_by(|a, b| b.totals.calls().cmp(&a.totals.calls()).then_with(|| a.name.cmp(&b.name)));
    hosts.truncate(MOST_HOSTS);
    let ids: Vec<String> = hosts.iter().map(|host| host.id.clone()).collect();
    view.host_hours(from, &ids, &mut |host, hour, requests| {
        if let Some(theirs) = hosts.iter_mut().find(|it| it.id == host) {
            theirs.steps[step_of(hour)] += requests;
        }
    })?;
    Ok(hosts)
}
