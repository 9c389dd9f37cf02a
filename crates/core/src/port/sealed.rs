//! Sealed secrets beside the rows, where many hosts share one profile.

use crate::error::StoreError;

/// The entry that only the key in force opens. No secret has this name.
pub const KEY_IN_FORCE: &str = "Fleet key in force";

/// A secret as it lies among the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedValue {
    pub bytes: Vec<u8>,
    /// What lay under [`KEY_IN_FORCE`] when it was sealed. Where something else lies there by now, its key is over, and
    /// it must not be written.
    pub proof: Vec<u8>,
}

/// An entry and its bytes.
pub type SealedEntry = (String, Vec<u8>);

/// Sealed secrets beside the rows: what lies there opens nothing by itself. All of it blocks.
pub trait SealedRows: Send + Sync {
    fn get(&self, entry: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Every entry and its bytes.
    fn all(&self) -> Result<Vec<SealedEntry>, StoreError>;
    /// Keeps a secret under this entry, over an older one, while its key is in force: from the look at that until it
    /// is kept, nobody changes it. False: it is over, and nothing was written.
    fn put(&self, entry: &str, sealed: &SealedValue) -> Result<bool, StoreError>;
    /// Whether the rows take a change now, and one of this proof's key would be kept.
    fn would_put(&self, proof: &[u8]) -> Result<bool, StoreError>;
    /// One that is not there is no error.
    fn delete(&self, entry: &str) -> Result<(), StoreError>;
    /// Puts this under [`KEY_IN_FORCE`], where nothing lies there yet.
    fn put_first(&self, proof: &[u8]) -> Result<(), StoreError>;
    /// Shows all entries while nobody can write one, and puts what is answered in the place of their bytes: all of it or
    /// nothing. No answer: nothing is to be changed. An entry that is not there is not made.
    fn replace_all(&self, anew: &dyn Fn(Vec<SealedEntry>) -> Option<Vec<SealedEntry>>) -> Result<(), StoreError>;
}
