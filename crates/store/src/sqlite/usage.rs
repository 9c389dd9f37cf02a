//! Queries on `callers`, `usage_hours` and `latency_hours`.

use atthene_core::activity::{Bucket, CallOutcome, CallerView, OTHERS, RefusalView};
use atthene_core::keys::{KeyId, Use};
use atthene_core::limits::MOST_CALLERS;
use atthene_core::oversight::TroubledCall;
use atthene_core::port::backup::RawCounter;
use atthene_core::port::{CountedCalls, ExportRow, HostCalls, HourRow, UsageBatch, UsageRows, UsageTotals, UsageView};
use atthene_core::{StoreError, UnixMs};
use rusqlite::{Connection, Row, named_params, params};

use super::database::Sqlite;
use super::error::store_error;
use super::{activity, keys, notices, reports, troubled};

fn add(connection: &Connection, added: &CountedCalls<'_>) -> rusqlite::Result<()> {
    let (mut program, mut user_agent) = (&*added.caller.program, &*added.caller.user_agent);
    // Whoever makes refused calls is given no name without end.
    let is_refused = matches!(added.outcome, CallOutcome::Refused(_));
    let mut name = connection.prepare_cached(
        "INSERT INTO callers (program, user_agent)
         SELECT ?1, ?2 WHERE ?3 OR (SELECT count(*) FROM callers) < ?4 ON CONFLICT DO NOTHING",
    )?;
    let is_new = name.execute(params![program, user_agent, !is_refused, MOST_CALLERS])? > 0;
    if is_refused && !is_new && !is_named(connection, program, user_agent)? {
        (program, user_agent) = ("", OTHERS);
        name.execute(params![program, user_agent, true, MOST_CALLERS])?;
    }
    connection
        .prepare_cached(
            "INSERT INTO usage_hours
             SELECT :hour, :key, id, :outcome, :requests, :bytes_in, :bytes_out, :last_at
             FROM callers WHERE program = :program AND user_agent = :user_agent
             ON CONFLICT DO UPDATE SET
               requests = requests + excluded.requests,
               bytes_in = bytes_in + excluded.bytes_in,
               bytes_out = bytes_out + excluded.bytes_out,
               last_at = max(last_at, excluded.last_at)",
        )?
        .execute(named_params! {
            ":hour": added.hour.0,
            ":key": id_of(added.key),
            ":program": program,
            ":user_agent": user_agent,
            ":outcome": added.outcome.as_str(),
            ":requests": added.requests.cast_signed(),
            ":bytes_in": added.bytes_in.cast_signed(),
            ":bytes_out": added.bytes_out.cast_signed(),
            ":last_at": added.last_at.0,
        })?;
    Ok(())
}

/// As it stands in the rows: empty where the caller proved to hold none.
fn id_of(key: Option<&KeyId>) -> &str {
    key.map_or("", |key| &key.0)
}

fn is_named(connection: &Connection, program: &str, user_agent: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM callers WHERE program = ?1 AND user_agent = ?2")?
        .exists([program, user_agent])
}

/// Whether nothing was counted yet.
pub(super) fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM usage_hours) AND NOT EXISTS (SELECT 1 FROM usage_days)";
    connection.query_row(sql, [], |row| row.get(0))
}

/// Adds a counter of a backup that was checked.
pub(super) fn put_back(connection: &Connection, table: &'static str, row: &RawCounter) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO callers (program, user_agent) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute([&row.program, &row.user_agent])?;
    connection
        .prepare_cached(&format!(
            "INSERT INTO {table} SELECT ?1, ?2, id, ?3, ?4, ?5, ?6, ?7 FROM callers
             WHERE program = ?8 AND user_agent = ?9 ON CONFLICT DO NOTHING"
        ))?
        .execute(params![
            row.since,
            row.key,
            row.outcome,
            row.requests,
            row.bytes_in,
            row.bytes_out,
            row.last_at,
            row.program,
            row.user_agent,
        ])?;
    Ok(())
}

fn add_latency(
    connection: &Connection,
    hour: UnixMs,
    key: &str,
    part: &str,
    bucket: u8,
    requests: u64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO latency_hours VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET requests = requests + excluded.requests",
        )?
        .execute(params![hour.0, key, part, bucket, requests.cast_signed()])?;
    Ok(())
}

fn callers(connection: &Connection, key: &str, since: UnixMs, outcome: &str) -> rusqlite::Result<Vec<CallerView>> {
    connection
        .prepare_cached(
            "SELECT program, user_agent, sum(requests) AS requests, max(last_at) AS last_at
             FROM usage_hours JOIN callers ON callers.id = caller_id
             WHERE hour >= ?1 AND key_id = ?2 AND outcome = ?3
             GROUP BY caller_id ORDER BY last_at DESC",
        )?
        .query_map(params![since.0, key, outcome], caller)?
        .collect()
}

/// Key, hour and answered calls, ordered by key.
fn answered_by_hour(
    connection: &Connection,
    since: UnixMs,
    outcome: &str,
) -> rusqlite::Result<Vec<(KeyId, UnixMs, u64)>> {
    connection
        .prepare_cached(
            "SELECT key_id, hour, sum(requests) FROM usage_hours
             WHERE hour >= ?1 AND key_id <> '' AND outcome = ?2 GROUP BY key_id, hour ORDER BY key_id, hour",
        )?
        .query_map(params![since.0, outcome], |row| {
            Ok((KeyId(row.get::<_, String>(0)?.into()), UnixMs(row.get(1)?), row.get::<_, i64>(2)?.cast_unsigned()))
        })?
        .collect()
}

