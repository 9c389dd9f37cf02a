//! The open file: its connections, and the transactions on them.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use atthene_core::port::{Store, Watcher};
use atthene_core::{Error, ProfileSecret, StoreError};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::error::store_error;
use super::file_identity::FileIdentity;
use super::health::check;
use super::private::make_private;
use super::reserve::Reserve;
use super::watch::Watch;
use super::{migration, profile_secret};

/// The file in the data folder.
pub const DATABASE_FILE: &str = "atthene.db";

/// How long a write waits for another process before it says so.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long others may read while the log is to be emptied.
const LOG_TIMEOUT: Duration = Duration::from_millis(200);

pub struct Sqlite {
    pub(super) path: PathBuf,
    secret: ProfileSecret,
    file: FileIdentity,
    reserve: Reserve,
    writer: Mutex<Connection>,
    /// Apart: whoever reads waits for no write, of this process or of another.
    reader: Mutex<Connection>,
}

/// A database of up to this many bytes is looked through before it is used; a larger one beside, so that a start
/// costs the same however long the history.
const LOOKED_THROUGH_FIRST: u64 = 4 * 1024 * 1024;

impl Sqlite {
    /// Opens the database in `folder`, making both where they are missing, and brings it
    /// to the newest format.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(DATABASE_FILE);
        make_private(folder, &path).map_err(|error| not_writable(folder, &error.to_string()))?;
        let opened = Self::connect(&path).map_err(Error::from).and_then(|mut connection| {
            migration::run(&mut connection, &path)?;
            if path.metadata().is_ok_and(|meta| meta.len() <= LOOKED_THROUGH_FIRST) {
                check(&connection)?;
            }
            let secret = profile_secret::read(&connection).map_err(store_error)?;
            Ok((connection, secret, Self::connect(&path)?))
        });
        match opened {
            Ok((writer, secret, reader)) => {
                let file = FileIdentity::of(&path).map_err(|error| not_writable(folder, &error.to_string()))?;
                let reserve = Reserve::keep(folder);
                Ok(Self { path, secret, file, reserve, writer: Mutex::new(writer), reader: Mutex::new(reader) })
            }
            // SQLite does not know that the folder is what matters to a person.
            Err(Error::Store(StoreError::NotWritable { reason, .. })) => Err(not_writable(folder, &reason)),
            Err(Error::Store(StoreError::Unsupported { reason, .. })) => {
                Err(StoreError::Unsupported { path: folder.to_owned(), reason }.into())
            }
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
            // What is deleted may be the text of a mail that nobody allowed.
            connection.pragma_update(None, "secure_delete", true)?;
            connection.set_prepared_statement_cache_capacity(64);
            Ok(connection)
        };
        connected().map_err(store_error)
    }

    /// Runs `work` in one write transaction. An error rolls everything back.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let mut connection = self.lock();
        // Whoever reads the file that is there by now would not find what is written to the one before.
        self.file.is_at(&self.path)?;
        let written = || {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&tx)?;
            tx.commit()?;
            Ok(done)
        };
        written().map_err(store_error)
    }

    /// The same for what ends something: a full disk does not keep it from being done.
    pub(super) fn write_ending<T>(
        &self,
        work: impl Fn(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        match self.write(&work) {
            Err(StoreError::DiskFull) if self.reserve.spend() => self.write(work),
            done => done,
        }
    }

    /// Lets go of what was deleted in the write-ahead log, too. Where somebody else reads just now, the next time does.
    pub(super) fn forget_log(&self) {
        let connection = self.lock();
        let emptied = connection
            .busy_timeout(LOG_TIMEOUT)
            .and_then(|()| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        // Nothing depends on either.
        let _ = (emptied, connection.busy_timeout(BUSY_TIMEOUT));
    }

    /// Runs `work` on one consistent view.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.file.is_at(&self.path)?;
        view(&self.reader.lock().unwrap_or_else(PoisonError::into_inner), work)
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
        self.file.is_at(&self.path)?;
        Self::connect(&self.path)
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
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
        let connection = self.connection_beside()?;
        Ok(Box::new(Watch::new(connection, self.path.clone(), self.file.clone()).map_err(store_error)?))
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        // Nobody else has the lock for long, and the file is the one that was opened.
        self.write(|_| Ok(()))?;
        // A transaction that writes nothing asks the disk for nothing; a file beside does.
        let written = tempfile::NamedTempFile::new_in(self.folder()).and_then(|mut file| {
            std::io::Write::write_all(&mut file, &vec![0; 64 * 1024])?;
            file.as_file().sync_all()
        });
        written.map_err(|error| match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreError::DiskFull,
            _ => StoreError::NotWritable { path: self.folder().to_owned(), reason: error.to_string() },
        })
    }

    fn look_through(&self) -> Result<(), StoreError> {
        check(&self.connection_beside()?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k10_what_ends_something_finds_room_on_a_full_disk_and_nothing_else_takes_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Sqlite::open(folder.path()).expect("opens");
        let reserve = folder.path().join("reserve");
        // As the disk: full while the room is kept.
        let work = |_: &Transaction<'_>| {
            let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
            if reserve.exists() { Err(rusqlite::Error::SqliteFailure(full, None)) } else { Ok(()) }
        };
        assert!(matches!(database.write(work), Err(StoreError::DiskFull)));
        assert!(reserve.exists());
        database.write_ending(work).expect("written");
        assert!(!reserve.exists());
        drop(database);
        Sqlite::open(folder.path()).expect("opens");
        assert!(reserve.metadata().expect("kept again").len() > 100_000);
    }
}
