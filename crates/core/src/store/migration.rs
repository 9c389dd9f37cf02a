//! Migrations: in order, never edited once landed, each after a backup.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::StoreError;

const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_keys_usage_settings.sql"),
    include_str!("migrations/0002_integrations_activity.sql"),
    include_str!("migrations/0003_connections.sql"),
    include_str!("migrations/0004_oversight.sql"),
];

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(version as usize)
}

/// Brings the database to the newest format. Two processes may run this at once: the
/// second finds the work done.
pub(super) fn run(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let found = version(connection)?;
    if found > MIGRATIONS.len() {
        return Err(StoreError::Newer { found: signed(found), known: signed(MIGRATIONS.len()) });
    }
    if found == MIGRATIONS.len() {
        return Ok(());
    }
    if found > 0 {
        let name = format!("{}.{found}.backup", path.display());
        connection.backup(rusqlite::MAIN_DB, name, None::<fn(rusqlite::backup::Progress)>)?;
    }
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (at, sql) in MIGRATIONS.iter().enumerate().skip(version(&tx)?) {
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", signed(at + 1))?;
    }
    Ok(tx.commit()?)
}

fn signed(version: usize) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
