//! Queries on `notices`.

use atthene_core::UnixMs;
use rusqlite::{Connection, OptionalExtension, params};

/// Marks the notice as told now, unless it was told after `since`. True where it is due.
pub(super) fn claim(connection: &Connection, id: &str, since: UnixMs, now: UnixMs) -> rusqlite::Result<bool> {
    let told: Option<i64> = connection
        .prepare_cached("SELECT told_at FROM notices WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    if told.is_some_and(|at| at > since.0) {
        return Ok(false);
    }
    connection.prepare_cached("INSERT OR REPLACE INTO notices VALUES (?1, ?2)")?.execute(params![id, now.0])?;
    Ok(true)
}
