//! Whether the file at a path is still the one that was opened. SQLite goes on with a file that was deleted, moved or
//! replaced; the next process opens another one, and the two would never hear of each other again.

use std::io;
use std::path::Path;

use atthene_core::StoreError;

/// What tells one file from another, whatever they are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileIdentity(Option<(u64, u64)>);

impl FileIdentity {
    #[cfg(unix)]
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let meta = path.metadata()?;
        Ok(Self(Some((meta.dev(), meta.ino()))))
    }

    /// Windows lets nobody delete, move or replace a file that SQLite has open.
    #[cfg(not(unix))]
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        path.metadata()?;
        Ok(Self(None))
    }

    /// Nothing is to be read or written where it is not.
    pub(super) fn is_at(&self, path: &Path) -> Result<(), StoreError> {
        if Self::of(path).is_ok_and(|there| there == *self) {
            return Ok(());
        }
        Err(StoreError::Replaced { path: path.to_owned() })
    }
}
