//! Copies of the whole database, and what is read out of one. A backup may come from anybody: only rows
//! are read, as the values that they are; its schema, triggers and views count for nothing.

use std::path::Path;

use rusqlite::backup::Backup as Copying;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, Row};

use atthene_core::activity::Entry;
use atthene_core::port::Revisions;
use atthene_core::port::backup::{
    Addition, Backup, BackupContents, Present, RawConnection, RawCounter, RawIntegration,
};
use atthene_core::{Error, StoreError};

use super::database::Sqlite;
use super::error::store_error;
use super::health::check;
use super::migration::DATABASE_FORMAT;
use super::private::make_private_file;
use super::{activity, connections, integrations, settings, usage, watch};
use crate::keys_and_usage::TABLES;

/// Pages copied at a time, without a pause between.
const PAGES: i32 = 1000;
/// Beside the database: what it was before a backup was put back.
const BEFORE_RESTORE: &str = "before-restore.backup";
/// Longer than any value that this app writes.
const LONGEST_VALUE: i32 = 1024 * 1024;
/// Longer than any value of a counter.
const LONGEST_OF_COUNTER: usize = 256;
/// Rows of one table that are looked at. An admin has far fewer.
const MOST_ROWS: usize = 10_000;
/// The same of counters: two years of a hundred callers.
const MOST_COUNTERS: usize = 2_000_000;
/// Steps of SQLite that reading may take: a schema made for it could let a small file take days.
const MOST_STEPS: u32 = 2_000_000_000;
/// After how many of them they are counted.
const STEPS_AT_A_TIME: u32 = 1_000_000;

impl Sqlite {
    /// Copies the database into this file.
    fn copy_to(&self, file: &Path) -> Result<(), StoreError> {
        let beside = self.connection_beside()?;
        let copied = || {
            let mut copy = Connection::open(file)?;
            copy_all(&beside, &mut copy)?;
            // A backup is one file: without the log that WAL keeps beside it.
            copy.pragma_update(None, "journal_mode", "delete")
        };
        copied().map_err(store_error)
    }

    /// With the secret by which this profile is known anybody could pass for its gateway. Put back by hand the
    /// copy would end the live key.
    fn forget_secret_in(file: &Path) -> rusqlite::Result<()> {
        let copy = Connection::open(file)?;
        copy.pragma_update(None, "secure_delete", true)?;
        copy.execute("UPDATE profile_secret SET secret = randomblob(length(secret))", [])?;
        // Texts that wait for a yes are not theirs, and nobody could say it there.
        copy.execute_batch("DELETE FROM approvals; DELETE FROM allowed_recipients")
    }
}

impl Backup for Sqlite {
    fn copy_for_others(&self, file: &Path) -> Result<(), Error> {
        self.copy_to(file)?;
        Ok(Self::forget_secret_in(file).map_err(store_error)?)
    }

    fn set_aside(&self) -> Result<(), Error> {
        let aside = self.path.with_extension(BEFORE_RESTORE);
        make_private_file(&aside).map_err(|error| Error::Backup(format!("Nothing was put back: {error}")))?;
        Ok(self.copy_to(&aside)?)
    }

    fn read_backup(&self, file: &Path) -> Result<BackupContents, Error> {
        let none = || Error::Backup("This file is no backup of ATTHENE Settings".into());
        let unusable = |error: &dyn std::fmt::Display| Error::Backup(format!("The backup can't be used: {error}"));
        // Read as a copy: whoever can write the file can't change it meanwhile.
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut copy = tempfile::NamedTempFile::new_in(folder).map_err(|error| unusable(&error))?;
        let mut source = std::fs::File::open(file).map_err(|_| none())?;
        std::io::copy(&mut source, &mut copy).map_err(|error| unusable(&error))?;
        let db = open_untrusted(copy.path()).map_err(|_| none())?;
        let format: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(|_| none())?;
        let format = usize::try_from(format).unwrap_or_default();
        if format > DATABASE_FORMAT {
            return Err(Error::Backup("The backup was written by a newer version of this app".into()));
        }
        if format == 0 || !has_table(&db, "api_keys") {
            return Err(none());
        }
        check(&db).map_err(|error| unusable(&error))?;
        read(&db).map_err(|error| unusable(&error))
    }

    fn present(&self) -> Result<Present, StoreError> {
        self.read(|db| {
            Ok(Present {
                revisions: watch::revisions(db)?,
                integrations: integrations::all(db)?,
                defaults: integrations::defaults(db)?,
                connections: connections::all(db)?,
                has_counters: !usage::is_empty(db)?,
            })
        })
    }

    fn add(&self, rows: &Addition<'_>, seen: &Revisions, entry: &Entry<'_>) -> Result<bool, StoreError> {
        self.write(|tx| {
            if !rows.fits(seen, &watch::revisions(tx)?, || usage::is_empty(tx))? {
                return Ok(false);
            }
            for (name, value) in &rows.settings {
                settings::save(tx, name, value.as_deref())?;
            }
            rows.integrations.iter().try_for_each(|row| integrations::save(tx, row))?;
            rows.connections.iter().try_for_each(|row| connections::save(tx, row))?;
            rows.hours.iter().try_for_each(|row| usage::put_back(tx, "usage_hours", row))?;
            rows.days.iter().try_for_each(|row| usage::put_back(tx, "usage_days", row))?;
            activity::append(tx, entry)?;
            Ok(true)
        })
    }

