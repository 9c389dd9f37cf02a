//! Copies of the whole database, and what has to hold when one takes its place.

use std::path::Path;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{Store, check, migration};
use crate::clock::UnixMs;
use crate::error::{Error, StoreError};

/// Pages copied at a time, without a pause between.
const PAGES: i32 = 1000;
/// Beside the database: what it was before a backup took its place.
const BEFORE_RESTORE: &str = "before-restore.backup";

impl Store {
    /// Copies the database into this file.
    pub(crate) fn copy_to(&self, file: &Path) -> Result<(), Error> {
        let mut copy = Connection::open(file)?;
        let connection = self.lock();
        copy_all(&connection, &mut copy)?;
        // A backup is one file: without the log that WAL keeps beside it.
        Ok(copy.pragma_update(None, "journal_mode", "delete")?)
    }

    /// Puts the file in the place of the database, after `prepare` has made it fit: it gets the
    /// copy that will be put in place, and the database as it is.
    pub(crate) fn replace_with(
        &self,
        file: &Path,
        prepare: impl FnOnce(&Connection, &Connection) -> rusqlite::Result<()>,
    ) -> Result<(), Error> {
        let none = |_| Error::Backup("This file is no backup of ATTHENE Settings".into());
        let source = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(none)?;
        source.prepare("SELECT id, hash, ended_at FROM api_keys").map_err(none)?;
        check(&source).map_err(|error| Error::Backup(format!("The backup can't be used: {error}")))?;
        // Worked on as a copy: the backup itself stays as it is.
        let folder = self.folder();
        let copied = tempfile::NamedTempFile::new_in(folder)
            .map_err(|error| Error::Backup(format!("The backup was not put in place: {error}")))?;
        let mut copy = Connection::open(copied.path())?;
        copy_all(&source, &mut copy)?;
        migration::run(&mut copy, copied.path()).map_err(|error| match error {
            Error::Store(StoreError::Newer { .. }) => {
                Error::Backup("The backup was written by a newer version of this app".into())
            }
            error => error,
        })?;
        let mut current = self.lock();
        let aside = self.path.with_extension(BEFORE_RESTORE);
        copy_all(&current, &mut Connection::open(aside)?)?;
        prepare(&copy, &current)?;
        Ok(copy_all(&copy, &mut current)?)
    }
}

fn copy_all(from: &Connection, to: &mut Connection) -> rusqlite::Result<()> {
    Backup::new(from, to)?.run_to_completion(PAGES, std::time::Duration::ZERO, None)
}

/// A key that is live in the backup stays live only where it is live now: putting a backup in
/// place must not bring back what was revoked.
pub(crate) fn end_keys_that_ended(backup: &Connection, current: &Connection, now: UnixMs) -> rusqlite::Result<()> {
    let live = super::keys::live_id(current)?;
    backup.execute(
        "UPDATE api_keys SET ended_at = ?1, ended_as = 'revoked' WHERE ended_at IS NULL AND id IS NOT ?2",
        params![now.0, live.map(|id| id.0.to_string())],
    )?;
    Ok(())
}

/// What was done since the backup was done all the same, and putting a backup in place is no way
/// to make it undone: the record stays the one that is.
pub(crate) fn keep_record(backup: &Connection, current: &Connection) -> rusqlite::Result<()> {
    let path = current.path().unwrap_or_default();
    backup.execute("ATTACH DATABASE ?1 AS present", [path])?;
    backup.execute_batch(
        "BEGIN;
         DELETE FROM activity; INSERT INTO activity SELECT * FROM present.activity;
         DELETE FROM activity_head; INSERT INTO activity_head SELECT * FROM present.activity_head;
         COMMIT;
         DETACH DATABASE present",
    )
}

/// What is stopped stays stopped, and what is not goes on. The credential in the keychain is the
/// one of the present runtime: sent to the runtime of the backup, it would be a leak.
pub(crate) fn keep_switch_and_credential(backup: &Connection, current: &Connection) -> rusqlite::Result<()> {
    let value = |connection: &Connection, name: &str| -> rusqlite::Result<Option<String>> {
        connection.query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0)).optional()
    };
    super::settings::save(backup, "stopped_at", value(current, "stopped_at")?.as_deref())?;
    let same_runtime = value(backup, "runtime_url")? == value(current, "runtime_url")?;
    let credential = value(current, "runtime_has_credential")?.filter(|_| same_runtime);
    super::settings::save(backup, "runtime_has_credential", credential.as_deref())
}

/// Their secrets and browsers are of another time.
pub(crate) fn forget_sign_ins(backup: &Connection) -> rusqlite::Result<()> {
    backup.execute("DELETE FROM sign_ins", []).map(drop)
}

/// Other processes hear of the change by these numbers, so they never go back.
pub(crate) fn count_on_revisions(backup: &Connection, current: &Connection) -> rusqlite::Result<()> {
    let highest: i64 = current.query_row("SELECT max(n) FROM revisions", [], |row| row.get(0))?;
    backup.execute("UPDATE revisions SET n = max(n, ?1) + 1", [highest]).map(drop)
}

pub(crate) fn forget_keys_and_usage(connection: &Connection) -> rusqlite::Result<()> {
    for table in [
        "usage_hours",
        "usage_days",
        "latency_hours",
        "latency_days",
        "callers",
        "troubled_calls",
        "notices",
        "api_keys",
    ] {
        connection.execute(&format!("DELETE FROM {table}"), [])?;
    }
    // Deleting is no change that a trigger counts: nothing else deletes keys.
    connection.execute("UPDATE revisions SET n = n + 1 WHERE topic = 'keys'", []).map(drop)
}
