//! Hears what other processes change: SQLite's own `data_version`, asked twenty times a
//! second, so that a key that another process ended is refused here within 100 ms.

use std::sync::{Arc, Weak};
use std::time::Duration;

use rusqlite::Connection;

use super::Store;
use crate::change::Change;
use crate::error::{Error, StoreError};

const EVERY: Duration = Duration::from_millis(50);

#[derive(PartialEq, Eq, Clone, Copy)]
struct Revisions {
    keys: i64,
    settings: i64,
    integrations: i64,
    connections: i64,
    activity: i64,
}

/// A connection that sees commits of every other one.
pub(crate) struct Watch {
    connection: Connection,
    data_version: i64,
    revisions: Revisions,
}

impl Watch {
    pub(crate) fn new(store: &Store) -> Result<Self, Error> {
        let connection = store.second_connection()?;
        let data_version = data_version(&connection)?;
        let revisions = revisions(&connection)?;
        Ok(Self { connection, data_version, revisions })
    }

    /// Runs `on_change` for every change until `alive` is gone.
    pub(crate) fn run<T: Send + Sync + 'static>(
        mut self,
        alive: Weak<T>,
        on_change: impl Fn(&Arc<T>, Change) + Send + 'static,
    ) -> std::io::Result<()> {
        std::thread::Builder::new().name("store-watch".into()).spawn(move || {
            loop {
                std::thread::sleep(EVERY);
                let Some(alive) = alive.upgrade() else { return };
                match self.poll() {
                    Ok(changes) => changes.into_iter().flatten().for_each(|change| on_change(&alive, change)),
                    Err(error) => tracing::warn!(%error, "the database could not be watched; trying again"),
                }
            }
        })?;
        Ok(())
    }

    fn poll(&mut self) -> Result<[Option<Change>; 5], StoreError> {
        let data_version = data_version(&self.connection)?;
        if data_version == self.data_version {
            return Ok([None; 5]);
        }
        let revisions = revisions(&self.connection)?;
        let before = std::mem::replace(&mut self.revisions, revisions);
        self.data_version = data_version;
        Ok([
            (before.keys != revisions.keys).then_some(Change::Keys),
            (before.settings != revisions.settings).then_some(Change::Settings),
            (before.integrations != revisions.integrations).then_some(Change::Integrations),
            (before.connections != revisions.connections).then_some(Change::Connections),
            (before.activity != revisions.activity).then_some(Change::Activity),
        ])
    }
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

fn revisions(connection: &Connection) -> rusqlite::Result<Revisions> {
    connection
        .prepare_cached(
            "SELECT max(n) FILTER (WHERE topic = 'keys'), max(n) FILTER (WHERE topic = 'settings'),
                    max(n) FILTER (WHERE topic = 'integrations'), max(n) FILTER (WHERE topic = 'connections'),
                    (SELECT coalesce(max(id), 0) FROM activity)
             FROM revisions",
        )?
        .query_row([], |row| {
            Ok(Revisions {
                keys: row.get(0)?,
                settings: row.get(1)?,
                integrations: row.get(2)?,
                connections: row.get(3)?,
                activity: row.get(4)?,
            })
        })
}
