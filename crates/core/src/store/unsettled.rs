//! Queries on `unsettled_secrets`.

use rusqlite::Connection;

/// Marks a keychain entry as being between two steps.
pub(crate) fn unsettle(db: &Connection, entry: &str) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO unsettled_secrets (entry) VALUES (?1) ON CONFLICT (entry) DO UPDATE SET swept = 0",
        [entry],
    )?;
    Ok(())
}

/// The last step is done. False: another process has swept the entry meanwhile.
pub(crate) fn settle(db: &Connection, entry: &str) -> rusqlite::Result<bool> {
    Ok(db.execute("DELETE FROM unsettled_secrets WHERE entry = ?1 AND swept = 0", [entry])? > 0)
}

/// Every entry that a crash may have left, claimed for sweeping.
pub(crate) fn claim(db: &Connection) -> rusqlite::Result<Vec<String>> {
    db.prepare_cached("UPDATE unsettled_secrets SET swept = 1 RETURNING entry")?
        .query_map([], |row| row.get(0))?
        .collect()
}

pub(crate) fn swept(db: &Connection, entry: &str) -> rusqlite::Result<()> {
    db.execute("DELETE FROM unsettled_secrets WHERE entry = ?1 AND swept = 1", [entry])?;
    Ok(())
}
