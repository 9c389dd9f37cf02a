//! Migrations: in order, never edited once landed, each after a backup.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use atthene_core::{Error, ProfileSecret, StoreError};

use super::error::store_error;
use super::profile_secret;

const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_keys_usage_settings.sql"),
    include_str!("migrations/0002_integrations_activity.sql"),
    include_str!("migrations/0003_connections.sql"),
    include_str!("migrations/0004_oversight.sql"),
    include_str!("migrations/0005_among_strangers.sql"),
    include_str!("migrations/0006_failed_check.sql"),
    include_str!("migrations/0007_held_in_the_field.sql"),
    include_str!("migrations/0008_notes_of_keys.sql"),
    include_str!("migrations/0009_service.sql"),
    include_str!("migrations/0010_permissions.sql"),
    include_str!("migrations/0011_approvals.sql"),
    include_str!("migrations/0012_unknown_outcome.sql"),
];

/// The format of a database of this version: how many migrations it has seen.
pub const DATABASE_FORMAT: usize = MIGRATIONS.len();

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(version as usize)
}

/// Brings the database to the newest format. Two processes may run this at once: the
/// second finds the work done.
pub(super) fn run(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let found = version(connection).map_err(store_error)?;
    if found > DATABASE_FORMAT {
        return Err(StoreError::Newer { found: signed(found), known: signed(DATABASE_FORMAT) }.into());
    }
    if found == DATABASE_FORMAT {
        return Ok(());
    }
    if found > 0 {
        back_up(connection, path, found)?;
    }
    let secret = ProfileSecret::generate()?;
    Ok(migrate(connection, &secret).map_err(store_error)?)
}

fn migrate(connection: &mut Connection, secret: &ProfileSecret) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (at, sql) in MIGRATIONS.iter().enumerate().skip(version(&tx)?) {
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", signed(at + 1))?;
    }
    profile_secret::make(&tx, secret)?;
    tx.commit()
}

/// Copies the database beside itself, readable by its owner only from the first byte on.
fn back_up(connection: &Connection, path: &Path, version: usize) -> Result<(), Error> {
    let copy = PathBuf::from(format!("{}.{version}.backup", path.display()));
    super::private::make_private_file(&copy)
        .map_err(|error| Error::Backup(format!("No copy was made before the update: {error}")))?;
    connection.backup(rusqlite::MAIN_DB, copy, None::<fn(rusqlite::backup::Progress)>).map_err(store_error)?;
    Ok(())
}

fn signed(version: usize) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
