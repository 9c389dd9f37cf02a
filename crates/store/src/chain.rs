//! The chain of hashes that the record is: the same in every database.

use blake2::{Blake2s256, Digest};

pub(crate) type Hash = [u8; 32];

/// A row as its hash covers it.
pub(crate) struct ChainLink<'a> {
    pub(crate) at: i64,
    pub(crate) actor: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) outcome: &'a str,
    pub(crate) detail: &'a str,
    /// The ends of other chains, where it carries any.
    pub(crate) links: Option<&'a str>,
}

impl ChainLink<'_> {
    pub(crate) fn hash(&self, before: Option<Hash>) -> Hash {
        let mut hash = Blake2s256::new();
        hash.update(before.unwrap_or_default());
        hash.update(self.at.to_le_bytes());
        let fields = [self.actor, self.kind, self.subject, self.outcome, self.detail];
        for field in fields.into_iter().chain(self.links) {
            // The length before each field, so that no two rows read alike.
            hash.update((field.len() as u64).to_le_bytes());
            hash.update(field);
        }
        hash.finalize().into()
    }
}

/// What stands before the first row of this host's chain: no row of it could be the first of another one.
pub(crate) fn beginning(host: &str) -> Hash {
    Blake2s256::digest(host).into()
}
