//! Sealed secrets beside the rows, where many hosts share one profile.

use crate::error::StoreError;

/// Sealed secrets beside the rows: what lies there opens nothing by itself. All of it blocks.
pub trait SealedRows: Send + Sync {
    /// Keeps these bytes under this entry, over older ones.
    fn put(&self, entry: &str, sealed: &[u8]) -> Result<(), StoreError>;
    fn get(&self, entry: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// One that is not there is no error.
    fn delete(&self, entry: &str) -> Result<(), StoreError>;
    /// Every entry and its bytes.
    fn all(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError>;
    /// Puts new bytes in place of exactly these old ones, all of them or none (for a new key). Whether it did.
    fn replace_all(&self, old_and_new: &[(String, Vec<u8>, Vec<u8>)]) -> Result<bool, StoreError>;
}
