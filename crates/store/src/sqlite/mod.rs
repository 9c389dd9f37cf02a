//! The SQLite database: one file, WAL, one writer at a time in this process, other
//! processes welcome.

mod activity;
mod backup;
mod connections;
mod integrations;
mod keys;
mod migration;
mod notices;
mod profile_secret;
mod reports;
mod settings;
mod sign_ins;
mod troubled;
mod unsettled;
mod usage;
mod watch;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use atthene_core::port::{Store, Watcher};
use atthene_core::{Error, ProfileSecret, StoreError};
use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

pub use migration::DATABASE_FORMAT;

/// The file in the data folder.
pub const DATABASE_FILE: &str = "atthene.db";

/// How long a write waits for another process before it says so.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The open database.
pub struct Sqlite {
    path: PathBuf,
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
            let secret = profile_secret::read(&connection).map_err(told)?;
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
        connected().map_err(told)
    }

    /// Runs `work` in one write transaction. An error rolls everything back.
    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let mut connection = self.lock();
        let written = || {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&tx)?;
            tx.commit()?;
            Ok(done)
        };
        written().map_err(told)
    }

    /// Runs `work` on one consistent view.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        view(&self.lock(), work)
    }

    /// Runs `work`, which may take long, on a connection of its own: neither keys nor counters
    /// wait for it.
    fn read_beside<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        view(&self.connection_beside()?, work)
    }

    fn connection_beside(&self) -> Result<Connection, StoreError> {
        Self::connect(&self.path)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
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
        Ok(Box::new(watch::Watch::new(self.connection_beside()?).map_err(told)?))
    }
}

fn view<T>(connection: &Connection, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
    let viewed = || {
        let tx = connection.unchecked_transaction()?;
        work(&tx)
    };
    viewed().map_err(told)
}

/// What an error of SQLite means to a person.
fn told(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked,
        Some(ErrorCode::DiskFull) => StoreError::DiskFull,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged(error.to_string()),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::NotWritable { path: PathBuf::new(), reason: error.to_string() }
        }
        _ => StoreError::Failed(error.into()),
    }
}

/// What a word of a row stands for. One that no version of this app has written is an error, not another word.
fn word<T>(column: usize, text: &str, known: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let unknown = || format!("a row holds the word {text:?}, which stands for nothing here");
    known(text).ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, unknown().into()))
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
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(told)?;
    if verdict == "ok" { Ok(()) } else { Err(StoreError::Damaged(verdict)) }
}
