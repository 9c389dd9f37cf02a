//! Queries on `callers`, `usage_hours` and `latency_hours`. Each host has rows of its own there, so that none waits for
//! another; they are added up when they are read.

use std::sync::PoisonError;

use atthene_core::activity::{Bucket, CallerView, RefusalView};
use atthene_core::keys::KeyId;
use atthene_core::oversight::TroubledCall;
use atthene_core::port::{ExportRow, HostCalls, HourRow, UsageBatch, UsageRows, UsageTotals, UsageView};
use atthene_core::{StoreError, UnixMs};
use tokio_postgres::Row;

use super::database::{ONE_VIEW, Postgres};
use super::db::{Db, Within, count, get};
use super::fault::Fault;
use super::pool::Lent;
use super::{counting, marks, notices, reports, troubled};

/// How long one answer may take within a report.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(5);

/// Whether nothing was counted yet.
pub(super) fn is_empty(db: &Db<'_>) -> Result<bool, Fault> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM usage_hours) AND NOT EXISTS (SELECT 1 FROM usage_days) AS nothing";
    get(&db.one(sql, &[])?, "nothing")
}

fn callers(db: &Db<'_>, key: &str, since: UnixMs, outcome: &str) -> Result<Vec<CallerView>, Fault> {
    let rows = db.rows(
        "SELECT program, user_agent, sum(requests)::bigint AS requests, max(last_at) AS last_at
         FROM usage_hours JOIN callers ON callers.id = caller_id
         WHERE hour >= $1 AND key_id = $2 AND outcome = $3
         GROUP BY callers.id ORDER BY last_at DESC, callers.id",
        &[&since.0, &key, &outcome],
    )?;
    rows.iter().map(caller).collect()
}

/// Key, hour and answered calls, ordered by key.
fn answered_by_hour(db: &Db<'_>, since: UnixMs, outcome: &str) -> Result<Vec<(KeyId, UnixMs, u64)>, Fault> {
    let rows = db.rows(
        "SELECT key_id, hour, sum(requests)::bigint AS requests FROM usage_hours
         WHERE hour >= $1 AND key_id <> '' AND outcome = $2 GROUP BY key_id, hour ORDER BY key_id, hour",
        &[&since.0, &outcome],
    )?;
    let row =
        |row: &Row| Ok((KeyId(get::<&str>(row, "key_id")?.into()), UnixMs(get(row, "hour")?), count(row, "requests")?));
    rows.iter().map(row).collect()
}

fn refusals(db: &Db<'_>, since: UnixMs) -> Result<Vec<RefusalView>, Fault> {
    let rows = db.rows(
        "SELECT outcome, key_id, program, user_agent, sum(requests)::bigint AS requests, max(last_at) AS last_at
         FROM usage_hours JOIN callers ON callers.id = caller_id
         WHERE hour >= $1 AND outcome NOT IN ('answered', 'failed')
         GROUP BY outcome, key_id, callers.id ORDER BY last_at DESC LIMIT 100",
        &[&since.0],
    )?;
    let row = |row: &Row| {
        let key: &str = get(row, "key_id")?;
        Ok(RefusalView {
            reason: get(row, "outcome")?,
            key_id: (!key.is_empty()).then(|| KeyId(key.into())),
            caller: caller(row)?,
        })
    };
    rows.iter().map(row).collect()
}

fn caller(row: &Row) -> Result<CallerView, Fault> {
    Ok(CallerView {
        program: get(row, "program")?,
        user_agent: get(row, "user_agent")?,
        requests: count(row, "requests")?,
        last_at: UnixMs(get(row, "last_at")?),
    })
}

impl UsageRows for Postgres {
    fn count(&self, batch: &UsageBatch<'_>) -> Result<(), StoreError> {
        let host = self.host().id();
        let done = self.try_write(&[], |unit| {
            troubled::add(unit, &batch.troubled)?;
            batch.entries.iter().for_each(|entry| unit.record(entry));
            counting::add_calls(unit, host, &batch.calls)?;
            counting::add_times(unit, host, &batch.times)?;
            // Nobody is told of it: that would cost all hosts something several times a second. Who listens sees it
            // within a second.
            unit.run("UPDATE hosts SET counted = counted + 1 WHERE id = $1", &[&host])?;
            Ok(())
        });
        match done {
            Err(Fault::Unconfirmed { mark, why }) => {
                *self.counted_in_doubt.lock().unwrap_or_else(PoisonError::into_inner) = Some(mark);
                Err(StoreError::OutcomeUnknown { reason: why })
            }
            done => Ok(done?),
        }
    }

