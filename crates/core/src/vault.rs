//! What is said about the vault. What keeps secrets is behind [`crate::port::Vault`].

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Why the keychain gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There is none on this machine.
    #[error("This machine has no keychain that the app can reach ({0}).")]
    Missing(String),
    /// It is there but locked.
    #[error("The keychain is locked ({0}).")]
    Locked(String),
    /// It said no.
    #[error("The keychain refused ({0}).")]
    Refused(String),
    /// There is a keychain service, and in it nothing to keep secrets in.
    #[error("The keychain service has no keyring to keep secrets in ({0}).")]
    NoKeyring(String),
    /// The encrypted file can't be read or written.
    #[error("The vault file can't be used: {0}.")]
    File(String),
    /// The encrypted file can't be opened.
    #[error("The vault file needs its passphrase ({0}).")]
    Passphrase(String),
    /// Sealed for a fleet, under another key than this host has: it left the fleet, or the key was changed.
    #[error("The secrets of this fleet are sealed under another fleet key ({sealed}) than this host has ({own}).")]
    OtherFleetKey {
        /// Names the key that it was sealed under.
        sealed: String,
        /// Names the key of this host.
        own: String,
    },
    /// What lies in a row was not sealed for this row, or is not whole any more.
    #[error(
        "The sealed secret \"{0}\" is not as this fleet wrote it: it was damaged, or put there from elsewhere. It was not used."
    )]
    Damaged(String),
    /// Sealed in a form that this version does not know.
    #[error("The sealed secret \"{0}\" was written by a newer version of this app.")]
    Newer(String),
    /// The rows can't be read or written: what the store said.
    #[error("The sealed secrets of this fleet can't be read or written. {0}")]
    Rows(String),
    /// It did not answer in time; it probably waits for a password.
    #[error("The keychain has not answered for 30 seconds; it probably waits for your password.")]
    Timeout,
}

/// What is to become of a stored secret.
#[derive(Debug)]
pub enum SecretChange {
    /// Leave it as it is.
    Keep,
    /// Put this one in its place.
    Replace(SecretString),
    Remove,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum VaultKind {
    /// In the keychain of the operating system.
    Keychain,
    /// In an encrypted file: for servers that have no keychain.
    File,
}
