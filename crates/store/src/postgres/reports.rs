//! Queries on usage over time, and the rolling up of hours into days.

use atthene_core::UnixMs;
use atthene_core::activity::{Bucket, OTHERS};
use atthene_core::port::{ExportRow, HostCalls, HourRow, UsageTotals};

use tokio_postgres::Row;

use super::db::{Db, count, get};
use super::fault::Fault;
use super::locks::{ROLLING_UP, take};

pub(super) fn hours(db: &Db<'_>, since: UnixMs, each: &mut dyn FnMut(HourRow<'_>)) -> Result<(), Fault> {
    let rows = db.rows(
        "SELECT hour, caller_id, outcome, sum(requests)::bigint AS requests, sum(bytes_in)::bigint AS bytes_in,
                sum(bytes_out)::bigint AS bytes_out, max(last_at) AS last_at
         FROM usage_hours WHERE hour >= $1 GROUP BY hour, caller_id, outcome",
        &[&since.0],
    )?;
    for row in &rows {
        each(HourRow {
            hour: UnixMs(get(row, "hour")?),
            caller: get(row, "caller_id")?,
            outcome: get(row, "outcome")?,
            requests: count(row, "requests")?,
            bytes_in: count(row, "bytes_in")?,
            bytes_out: count(row, "bytes_out")?,
            last_at: UnixMs(get(row, "last_at")?),
        });
    }
    Ok(())
}

/// Program and user agent of a caller.
pub(super) fn caller(db: &Db<'_>, id: i64) -> Result<(String, String), Fault> {
    let row = db.one("SELECT program, user_agent FROM callers WHERE id = $1", &[&id])?;
    Ok((get(&row, "program")?, get(&row, "user_agent")?))
}

/// Outcome, requests, bytes in and bytes out between two moments, also where hours have become days.
pub(super) fn totals(db: &Db<'_>, from: UnixMs, until: UnixMs) -> Result<UsageTotals, Fault> {
    let rows = db.rows(
        "SELECT outcome, sum(requests)::bigint AS requests, sum(bytes_in)::bigint AS bytes_in,
                sum(bytes_out)::bigint AS bytes_out FROM (
           SELECT outcome, requests, bytes_in, bytes_out FROM usage_hours WHERE hour >= $1 AND hour < $2
           UNION ALL
           SELECT outcome, requests, bytes_in, bytes_out FROM usage_days WHERE day >= $1 AND day < $2
         ) counted GROUP BY outcome ORDER BY outcome",
        &[&from.0, &until.0],
    )?;
    rows.iter()
        .map(|row| {
            Ok((get(row, "outcome")?, count(row, "requests")?, count(row, "bytes_in")?, count(row, "bytes_out")?))
        })
        .collect()
}

/// Calls by host and outcome. One that left keeps its name.
pub(super) fn hosts(db: &Db<'_>, since: UnixMs) -> Result<Vec<HostCalls>, Fault> {
    let rows = db.rows(
        "SELECT host, coalesce(name, host) AS name, outcome, requests, bytes_in, bytes_out, last_at FROM (
           SELECT host, outcome, sum(requests)::bigint AS requests, sum(bytes_in)::bigint AS bytes_in,
                  sum(bytes_out)::bigint AS bytes_out, max(last_at) AS last_at
           FROM usage_hours WHERE hour >= $1 GROUP BY host, outcome
         ) counted LEFT JOIN hosts ON hosts.id = counted.host ORDER BY host, outcome",
        &[&since.0],
    )?;
    let row = |row: &Row| {
        Ok(HostCalls {
            host: get(row, "host")?,
            name: get(row, "name")?,
            outcome: get(row, "outcome")?,
            requests: count(row, "requests")?,
            bytes_in: count(row, "bytes_in")?,
            bytes_out: count(row, "bytes_out")?,
            last_at: UnixMs(get(row, "last_at")?),
        })
    };
    rows.iter().map(row).collect()
}

pub(super) fn host_hours(
    db: &Db<'_>,
    since: UnixMs,
    hosts: &[String],
    each: &mut dyn FnMut(&str, UnixMs, u64),
) -> Result<(), Fault> {
    let rows = db.rows(
        "SELECT host, hour, sum(requests)::bigint AS requests FROM usage_hours
         WHERE hour >= $1 AND host = ANY($2) GROUP BY host, hour",
        &[&since.0, &hosts],
    )?;
    for row in &rows {
        each(get(row, "host")?, UnixMs(get(row, "hour")?), count(row, "requests")?);
    }
    Ok(())
}

