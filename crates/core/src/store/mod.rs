//! The SQLite database: one file, WAL, one writer at a time in this process, other
//! processes welcome.

pub(crate) mod activity;
pub(crate) mod backup;
pub(crate) mod connections;
pub(crate) mod integrations;
pub(crate) mod keys;
mod migration;
pub(crate) mod notices;
mod profile_secret;
pub(crate) mod reports;
pub(crate) mod settings;
pub(crate) mod sign_ins;
pub(crate) mod troubled;
pub(crate) mod unsettled;
pub(crate) mod upkeep;
pub(crate) mod usage;
mod watch;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::{Error, StoreError};
use crate::profile_secret::ProfileSecret;

pub use migration::DATABASE_FORMAT;
pub(crate) use watch::Watch;

/// The file in the data folder.
pub const DATABASE_FILE: &str = "atthene.db";

/// How long a write waits for another process before it says so.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The open database.
pub(crate) struct Store {
    path: PathBuf,
    secret: ProfileSecret,
    connection: Mutex<Connection>,
}

impl Store {
    /// Opens the database in `folder`, making both where they are missing, and brings it
    /// to the newest format.
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(DATABASE_FILE);
        make_private(folder, &path).map_err(|error| not_writable(folder, &error.to_string()))?;
        let opened = Self::connect(&path).map_err(Error::from).and_then(|mut connection| {
            migration::run(&mut connection, &path)?;
            check(&connection)?;
            let secret = profile_secret::read(&connection)?;
            Ok((connection, secret))
        });
        match opened {
            Ok((connection, secret)) => Ok(Self { path, secret, connection: Mutex::new(connection) }),
            // SQLite does not know that the folder is what matters to a person.
            Err(Error::Store(StoreError::NotWritable { reason, .. })) => Err(not_writable(folder, &reason)),
            Err(error) => Err(error),
        }
    }

    /// The data folder.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// The secret that the profile was born with.
    pub(crate) fn secret(&self) -> &ProfileSecret {
        &self.secret
    }

    fn connect(path: &Path) -> Result<Connection, StoreError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        enter_wal(&connection)?;
        // Revoking must survive a power cut: FULL syncs the WAL at every commit.
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    }

    /// Runs `work` in one write transaction. An error rolls everything back.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let mut connection = self.lock();
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&tx)?;
        tx.commit()?;
        Ok(done)
    }

    /// Runs `work` on one consistent view.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let connection = self.lock();
        let tx = connection.unchecked_transaction()?;
        Ok(work(&tx)?)
    }

    /// Runs `work`, which may take long, on a connection of its own: neither keys nor counters
    /// wait for it.
    pub(crate) fn read_beside<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let connection = self.second_connection()?;
        let tx = connection.unchecked_transaction()?;
        work(&tx)
    }

    /// A second connection, for watching what others write.
    fn second_connection(&self) -> Result<Connection, StoreError> {
        Self::connect(&self.path)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// SQLite does not wait for another process when the journal mode changes, so this does.
fn enter_wal(connection: &Connection) -> rusqlite::Result<()> {
    let started = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && started.elapsed() < BUSY_TIMEOUT =>
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

/// SQLite gives the -wal and -shm files the mode of the database itself.
fn make_private(folder: &Path, file: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    make_private_file(file)
}

/// Makes the file where it is missing, and lets its owner alone read it before anything more is in it:
/// one of an earlier version may be there, with the mode that was usual then.
fn make_private_file(file: &Path) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = options.open(file)?;
    #[cfg(unix)]
    opened.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    drop(opened);
    Ok(())
}

fn check(connection: &Connection) -> Result<(), StoreError> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(StoreError::Damaged(verdict)) }
}
