//! What SQLite's errors mean to a person, and words of rows that mean nothing.

use std::path::PathBuf;

use atthene_core::StoreError;
use rusqlite::ErrorCode;
use rusqlite::types::Type;

/// Failures of the memory that processes share beside a database in WAL mode.
const SHARED_MEMORY: [i32; 3] =
    [rusqlite::ffi::SQLITE_IOERR_SHMOPEN, rusqlite::ffi::SQLITE_IOERR_SHMLOCK, rusqlite::ffi::SQLITE_IOERR_SHMMAP];

/// What an error of SQLite means to a person.
pub(super) fn store_error(error: rusqlite::Error) -> StoreError {
    if error.sqlite_error().is_some_and(|error| SHARED_MEMORY.contains(&error.extended_code)) {
        return StoreError::Unsupported { path: PathBuf::new(), reason: error.to_string() };
    }
    // It has no room there.
    if error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE) {
        return StoreError::DiskFull;
    }
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
pub(super) fn word<T>(column: usize, text: &str, known: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let unknown = || format!("a row holds the word {text:?}, which stands for nothing here");
    known(text).ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, unknown().into()))
}
