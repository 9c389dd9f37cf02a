//! The open file: its connections, and the transactions on them.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use atthene_core::port::{Store, Watcher};
use atthene_core::{Error, ProfileSecret, StoreError};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::error::store_error;
use super::health::check;
use super::private::make_private;
use super::watch::Watch;
use super::{migration, profile_secret};

/// The file in the data folder.
pub const DATABASE_FILE: &str = "atthene.db";

/// How long a write waits for another process before it says so.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

pub struct Sqlite {
    pub(super) path: PathBuf,
    secret: ProfileSecret,
    connection: Mutex<Connection>,
}

impl Sqlite {
    /// Opens the database in `folder`, making both where they are missing, and brings it
    /// to the newest format.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(DATABASE_FILE);
        make_private(folder, &path).map_err(|error| not_writable(folder, &error.to_string()))?;
        let opened = Self::connect(&path).map_err(Error::from).and_then(|mut connection| {
            migration::run(&mut connection, &path)?;
            check(&connection)?;
            let secret = profile_secret::read(&connection).map_err(store_error)?;
            Ok((connection, secret))
        });
        match opened {
            Ok((connection, secret)) => Ok(Self { path, secret, connection: Mutex::new(connection) }),
            // SQLite does not know that the folder is what matters to a person.
            Err(Error::Store(StoreError::NotWritable { reason, .. })) => Err(not_writable(folder, &reason)),
            Err(error) => Err(error),
        }
    }

    fn connect(path: &Path) -> Result<Connection, StoreError> {
        let connected = || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            enter_wal(&connection)?;
            // Revoking must survive a power cut: FULL syncs the WAL at every commit.
            connection.pragma_update(None, "synchronous", "full")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.set_prepared_statement_cache_capacity(64);
            Ok(connection)
        };
        connected().map_err(store_error)
    }

    /// Runs `work` in one write transaction. An error rolls everything back.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let mut connection = self.lock();
        let written = || {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&tx)?;
            tx.commit()?;
            Ok(done)
        };
        written().map_err(store_error)
    }

    /// Runs `work` on one consistent view.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        view(&self.lock(), work)
    }

    /// Runs `work`, which may take long, on a connection of its own: neither keys nor counters
    /// wait for it.
    pub(super) fn read_beside<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        view(&self.connection_beside()?, work)
    }

    pub(super) fn connection_beside(&self) -> Result<Connection, StoreError> {
        Self::connect(&self.path)
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Sqlite {
    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    fn profile_secret(&self) -> &ProfileSecret {
        &self.secret
    }

    fn watch(&self) -> Result<Box<dyn Watcher>, StoreError> {
        Ok(Box::new(Watch::new(self.connection_beside()?).map_err(store_error)?))
    }
}

fn view<T>(connection: &Connection, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
    let viewed = || {
        let tx = connection.unchecked_transaction()?;
        work(&tx)
    };
    viewed().map_err(store_error)
}

/// SQLite does not wait for another process when the journal mode changes, so this does.
fn enter_wal(connection: &Connection) -> rusqlite::Result<()> {
    let started = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && started.elapsed() < BUSY_TIMEOUT =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}

fn not_writable(folder: &Path, reason: &str) -> Error {
    StoreError::NotWritable { path: folder.to_owned(), reason: reason.to_owned() }.into()
}
