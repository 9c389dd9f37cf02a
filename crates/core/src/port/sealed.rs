//! Secrets that lie among the rows, for profiles that several hosts share. Sealed before they come here: an adapter
//! sees bytes that open nothing.

use crate::error::StoreError;

pub trait SealedRows: Send + Sync {
    /// Keeps these bytes under the entry, over older ones.
    fn put(&self, entry: &str, sealed: &[u8]) -> Result<(), StoreError>;
    /// The bytes under the entry, where there are any.
    fn get(&self, entry: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Forgets the entry; one that is not there is no error.
    fn delete(&self, entry: &str) -> Result<(), StoreError>;
    /// Every entry, with a number that grows each time any of them is written.
    fn list(&self) -> Result<Vec<(String, i64)>, StoreError>;
}
