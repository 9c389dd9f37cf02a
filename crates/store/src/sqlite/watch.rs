//! Hears what other processes change: SQLite's own `data_version`, and rows that triggers count up.

use std::path::PathBuf;

use atthene_core::port::{Revisions, Watcher};
use atthene_core::{Change, StoreError};
use rusqlite::Connection;

use super::error::store_error;
use super::file_identity::FileIdentity;

/// A connection that sees commits of every other one.
pub(super) struct Watch {
    path: PathBuf,
    file: FileIdentity,
    connection: Connection,
    data_version: i64,
    revisions: Revisions,
}

impl Watch {
    pub(super) fn new(connection: Connection, path: PathBuf, file: FileIdentity) -> rusqlite::Result<Self> {
        let data_version = data_version(&connection)?;
        let revisions = revisions(&connection)?;
        Ok(Self { path, file, connection, data_version, revisions })
    }
}

impl Watcher for Watch {
    fn poll(&mut self) -> Result<Vec<Change>, StoreError> {
        self.file.is_at(&self.path)?;
        let data_version = data_version(&self.connection).map_err(store_error)?;
        if data_version == self.data_version {
            return Ok(Vec::new());
        }
        let now = revisions(&self.connection).map_err(store_error)?;
        let before = std::mem::replace(&mut self.revisions, now);
        self.data_version = data_version;
        Ok(now.changed_since(&before))
    }
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

pub(super) fn revisions(connection: &Connection) -> rusqlite::Result<Revisions> {
    connection
        .prepare_cached(
            "SELECT max(n) FILTER (WHERE topic = 'keys'), max(n) FILTER (WHERE topic = 'settings'),
                    max(n) FILTER (WHERE topic = 'integrations'), max(n) FILTER (WHERE topic = 'connections'),
                    max(n) FILTER (WHERE topic = 'usage'), max(n) FILTER (WHERE topic = 'service'),
                    max(n) FILTER (WHERE topic = 'approvals'),
                    (SELECT coalesce(max(id), 0) FROM activity)
             FROM revisions",
        )?
        .query_row([], |row| {
            Ok(Revisions {
                keys: row.get(0)?,
                settings: row.get(1)?,
                integrations: row.get(2)?,
                connections: row.get(3)?,
                usage: row.get(4)?,
                service: row.get(5)?,
                approvals: row.get(6)?,
                activity: row.get(7)?,
            })
        })
}
