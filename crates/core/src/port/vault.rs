//! Secrets, each an entry of its own, named so that a person understands it.

use secrecy::SecretString;

use super::{Later, SealedValue};
use crate::vault::{VaultError, VaultKind};

/// Where secrets lie. Nothing is held back: what was kept is kept.
pub trait Vault: Send + Sync {
    /// The secret of that name, if there is one.
    fn get<'a>(&'a self, name: &str) -> Later<'a, Result<Option<SecretString>, VaultError>>;
    /// Keeps the secret under that name, over an older one.
    fn set<'a>(&'a self, name: &str, secret: SecretString) -> Later<'a, Result<(), VaultError>>;
    /// The secret as it lies among the rows, for a vault whose secrets lie there: whoever changes both writes them
    /// together ([`super::SecretStep::Sealed`]). `None`: this vault is apart from them.
    fn seal<'a>(
        &'a self,
        name: &'a str,
        secret: &'a SecretString,
    ) -> Later<'a, Result<Option<SealedValue>, VaultError>> {
        let (_, _) = (name, secret);
        Box::pin(std::future::ready(Ok(None)))
    }
    /// Forgets the secret of that name; one that is not there is no error.
    fn delete<'a>(&'a self, name: &str) -> Later<'a, Result<(), VaultError>>;
    /// Whether secrets can be kept now: tried, and nothing is left of it.
    fn check_writable(&self) -> Later<'_, Result<(), VaultError>>;
    /// Uses this one from now on, where there is a choice.
    fn choose(&self, kind: VaultKind);
    /// Why the latest call failed; `None`: it did not.
    fn trouble(&self) -> Option<String>;
}
