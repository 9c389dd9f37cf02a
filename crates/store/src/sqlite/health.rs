//! Whether the file is sound.

use atthene_core::StoreError;
use rusqlite::Connection;

use super::error::store_error;

/// SQLite's own look at it.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(store_error)?;
    if verdict == "ok" { Ok(()) } else { Err(StoreError::Damaged(verdict)) }
}
