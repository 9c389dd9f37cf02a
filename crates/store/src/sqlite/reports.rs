//! Queries on usage over time, and the rolling up of hours into days.

use atthene_core::UnixMs;
use atthene_core::activity::{Bucket, OTHERS};
use atthene_core::port::{ExportRow, HourRow, UsageTotals};
use rusqlite::{Connection, params};

pub(super) fn hours(connection: &Connection, since: UnixMs, each: &mut dyn FnMut(HourRow<'_>)) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT hour, caller_id, outcome, requests, bytes_in, bytes_out, last_at FROM usage_hours WHERE hour >= ?1",
    )?;
    let mut rows = statement.query([since.0])?;
    while let Some(row) = rows.next()? {
        each(HourRow {
            hour: UnixMs(row.get(0)?),
            caller: row.get(1)?,
            // Borrowed: a quarter of a year has hundreds of thousands of rows.
            outcome: row.get_ref(2)?.as_str()?,
            requests: row.get::<_, i64>(3)?.cast_unsigned(),
            bytes_in: row.get::<_, i64>(4)?.cast_unsigned(),
            bytes_out: row.get::<_, i64>(5)?.cast_unsigned(),
            last_at: UnixMs(row.get(6)?),
        });
    }
    Ok(())
}

/// Program and user agent of a caller.
pub(super) fn caller(connection: &Connection, id: i64) -> rusqlite::Result<(String, String)> {
    connection
        .prepare_cached("SELECT program, user_agent FROM callers WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Outcome, requests, bytes in and bytes out between two moments, also where hours have become days.
pub(super) fn totals(connection: &Connection, from: UnixMs, until: UnixMs) -> rusqlite::Result<UsageTotals> {
    connection
        .prepare_cached(
            "SELECT outcome, sum(requests), sum(bytes_in), sum(bytes_out) FROM (
               SELECT outcome, requests, bytes_in, bytes_out FROM usage_hours WHERE hour >= ?1 AND hour < ?2
               UNION ALL
               SELECT outcome, requests, bytes_in, bytes_out FROM usage_days WHERE day >= ?1 AND day < ?2
             ) GROUP BY outcome",
        )?
        .query_map([from.0, until.0], |row| {
            let number = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
            Ok((row.get(0)?, number(1)?, number(2)?, number(3)?))
        })?
        .collect()
}

/// How many calls took how long, the shortest first.
pub(super) fn latency(connection: &Connection, part: &str, since: UnixMs) -> rusqlite::Result<Vec<(Bucket, u64)>> {
    connection
        .prepare_cached(
            "SELECT bucket, sum(requests) FROM latency_hours WHERE hour >= ?1 AND part = ?2
             GROUP BY bucket ORDER BY bucket",
        )?
        .query_map(params![since.0, part], |row| Ok((Bucket(row.get(0)?), row.get::<_, i64>(1)?.cast_unsigned())))?
        .collect()
}

/// Reads every counter from then on, until `each` refuses one.
pub(super) fn export(
    connection: &Connection,
    since: UnixMs,
    each: &mut dyn FnMut(ExportRow) -> bool,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT hour, key_id, program, user_agent, outcome, requests, bytes_in, bytes_out
         FROM usage_hours JOIN callers ON callers.id = caller_id WHERE hour >= ?1 ORDER BY hour",
    )?;
    let mut rows = statement.query([since.0])?;
    while let Some(row) = rows.next()? {
        let goes_on = each(ExportRow {
            hour: UnixMs(row.get(0)?),
            host: None,
            key_id: row.get(1)?,
            program: row.get(2)?,
            user_agent: row.get(3)?,
            outcome: row.get(4)?,
            requests: row.get(5)?,
            bytes_in: row.get(6)?,
            bytes_out: row.get(7)?,
        });
        if !goes_on {
            break;
        }
    }
    Ok(())
}

/// Rolls hours before `hours_until` up into days, and forgets days before `days_until`.
pub(super) fn roll_up(connection: &Connection, hours_until: UnixMs, days_until: UnixMs) -> rusqlite::Result<()> {
    let day = UnixMs::DAY;
    // Who called without a key chose its own name: after all this time the number is enough.
    connection.execute("INSERT INTO callers (program, user_agent) VALUES ('', ?1) ON CONFLICT DO NOTHING", [OTHERS])?;
    connection.execute(
        "INSERT INTO usage_days
         SELECT hour - hour % ?2, key_id,
                CASE key_id WHEN '' THEN (SELECT id FROM callers WHERE program = '' AND user_agent = ?3) ELSE caller_id END,
                outcome, sum(requests), sum(bytes_in), sum(bytes_out), max(last_at)
         FROM usage_hours WHERE hour < ?1 GROUP BY 1, 2, 3, 4
         ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, bytes_in = bytes_in + excluded.bytes_in,
           bytes_out = bytes_out + excluded.bytes_out, last_at = max(last_at, excluded.last_at)",
        params![hours_until.0, day, OTHERS],
    )?;
    connection.execute(
        "INSERT INTO latency_days
         SELECT hour - hour % ?2, key_id, part, bucket, sum(requests)
         FROM latency_hours WHERE hour < ?1 GROUP BY 1, 2, 3, 4
         ON CONFLICT DO UPDATE SET requests = requests + excluded.requests",
        [hours_until.0, day],
    )?;
    connection.execute("DELETE FROM usage_hours WHERE hour < ?1", [hours_until.0])?;
    connection.execute("DELETE FROM latency_hours WHERE hour < ?1", [hours_until.0])?;
    connection.execute("DELETE FROM usage_days WHERE day < ?1", [days_until.0])?;
    connection.execute("DELETE FROM latency_days WHERE day < ?1", [days_until.0])?;
    // A caller chooses its user agent freely: those that nothing speaks of any more would pile up.
    connection.execute(
        "DELETE FROM callers WHERE id NOT IN (SELECT caller_id FROM usage_hours UNION SELECT caller_id FROM usage_days)",
        [],
    )?;
    Ok(())
}
