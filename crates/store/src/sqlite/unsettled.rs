//! Queries on `unsettled_secrets`.

use atthene_core::StoreError;
use atthene_core::activity::Entry;
use atthene_core::port::{SecretRows, SecretStep};
use rusqlite::Connection;

use super::activity;
use super::database::Sqlite;

/// Marks a keychain entry as being between two steps.
fn unsettle(db: &Connection, entry: &str) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO unsettled_secrets (entry) VALUES (?1) ON CONFLICT (entry) DO UPDATE SET swept = 0",
        [entry],
    )?;
    Ok(())
}

/// The last step is done. False: another process has swept the entry meanwhile.
fn settle(db: &Connection, entry: &str) -> rusqlite::Result<bool> {
    Ok(db.execute("DELETE FROM unsettled_secrets WHERE entry = ?1 AND swept = 0", [entry])? > 0)
}

/// What belongs to the entry in the transaction of its row. False: its secret was swept meanwhile, so the row
/// must not be written.
pub(super) fn advance(db: &Connection, step: SecretStep<'_>) -> rusqlite::Result<bool> {
    match step {
        SecretStep::Nothing => Ok(true),
        SecretStep::Written(entry) => settle(db, entry),
        // No secret lies in this database: nothing is written, and no row either.
        SecretStep::Sealed(..) => Err(rusqlite::Error::InvalidQuery),
        SecretStep::Leaving(entry) => unsettle(db, entry).map(|()| true),
    }
}

/// A row was deleted, or there was none: what belongs to its secret, and the record. Whether there was one.
pub(super) fn deleted(
    db: &Connection,
    was_there: bool,
    step: SecretStep<'_>,
    entry: &Entry<'_>,
) -> rusqlite::Result<bool> {
    if was_there {
        advance(db, step)?;
        activity::append(db, entry)?;
    }
    Ok(was_there)
}

/// Every entry that a crash may have left, claimed for sweeping.
fn claim(db: &Connection) -> rusqlite::Result<Vec<String>> {
    db.prepare_cached("UPDATE unsettled_secrets SET swept = 1 RETURNING entry")?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn swept(db: &Connection, entry: &str) -> rusqlite::Result<()> {
    db.execute("DELETE FROM unsettled_secrets WHERE entry = ?1 AND swept = 1", [entry])?;
    Ok(())
}

impl SecretRows for Sqlite {
    fn mark_unsettled(&self, entry: &str) -> Result<(), StoreError> {
        self.write(|tx| unsettle(tx, entry))
    }

    fn advance(&self, step: SecretStep<'_>) -> Result<(), StoreError> {
        self.write(|tx| advance(tx, step).map(drop))
    }

    fn mark_settled(&self, entry: &str) -> Result<(), StoreError> {
        self.write(|tx| settle(tx, entry).map(drop))
    }

    fn claim_unsettled(&self) -> Result<Vec<String>, StoreError> {
        self.write(|tx| claim(tx))
    }

    fn swept(&self, entry: &str, removed: Option<&Entry<'_>>) -> Result<(), StoreError> {
        self.write(|tx| {
            swept(tx, entry)?;
            removed.map_or(Ok(()), |removed| activity::append(tx, removed))
        })
    }
}
