//! Secrets, each an entry of its own, named so that a person understands it.

use std::pin::Pin;

use secrecy::SecretString;

use crate::vault::{VaultError, VaultKind};

/// What an answer of the vault is waited for with: it may itself wait for a person.
pub type VaultAnswer<'a, T> = Pin<Box<dyn Future<Output = Result<T, VaultError>> + Send + 'a>>;

/// Where secrets lie. Nothing is held back: what was kept is kept.
pub trait Vault: Send + Sync {
    /// The secret of that name, if there is one.
    fn get<'a>(&'a self, name: &str) -> VaultAnswer<'a, Option<SecretString>>;
    /// Keeps the secret under that name, over an older one.
    fn set<'a>(&'a self, name: &str, secret: SecretString) -> VaultAnswer<'a, ()>;
    /// Forgets the secret of that name; one that is not there is no error.
    fn delete<'a>(&'a self, name: &str) -> VaultAnswer<'a, ()>;
    /// Uses this one from now on, where there is a choice.
    fn choose(&self, kind: VaultKind);
    /// Why the latest call failed; `None`: it did not.
    fn trouble(&self) -> Option<String>;
}
