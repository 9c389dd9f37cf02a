//! Queries on `callers`, `usage_hours` and `latency_hours`.

use rusqlite::{Connection, Row, named_params, params};

use crate::activity::{CallerView, OTHERS, RefusalView};
use crate::clock::UnixMs;
use crate::keys::KeyId;
use crate::limits::MOST_CALLERS;
use crate::store::backup::RawCounter;

/// Calls to add to one slot.
pub(crate) struct Added<'a> {
    pub(crate) hour: UnixMs,
    pub(crate) key: &'a str,
    pub(crate) program: &'a str,
    pub(crate) user_agent: &'a str,
    pub(crate) outcome: &'a str,
    /// Whether these calls were refused: whoever makes such is given no name without end.
    pub(crate) is_refused: bool,
    pub(crate) requests: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) last_at: UnixMs,
}

pub(crate) fn add(connection: &Connection, added: &Added<'_>) -> rusqlite::Result<()> {
    let (mut program, mut user_agent) = (added.program, added.user_agent);
    let mut name = connection.prepare_cached(
        "INSERT INTO callers (program, user_agent)
         SELECT ?1, ?2 WHERE ?3 OR (SELECT count(*) FROM callers) < ?4 ON CONFLICT DO NOTHING",
    )?;
    let is_new = name.execute(params![program, user_agent, !added.is_refused, MOST_CALLERS])? > 0;
    if added.is_refused && !is_new && !is_named(connection, program, user_agent)? {
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
            ":key": added.key,
            ":program": program,
            ":user_agent": user_agent,
            ":outcome": added.outcome,
            ":requests": added.requests.cast_signed(),
            ":bytes_in": added.bytes_in.cast_signed(),
            ":bytes_out": added.bytes_out.cast_signed(),
            ":last_at": added.last_at.0,
        })?;
    Ok(())
}

fn is_named(connection: &Connection, program: &str, user_agent: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM callers WHERE program = ?1 AND user_agent = ?2")?
        .exists([program, user_agent])
}

/// Whether nothing was counted yet.
pub(crate) fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM usage_hours) AND NOT EXISTS (SELECT 1 FROM usage_days)";
    connection.query_row(sql, [], |row| row.get(0))
}

/// Adds a counter of a backup that was checked.
pub(crate) fn put_back(connection: &Connection, table: &'static str, row: &RawCounter) -> rusqlite::Result<()> {
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

pub(crate) fn add_latency(
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

pub(crate) fn callers(
    connection: &Connection,
    key: &str,
    since: UnixMs,
    outcome: &str,
) -> rusqlite::Result<Vec<CallerView>> {
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
pub(crate) fn answered_by_hour(
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

pub(crate) fn refusals(connection: &Connection, since: UnixMs) -> rusqlite::Result<Vec<RefusalView>> {
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