/// How many calls took how long, the shortest first.
pub(super) fn latency(db: &Db<'_>, part: &str, since: UnixMs) -> Result<Vec<(Bucket, u64)>, Fault> {
    let rows = db.rows(
        "SELECT bucket, sum(requests)::bigint AS requests FROM latency_hours WHERE hour >= $1 AND part = $2
         GROUP BY bucket ORDER BY bucket",
        &[&since.0, &part],
    )?;
    let bucket = |number: i64| u8::try_from(number).map(Bucket).map_err(|error| Fault::Unreadable(error.to_string()));
    rows.iter().map(|row| Ok((bucket(get(row, "bucket")?)?, count(row, "requests")?))).collect()
}

/// Reads every counter from then on, until `each` refuses one.
pub(super) fn export(db: &Db<'_>, since: UnixMs, each: &mut dyn FnMut(ExportRow) -> bool) -> Result<(), Fault> {
    // Hour by hour: a quarter of a year has hundreds of thousands of rows.
    let hours = db.rows("SELECT DISTINCT hour FROM usage_hours WHERE hour >= $1 ORDER BY hour", &[&since.0])?;
    for hour in &hours {
        let hour: i64 = get(hour, "hour")?;
        let rows = db.rows(
            "SELECT coalesce(hosts.name, host) AS host, key_id, program, user_agent, outcome, requests, bytes_in, bytes_out
             FROM usage_hours JOIN callers ON callers.id = caller_id LEFT JOIN hosts ON hosts.id = host
             WHERE hour = $1 ORDER BY key_id, callers.id, outcome, usage_hours.host",
            &[&hour],
        )?;
        for row in &rows {
            let goes_on = each(ExportRow {
                hour: UnixMs(hour),
                host: Some(get(row, "host")?),
                key_id: get(row, "key_id")?,
                program: get(row, "program")?,
                user_agent: get(row, "user_agent")?,
                outcome: get(row, "outcome")?,
                requests: get(row, "requests")?,
                bytes_in: get(row, "bytes_in")?,
                bytes_out: get(row, "bytes_out")?,
            });
            if !goes_on {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Rolls hours before `hours_until` up into days, and forgets days before `days_until`.
pub(super) fn roll_up(db: &Db<'_>, hours_until: UnixMs, days_until: UnixMs) -> Result<(), Fault> {
    // One host at a time.
    db.rows(&take(ROLLING_UP), &[])?;
    // Who called without a key chose its own name: after all this time the number is enough.
    db.run("INSERT INTO callers (program, user_agent) VALUES ('', $1) ON CONFLICT DO NOTHING", &[&OTHERS])?;
    // What is deleted is what was added up, also where a host adds to an old hour just now.
    db.run(
        "WITH old AS (DELETE FROM usage_hours WHERE hour < $1 RETURNING *)
         INSERT INTO usage_days
         SELECT hour - hour % $2, key_id,
                CASE key_id WHEN '' THEN (SELECT id FROM callers WHERE program = '' AND user_agent = $3)
                            ELSE caller_id END,
                outcome, host, sum(requests)::bigint, sum(bytes_in)::bigint, sum(bytes_out)::bigint, max(last_at)
         FROM old GROUP BY 1, 2, 3, 4, 5
         ON CONFLICT (day, key_id, caller_id, outcome, host) DO UPDATE SET
           requests = usage_days.requests + excluded.requests, bytes_in = usage_days.bytes_in + excluded.bytes_in,
           bytes_out = usage_days.bytes_out + excluded.bytes_out,
           last_at = greatest(usage_days.last_at, excluded.last_at)",
        &[&hours_until.0, &UnixMs::DAY, &OTHERS],
    )?;
    db.run(
        "WITH old AS (DELETE FROM latency_hours WHERE hour < $1 RETURNING *)
         INSERT INTO latency_days
         SELECT hour - hour % $2, key_id, part, bucket, host, sum(requests)::bigint FROM old GROUP BY 1, 2, 3, 4, 5
         ON CONFLICT (day, key_id, part, bucket, host)
         DO UPDATE SET requests = latency_days.requests + excluded.requests",
        &[&hours_until.0, &UnixMs::DAY],
    )?;
    db.run("DELETE FROM usage_days WHERE day < $1", &[&days_until.0])?;
    db.run("DELETE FROM latency_days WHERE day < $1", &[&days_until.0])?;
    // A caller chooses its user agent freely: those that nothing speaks of any more would pile up.
    db.run(
        "DELETE FROM callers WHERE NOT EXISTS (SELECT 1 FROM usage_hours WHERE caller_id = callers.id)
           AND NOT EXISTS (SELECT 1 FROM usage_days WHERE caller_id = callers.id)",
        &[],
    )
    .map(drop)
}
