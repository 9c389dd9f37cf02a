//! One place where secrets lie.

use atthene_core::vault::VaultError;
use secrecy::SecretString;

/// One place where secrets lie, as its thread calls it.
pub trait SecretStore: Send {
    /// The secret, if there is one.
    fn get(&mut self, name: &str) -> Result<Option<SecretString>, VaultError>;
    /// Keeps the secret, over an older one.
    fn set(&mut self, name: &str, secret: &SecretString) -> Result<(), VaultError>;
    /// Forgets the secret; one that is not there is no error.
    fn delete(&mut self, name: &str) -> Result<(), VaultError>;

    /// Whether secrets can be kept now: tried with one of this name, of which nothing is left.
    fn check_writable(&mut self) -> Result<(), VaultError> {
        const TRY: &str = "Self-check";
        self.set(TRY, &SecretString::from("written to see whether secrets can be kept"))?;
        self.delete(TRY)
    }
}
