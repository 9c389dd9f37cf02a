//! Opening what age sealed under a passphrase. The file may come from anybody.

use age::DecryptError;
use age::secrecy::SecretString;
use zeroize::Zeroizing;

/// Why such a file does not open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotOpened {
    Passphrase,
    /// It asks for more than is done for it: this power of two.
    Work(u8),
    /// It is no such file, or not whole.
    Other(String),
}

/// What lies in the file. `most_work`: scrypt's cost as a power of two, of which each step doubles time and memory (15: 32 MiB);
/// a file that asks for more is not looked at.
pub(crate) fn open(file: &[u8], passphrase: SecretString, most_work: u8) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
    let mut identity = age::scrypt::Identity::new(passphrase);
    identity.set_max_work_factor(most_work);
    age::decrypt(&identity, file).map(Zeroizing::new).map_err(|error| match error {
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => NotOpened::Passphrase,
        // In words of its own: age's shift the work by more than a number holds, which is a panic or nonsense.
        DecryptError::ExcessiveWork { required, .. } => NotOpened::Work(required),
        other => NotOpened::Other(other.to_string()),
    })
}
