//! What SQLite's errors mean to a person, and words of rows that mean nothing.

use std::path::PathBuf;

use atthene_core::StoreError;
use rusqlite::ErrorCode;
use rusqlite::types::Type;

/// What an error of SQLite means to a person.
pub(super) fn store_error(error: rusqlite::Error) -> StoreError {
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