    fn forget_keys_and_usage(&self) -> Result<(), StoreError> {
        self.write(|tx| {
            for table in TABLES {
                tx.execute(&format!("DELETE FROM {table}"), [])?;
            }
            // Deleting is no change that a trigger counts: nothing else deletes keys.
            tx.execute("UPDATE revisions SET n = n + 1 WHERE topic = 'keys'", []).map(drop)
        })
    }
}

fn open_untrusted(file: &Path) -> rusqlite::Result<Connection> {
    // Our own copy, which SQLite has to write beside where the backup was made with a log of its own.
    let mut db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    for (option, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    ] {
        db.set_db_config(option, on)?;
    }
    db.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST_VALUE)?;
    let mut left = MOST_STEPS / STEPS_AT_A_TIME;
    let end = move || {
        left = left.saturating_sub(1);
        left == 0
    };
    db.progress_handler(STEPS_AT_A_TIME.cast_signed(), Some(end))?;
    db.pragma_update(None, "cell_size_check", true)?;
    db.pragma_update(None, "query_only", true)?;
    Ok(db)
}

/// Whether there is a plain table of this name: a view or a virtual table would run what its author wrote.
fn has_table(db: &Connection, name: &str) -> bool {
    let found = db.query_row("SELECT type, sql FROM sqlite_schema WHERE name = ?1", [name], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    });
    found.is_ok_and(|(kind, sql)| kind == "table" && sql.to_ascii_uppercase().starts_with("CREATE TABLE"))
}

fn read(db: &Connection) -> rusqlite::Result<BackupContents> {
    let mut contents = BackupContents::default();
    let bad = &mut contents.unreadable;
    contents.settings =
        rows(db, "settings", "SELECT name, value FROM settings", MOST_ROWS, bad, |row| Ok((row.get(0)?, row.get(1)?)))?;
    contents.integrations = rows(
        db,
        "integrations",
        "SELECT id, name, client_id, authority, scopes, way_back, secret, secret_expires_at FROM integrations
         ORDER BY created_at, rowid",
        MOST_ROWS,
        bad,
        |row| {
            Ok(RawIntegration {
                id: row.get(0)?,
                name: row.get(1)?,
                client_id: row.get(2)?,
                authority: row.get(3)?,
                scopes: row.get(4)?,
                redirect: row.get(5)?,
                has_secret: row.get::<_, String>(6)? != "none",
                secret_expires_at: row.get(7)?,
            })
        },
    )?;
    let defaults = "SELECT integration_id FROM default_integrations ORDER BY provider";
    contents.defaults = rows(db, "default_integrations", defaults, MOST_ROWS, bad, |row| row.get(0))?;
    contents.connections = rows(
        db,
        "connections",
        "SELECT id, integration_id, toolkit, oid, tid, account, asked, granted, confidential, signed_in_at
         FROM connections ORDER BY rowid",
        MOST_ROWS,
        bad,
        |row| {
            Ok(RawConnection {
                id: row.get(0)?,
                integration: row.get(1)?,
                toolkit: row.get(2)?,
                account_id: row.get(3)?,
                directory: row.get(4)?,
                account: row.get(5)?,
                asked: row.get(6)?,
                granted: row.get(7)?,
                confidential: row.get(8)?,
                signed_in_at: row.get(9)?,
            })
        },
    )?;
    if has_table(db, "callers") {
        contents.hours = counters(db, "usage_hours", "hour", bad)?;
        contents.days = counters(db, "usage_days", "day", bad)?;
    }
    Ok(contents)
}

fn counters(db: &Connection, table: &str, since: &str, bad: &mut usize) -> rusqlite::Result<Vec<RawCounter>> {
    let sql = format!(
        "SELECT {since}, key_id, program, user_agent, outcome, requests, bytes_in, bytes_out, last_at
         FROM {table} JOIN callers ON callers.id = caller_id
         WHERE max(length(key_id), length(program), length(user_agent), length(outcome)) <= {LONGEST_OF_COUNTER}"
    );
    rows(db, table, &sql, MOST_COUNTERS, bad, |row| {
        Ok(RawCounter {
            since: row.get(0)?,
            key: row.get(1)?,
            program: row.get(2)?,
            user_agent: row.get(3)?,
            outcome: row.get(4)?,
            requests: row.get(5)?,
            bytes_in: row.get(6)?,
            bytes_out: row.get(7)?,
            last_at: row.get(8)?,
        })
    })
}

/// The rows of a table, where there is such a table; `bad` counts those whose values are of another kind.
fn rows<T>(
    db: &Connection,
    table: &str,
    sql: &str,
    most: usize,
    bad: &mut usize,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut all = Vec::new();
    if !has_table(db, table) {
        return Ok(all);
    }
    let mut statement = db.prepare(sql)?;
    let mut found = statement.query([])?;
    let mut seen = 0;
    while let Some(row) = found.next()? {
        seen += 1;
        if seen > most {
            *bad += 1;
            break;
        }
        match read(row) {
            Ok(row) => all.push(row),
            Err(_) => *bad += 1,
        }
    }
    Ok(all)
}

fn copy_all(from: &Connection, to: &mut Connection) -> rusqlite::Result<()> {
    Copying::new(from, to)?.run_to_completion(PAGES, std::time::Duration::ZERO, None)
}