    fn was_counted(&self) -> Result<bool, StoreError> {
        let mut in_doubt = self.counted_in_doubt.lock().unwrap_or_else(PoisonError::into_inner);
        let was_counted = in_doubt.as_ref().map_or(Ok(false), |mark| self.was_left(mark))?;
        *in_doubt = None;
        Ok(was_counted)
    }

    fn callers(&self, key: &KeyId, since: UnixMs, outcome: &str) -> Result<Vec<CallerView>, StoreError> {
        self.read(|db| callers(db, &key.0, since, outcome))
    }

    fn last_day(
        &self,
        since: UnixMs,
        answered: &str,
    ) -> Result<(Vec<(KeyId, UnixMs, u64)>, Vec<RefusalView>), StoreError> {
        self.view(|db| Ok((answered_by_hour(db, since, answered)?, refusals(db, since)?)))
    }

    fn all_time(&self) -> Result<UsageTotals, StoreError> {
        self.read(|db| reports::totals(db, UnixMs(0), UnixMs(i64::MAX)))
    }

    fn usage(&self) -> Result<Box<dyn UsageView>, StoreError> {
        // One that is kept may be broken by now; nothing was read through it yet.
        let begun = || {
            let snapshot = UsageSnapshot(self.lend()?);
            snapshot.ask(|db| db.batch(ONE_VIEW))?;
            Ok(snapshot)
        };
        Ok(Box::new(begun().or_else(|_: StoreError| begun())?))
    }

    fn export_usage(&self, from: UnixMs, each: &mut dyn FnMut(ExportRow) -> bool) -> Result<(), StoreError> {
        self.view_beside(|db| reports::export(db, from, each))
    }

    fn roll_up(&self, hours_until: UnixMs, days_until: UnixMs) -> Result<(), StoreError> {
        self.write(&[], |unit| {
            marks::forget_old(unit)?;
            reports::roll_up(unit, hours_until, days_until)
        })
    }

    fn troubled_calls(&self, most: u32) -> Result<Vec<TroubledCall>, StoreError> {
        self.read(|db| troubled::latest(db, most))
    }

    fn troubled_call(&self, request_id: &str) -> Result<Option<TroubledCall>, StoreError> {
        self.read(|db| troubled::by_request_id(db, request_id))
    }

    fn claim_notices(&self, due: &[(&str, UnixMs)], now: UnixMs) -> Result<Vec<bool>, StoreError> {
        // In one order on all hosts, so that two of them never wait for each other.
        let mut order: Vec<usize> = (0..due.len()).collect();
        order.sort_by_key(|at| due[*at].0);
        self.write(&[], |unit| {
            let mut claimed = vec![false; due.len()];
            for at in &order {
                claimed[*at] = notices::claim(unit, self.host().id(), due[*at].0, due[*at].1, now)?;
            }
            Ok(claimed)
        })
    }
}

/// A connection in a transaction that only reads.
struct UsageSnapshot(Lent);

impl UsageSnapshot {
    fn ask<T>(&self, work: impl FnOnce(&Db<'_>) -> Result<T, Fault>) -> Result<T, StoreError> {
        Ok(work(&Db::new(self.0.link()?, Within::Each(ANSWER)))?)
    }
}

impl Drop for UsageSnapshot {
    fn drop(&mut self) {
        if self.ask(|db| db.batch("ROLLBACK")).is_err()
            && let Ok(link) = self.0.link()
        {
            link.give_up();
        }
    }
}

impl UsageView for UsageSnapshot {
    fn hours(&self, from: UnixMs, each: &mut dyn FnMut(HourRow<'_>)) -> Result<(), StoreError> {
        self.ask(|db| reports::hours(db, from, each))
    }

    fn caller(&self, number: i64) -> Result<(String, String), StoreError> {
        self.ask(|db| reports::caller(db, number))
    }

    fn refusals(&self, from: UnixMs) -> Result<Vec<RefusalView>, StoreError> {
        self.ask(|db| refusals(db, from))
    }

    fn totals(&self, from: UnixMs, until: UnixMs) -> Result<UsageTotals, StoreError> {
        self.ask(|db| reports::totals(db, from, until))
    }

    fn hosts(&self, from: UnixMs) -> Result<Vec<HostCalls>, StoreError> {
        self.ask(|db| reports::hosts(db, from))
    }

    fn host_hours(
        &self,
        from: UnixMs,
        hosts: &[String],
        each: &mut dyn FnMut(&str, UnixMs, u64),
    ) -> Result<(), StoreError> {
        self.ask(|db| reports::host_hours(db, from, hosts, each))
    }

    fn latency(&self, part: &str, from: UnixMs) -> Result<Vec<(Bucket, u64)>, StoreError> {
        self.ask(|db| reports::latency(db, part, from))
    }
}
