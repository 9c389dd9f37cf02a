//! Queries on `troubled_calls`.

use atthene_core::UnixMs;
use atthene_core::keys::KeyId;
use atthene_core::limits::KEPT_TROUBLED;
use atthene_core::oversight::TroubledCall;
use atthene_core::port::KeptTrouble;
use atthene_core::problem::CallCheck;
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(super) fn add(connection: &Connection, call: &KeptTrouble<'_>) -> rusqlite::Result<()> {
    let KeptTrouble { at, key, caller, trouble, is_refused } = call;
    connection
        .prepare_cached(
            "INSERT INTO troubled_calls (request_id, at, method, path, code, detail, key_id, program, user_agent,
                                         is_refused, failed_check)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            trouble.request_id,
            at.0,
            trouble.method,
            trouble.path,
            trouble.code.as_str(),
            trouble.detail,
            key.map_or("", |key| &key.0),
            caller.program,
            caller.user_agent,
            is_refused,
            trouble.check.as_str(),
        ])?;
    Ok(())
}

pub(super) fn forget_old(connection: &Connection) -> rusqlite::Result<()> {
    let mut forget = connection.prepare_cached(
        "DELETE FROM troubled_calls WHERE is_refused = ?1 AND n <= (
           SELECT n FROM troubled_calls WHERE is_refused = ?1 ORDER BY n DESC LIMIT 1 OFFSET ?2)",
    )?;
    for is_refused in [false, true] {
        forget.execute(params![is_refused, KEPT_TROUBLED])?;
    }
    Ok(())
}

pub(super) fn latest(connection: &Connection, most: u32) -> rusqlite::Result<Vec<TroubledCall>> {
    connection
        .prepare_cached("SELECT * FROM troubled_calls ORDER BY n DESC LIMIT ?1")?
        .query_map([most], call)?
        .collect()
}

pub(super) fn by_request_id(connection: &Connection, id: &str) -> rusqlite::Result<Option<TroubledCall>> {
    connection.prepare_cached("SELECT * FROM troubled_calls WHERE request_id = ?1")?.query_row([id], call).optional()
}

fn call(row: &Row<'_>) -> rusqlite::Result<TroubledCall> {
    let key: String = row.get("key_id")?;
    Ok(TroubledCall {
        request_id: row.get("request_id")?,
        at: UnixMs(row.get("at")?),
        method: row.get("method")?,
        path: row.get("path")?,
        code: row.get("code")?,
        check: row.get::<_, Option<String>>("failed_check")?.and_then(|word| CallCheck::known(&word)),
        detail: row.get("detail")?,
        key_id: (!key.is_empty()).then(|| KeyId(key.into())),
        program: row.get("program")?,
        user_agent: row.get("user_agent")?,
    })
}