pub(super) fn refusals(connection: &Connection, since: UnixMs) -> rusqlite::Result<Vec<RefusalView>> {
    connection
        .prepare_cached(
            "SELECT outcome, key_id, program, user_agent, sum(requests) AS requests, max(last_at) AS last_at
             FROM usage_hours JOIN callers ON callers.id = caller_id
             WHERE hour >= ?1 AND outcome NOT IN ('answered', 'failed')
             GROUP BY outcome, key_id, caller_id ORDER BY last_at DESC LIMIT 100",
        )?
        .query_map([since.0], |row| {
            let key: String = row.get("key_id")?;
            Ok(RefusalView {
                reason: row.get("outcome")?,
                key_id: (!key.is_empty()).then(|| KeyId(key.into())),
                caller: caller(row)?,
            })
        })?
        .collect()
}

fn caller(row: &Row<'_>) -> rusqlite::Result<CallerView> {
    Ok(CallerView {
        program: row.get("program")?,
        user_agent: row.get("user_agent")?,
        requests: row.get::<_, i64>("requests")?.cast_unsigned(),
        last_at: UnixMs(row.get("last_at")?),
    })
}

/// Adds answered calls to their key.
fn add_to_key(connection: &Connection, added: &CountedCalls<'_>) -> rusqlite::Result<()> {
    let by = added.caller.label();
    let used = |at| Use { at, by: by.to_owned() };
    keys::count(connection, id_of(added.key), added.requests, &used(added.first_at), &used(added.last_at))
}

impl UsageRows for Sqlite {
    fn count(&self, batch: &UsageBatch<'_>) -> Result<(), StoreError> {
        self.write(|tx| {
            for call in &batch.troubled {
                troubled::add(tx, call)?;
            }
            if !batch.troubled.is_empty() {
                troubled::forget_old(tx)?;
            }
            for entry in &batch.entries {
                activity::append(tx, entry)?;
            }
            for calls in &batch.calls {
                add(tx, calls)?;
                if calls.outcome == CallOutcome::Answered {
                    add_to_key(tx, calls)?;
                }
            }
            for times in &batch.times {
                add_latency(tx, times.hour, id_of(times.key), times.part, times.bucket.0, times.requests)?;
            }
            tx.execute("UPDATE revisions SET n = n + 1 WHERE topic = 'usage'", [])?;
            Ok(())
        })
    }

    fn callers(&self, key: &KeyId, since: UnixMs, outcome: &str) -> Result<Vec<CallerView>, StoreError> {
        self.read(|db| callers(db, &key.0, since, outcome))
    }

    fn last_day(
        &self,
        since: UnixMs,
        answered: &str,
    ) -> Result<(Vec<(KeyId, UnixMs, u64)>, Vec<RefusalView>), StoreError> {
        self.read(|db| Ok((answered_by_hour(db, since, answered)?, refusals(db, since)?)))
    }

    fn all_time(&self) -> Result<UsageTotals, StoreError> {
        self.read(|db| reports::totals(db, UnixMs(0), UnixMs(i64::MAX)))
    }

    fn usage(&self) -> Result<Box<dyn UsageView>, StoreError> {
        let connection = self.connection_beside()?;
        connection.execute_batch("BEGIN").map_err(store_error)?;
        Ok(Box::new(View(connection)))
    }

    fn export_usage(&self, from: UnixMs, each: &mut dyn FnMut(ExportRow) -> bool) -> Result<(), StoreError> {
        self.read_beside(|db| reports::export(db, from, each))
    }

    fn roll_up(&self, hours_until: UnixMs, days_until: UnixMs) -> Result<(), StoreError> {
        self.write(|tx| reports::roll_up(tx, hours_until, days_until))
    }

    fn troubled_calls(&self, most: u32) -> Result<Vec<TroubledCall>, StoreError> {
        self.read(|db| troubled::latest(db, most))
    }

    fn troubled_call(&self, request_id: &str) -> Result<Option<TroubledCall>, StoreError> {
        self.read(|db| troubled::by_request_id(db, request_id))
    }

    fn claim_notices(&self, due: &[(&str, UnixMs)], now: UnixMs) -> Result<Vec<bool>, StoreError> {
        self.write(|tx| due.iter().map(|(id, since)| notices::claim(tx, id, *since, now)).collect())
    }
}

/// A connection in a transaction that only reads.
struct View(Connection);

impl UsageView for View {
    fn hours(&self, from: UnixMs, each: &mut dyn FnMut(HourRow<'_>)) -> Result<(), StoreError> {
        reports::hours(&self.0, from, each).map_err(store_error)
    }

    fn caller(&self, number: i64) -> Result<(String, String), StoreError> {
        reports::caller(&self.0, number).map_err(store_error)
    }

    fn refusals(&self, from: UnixMs) -> Result<Vec<RefusalView>, StoreError> {
        refusals(&self.0, from).map_err(store_error)
    }

    fn totals(&self, from: UnixMs, until: UnixMs) -> Result<UsageTotals, StoreError> {
        reports::totals(&self.0, from, until).map_err(store_error)
    }

    fn hosts(&self, _: UnixMs) -> Result<Vec<HostCalls>, StoreError> {
        Ok(Vec::new())
    }

    fn host_hours(&self, _: UnixMs, _: &[String], _: &mut dyn FnMut(&str, UnixMs, u64)) -> Result<(), StoreError> {
        Ok(())
    }

    fn latency(&self, part: &str, from: UnixMs) -> Result<Vec<(Bucket, u64)>, StoreError> {
        reports::latency(&self.0, part, from).map_err(store_error)
    }
}
