//! Everything that can go wrong in the domain, in words a person can act on.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use ts_rs::TS;

use crate::integrations::FieldProblem;
use crate::permissions::Missing;
use crate::provider::AuthorityFailure;
use crate::vault::VaultError;

/// The closed list of error codes. The UI branches on these and on nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Code {
    InvalidName,
    InvalidNote,
    InvalidExpiry,
    LiveKeyChanged,
    KeyNotFound,
    KeyAlreadyEnded,
    InvalidSetting,
    FixedByPolicy,
    ExportFailed,
    TimelineRefused,
    BackupFailed,
    UnknownRequest,
    RuntimeUnreachable,
    InvalidIntegration,
    IntegrationNotFound,
    BuiltInIsFixed,
    BuiltInNotSetUp,
    SecretMissing,
    CredentialGone,
    LinkRefused,
    BrowserFailed,
    AuthorityRefused,
    UnknownSignIn,
    Stopped,
    ConnectionNotFound,
    NeedsSignIn,
    ConnectionFailing,
    ConnectionWaiting,
    NotPermitted,
    NeedsApproval,
    ApprovalNotFound,
    ApprovalEnded,
    RecipientsNotKnown,
    EditRefused,
    TooManyQuestions,
    DatabaseLocked,
    DatabaseNewer,
    DatabaseDamaged,
    DatabaseFailed,
    DatabaseReplaced,
    DatabaseUnsupported,
    DatabaseUnreachable,
    DatabaseOutcomeUnknown,
    DatabaseHasOwnTools,
    DatabaseNotEmpty,
    NotTakenOver,
    DiskFull,
    DataFolderNotWritable,
    FleetFileUnreadable,
    FleetRefused,
    FleetSecretsGone,
    KeychainMissing,
    KeychainLocked,
    KeychainRefused,
    KeychainTimeout,
    KeyringMissing,
    VaultFile,
    VaultPassphrase,
    OtherFleetKey,
    SealedDamaged,
    SecretsUnreachable,
    EnvFileFailed,
    ReturnPageFailed,
    ClipboardFailed,
    KeyTextGone,
    GatewayUnreachable,
    Internal,
}

/// An error as it crosses to a person: what happened and why (`message`), what to do (`remedy`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct ErrorView {
    /// What the UI branches on.
    pub code: Code,
    /// What happened, and why.
    pub message: String,
    pub remedy: String,
}

/// A failed use case.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that is empty, too long or holds characters that can't be shown.
    #[error("The name {0}.")]
    Name(&'static str),
    /// A note that is too long or holds characters that can't be shown.
    #[error("The note {0}.")]
    Note(&'static str),
    /// An expiry in the past or too far ahead.
    #[error("The expiry {0}.")]
    Expiry(&'static str),
    /// The live key is not the one the admin was told would stop.
    #[error("The live key changed while this window was open: it was created or revoked elsewhere.")]
    LiveKeyChanged,
    #[error("This key is not in the list any more.")]
    KeyNotFound,
    /// The key has ended before.
    #[error("This key has already ended; applications that use it are refused.")]
    KeyAlreadyEnded,
    /// A setting that can't work.
    #[error("The {field} {problem}.")]
    Setting {
        /// The setting, as people call it.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A setting that the machine's administrator has fixed.
    #[error("The setting {0} is set by your administrator.")]
    FixedByPolicy(String),
    /// A file could not be written.
    #[error("The file was not written: {0}.")]
    Export(String),
    /// A signed timeline that can't be read, or is not what was signed.
    #[error("The signed file can't be trusted: {0}.")]
    Timeline(String),
    /// A backup could not be written, or is none.
    #[error("{0}.")]
    Backup(String),
    /// A request id that names no refused or failed call.
    #[error("No refused or failed call of this id is remembered here.")]
    UnknownRequest,
    /// The agent runtime gave no answer.
    #[error("The agent runtime can't be reached: {0}.")]
    RuntimeTest(String),
    /// A field of an integration that can't work.
    #[error("{}", .0.problem)]
    Integration(FieldProblem),
    #[error("This integration is not in the list any more.")]
    IntegrationNotFound,
    /// The built-in integration comes with the app.
    #[error("The built-in integration can't be changed or deleted.")]
    BuiltInIsFixed,
    /// The built-in integration has no client ID in this build.
    #[error("The built-in integration has no client ID in this build, so nobody can sign in through it.")]
    BuiltInNotSetUp,
    /// A stored client secret is gone.
    #[error(
        "The client secret of this integration is not in the keychain: it is gone, or was entered for another authority or client ID."
    )]
    SecretMissing,
    /// The agent runtime's credential is gone, or was entered for another runtime.
    #[error("The credential of the agent runtime is not in the keychain: it is gone, or was entered for another URL.")]
    CredentialGone,
    /// A link to a host that the app does not open.
    #[error("This link does not lead to one of Microsoft's pages, so it was not opened.")]
    LinkRefused,
    /// The desktop opened no browser.
    #[error("The browser could not be opened ({0}).")]
    BrowserFailed(String),
    /// The authority can't be used, or refused.
    #[error("{0}.")]
    Authority(AuthorityFailure),
    /// An answer that no live sign-in waits for.
    #[error("This answer belongs to no sign-in that is under way.")]
    UnknownSignIn,
    /// An administrator has stopped everything.
    #[error("Everything is stopped; agents get no access.")]
    Stopped,
    #[error("This connection is not in the list any more.")]
    ConnectionNotFound,
    /// A person has to sign in again.
    #[error("{0}")]
    NeedsSignIn(String),
    /// A rule or the app registration stands in the way.
    #[error("{0}")]
    ConnectionFailing(String),
    /// An administrator does not permit this use of a connection.
    #[error("Agents may not {} with the connection of {account}: its permission {} says so.", missing.words(), missing.permission())]
    NotPermitted {
        account: String,
        /// What stands in the way.
        missing: Missing,
    },
    #[error("A person has to allow this first.")]
    NeedsApproval,
    /// The file that says which shared profile a folder takes part in.
    #[error("The file {} says which shared profile this folder takes part in, and can't be read: {why}.", path.display())]
    FleetFile {
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// What a host keeps of a shared profile is not in its vault.
    #[error("The password of the shared database and the fleet key are not in this host's keychain, or not whole.")]
    FleetSecretsGone,
    #[error("There is no question of this id.")]
    ApprovalNotFound,
    #[error("This question is not open any more: it was answered, or nobody answered within a day.")]
    ApprovalEnded,
    #[error("Whom this reaches can't be allowed ahead: they are not addresses that this app writes itself.")]
    RecipientsNotKnown,
    /// What a person wrote in place of an agent's text.
    #[error("The changed text can't be used: {0}.")]
    EditRefused(&'static str),
    #[error("Too many questions wait for a person already.")]
    TooManyQuestions,
    /// The network or the authority is away; the connection itself is sound.
    #[error("{why}")]
    Waiting {
        why: String,
        /// How long until it is asked again.
        left: Duration,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keychain refused.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The .env file could not be written.
    #[error("The key was not written to {}: {reason}.", path.display())]
    EnvFile {
        /// The file that was asked for.
        path: PathBuf,
        /// Why it can't be written.
        reason: String,
    },
    /// The page for the redirect could not be saved.
    #[error("The page was not saved to {}: {reason}.", path.display())]
    ReturnPage {
        /// The file that was asked for.
        path: PathBuf,
        /// Why it can't be written.
        reason: String,
    },
    #[error("The key was not copied: the clipboard of this desktop refused ({0}).")]
    Clipboard(String),
    /// The text of a new key was asked for after it was dismissed.
    #[error("The text of this key is gone: it is shown only once and is kept nowhere.")]
    KeyTextGone,
    #[error("The gateway gave no answer: {0}.")]
    GatewayUnreachable(String),
    /// A defect: a task ended by panic, the random source of the system failed.
    #[error("Something inside the app broke ({0}). Nothing was changed.")]
    Internal(String),
}

/// A failure of the database or of the folder it lies in.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another program holds the write lock for longer than we wait.
    #[error("The database is locked by another program, so nothing could be read or saved.")]
    Locked,
    /// Written by a newer version of the app.
    #[error("The database was written by a newer version of this app (format {found}, this version knows {known}).")]
    Newer {
        /// The format found in the file.
        found: i64,
        /// The newest format this build knows.
        known: i64,
    },
    /// SQLite's integrity check failed.
    #[error("The database file is damaged: {0}.")]
    Damaged(String),
    #[error("The disk is full, so nothing could be saved.")]
    DiskFull,
    /// The same of a database on the network, which may go on answering questions.
    #[error("The disk of the database's server is full, so nothing could be saved.")]
    ServerDiskFull,
    /// The folder or the file can't be written.
    #[error("The data folder {} can't be written: {reason}.", path.display())]
    NotWritable {
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// The file is another one than was opened, or is gone.
    #[error(
        "The database file {} was deleted, moved or replaced while this program had it open, so nothing is read from it or saved to it.",
        path.display()
    )]
    Replaced { path: PathBuf },
    /// The file system can't share memory between processes, which the database needs.
    #[error(
        "The folder {} lies on a file system that can't share memory between programs, as some network, guest and FUSE folders can't ({reason}).",
        path.display()
    )]
    Unsupported {
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
    /// A database on the network gives no answer, or turns this host away. Nothing was done.
    #[error("The database can't be reached: {reason}.")]
    Unreachable {
        /// What the network or the database said.
        reason: String,
    },
    /// The connection broke while a change was confirmed, and nobody could be asked since.
    #[error("The connection to the database broke while this was saved ({reason}): whether it was, is not known.")]
    OutcomeUnknown {
        /// What the network or the database said.
        reason: String,
    },
    /// What was to be written belongs to another host by now.
    #[error("Another host has gone on with this meanwhile, so nothing was saved here.")]
    Overtaken,
    /// This database is copied and put back with tools of its own.
    #[error("This profile lies in PostgreSQL, which is copied and put back with its own tools.")]
    HasOwnTools,
    /// A profile can be copied only to where none is yet. Nothing was changed.
    #[error("Nothing was copied: the database has {what} already.")]
    NotEmpty {
        /// What was found there.
        what: String,
    },
    /// Rows of a profile that was to be copied can't be. Nothing was copied.
    #[error("Nothing was copied: the {what} of this profile can't be taken over: {reason}.")]
    NotTakenOver {
        /// Which rows.
        what: String,
        /// What is wrong with them.
        reason: String,
    },
    /// Anything else that the database says.
    #[error("The database failed: {0}.")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// The code that the UI branches on.
    pub fn code(&self) -> Code {
        match self {
            Self::Name(_) => Code::InvalidName,
            Self::Note(_) => Code::InvalidNote,
            Self::Expiry(_) => Code::InvalidExpiry,
            Self::LiveKeyChanged => Code::LiveKeyChanged,
            Self::KeyNotFound => Code::KeyNotFound,
            Self::KeyAlreadyEnded => Code::KeyAlreadyEnded,
            Self::Setting { .. } => Code::InvalidSetting,
            Self::FixedByPolicy(_) => Code::FixedByPolicy,
            Self::Export(_) => Code::ExportFailed,
            Self::Timeline(_) => Code::TimelineRefused,
            Self::Backup(_) => Code::BackupFailed,
            Self::UnknownRequest => Code::UnknownRequest,
            Self::RuntimeTest(_) => Code::RuntimeUnreachable,
            Self::Integration(_) => Code::InvalidIntegration,
            Self::IntegrationNotFound => Code::IntegrationNotFound,
            Self::BuiltInIsFixed => Code::BuiltInIsFixed,
            Self::BuiltInNotSetUp => Code::BuiltInNotSetUp,
            Self::SecretMissing => Code::SecretMissing,
            Self::CredentialGone => Code::CredentialGone,
            Self::LinkRefused => Code::LinkRefused,
            Self::BrowserFailed(_) => Code::BrowserFailed,
            Self::Authority(_) => Code::AuthorityRefused,
            Self::UnknownSignIn => Code::UnknownSignIn,
            Self::Stopped => Code::Stopped,
            Self::ConnectionNotFound => Code::ConnectionNotFound,
            Self::NeedsSignIn(_) => Code::NeedsSignIn,
            Self::ConnectionFailing(_) => Code::ConnectionFailing,
            Self::Waiting { .. } => Code::ConnectionWaiting,
            Self::NotPermitted { .. } => Code::NotPermitted,
            Self::NeedsApproval => Code::NeedsApproval,
            Self::ApprovalNotFound => Code::ApprovalNotFound,
            Self::ApprovalEnded => Code::ApprovalEnded,
            Self::RecipientsNotKnown => Code::RecipientsNotKnown,
            Self::EditRefused(_) => Code::EditRefused,
            Self::FleetFile { .. } => Code::FleetFileUnreadable,
            Self::FleetSecretsGone => Code::FleetSecretsGone,
            Self::TooManyQuestions => Code::TooManyQuestions,
            Self::Store(StoreError::Locked | StoreError::Overtaken) => Code::DatabaseLocked,
            Self::Store(StoreError::Newer { .. }) | Self::Vault(VaultError::Newer(_)) => Code::DatabaseNewer,
            Self::Store(StoreError::Damaged(_)) => Code::DatabaseDamaged,
            Self::Store(StoreError::DiskFull | StoreError::ServerDiskFull) => Code::DiskFull,
            Self::Store(StoreError::NotWritable { .. }) => Code::DataFolderNotWritable,
            Self::Store(StoreError::Failed(_)) => Code::DatabaseFailed,
            Self::Store(StoreError::Replaced { .. }) => Code::DatabaseReplaced,
            Self::Store(StoreError::Unsupported { .. }) => Code::DatabaseUnsupported,
            Self::Store(StoreError::Unreachable { .. }) => Code::DatabaseUnreachable,
            Self::Store(StoreError::OutcomeUnknown { .. }) => Code::DatabaseOutcomeUnknown,
            Self::Store(StoreError::HasOwnTools) => Code::DatabaseHasOwnTools,
            Self::Store(StoreError::NotEmpty { .. }) => Code::DatabaseNotEmpty,
            Self::Store(StoreError::NotTakenOver { .. }) => Code::NotTakenOver,
            Self::Vault(VaultError::Missing(_)) => Code::KeychainMissing,
            Self::Vault(VaultError::Locked(_)) => Code::KeychainLocked,
            Self::Vault(VaultError::Refused(_)) => Code::KeychainRefused,
            Self::Vault(VaultError::Timeout) => Code::KeychainTimeout,
            Self::Vault(VaultError::NoKeyring(_)) => Code::KeyringMissing,
            Self::Vault(VaultError::File(_)) => Code::VaultFile,
            Self::Vault(VaultError::Passphrase(_)) => Code::VaultPassphrase,
            Self::Vault(VaultError::OtherFleetKey { .. }) => Code::OtherFleetKey,
            Self::Vault(VaultError::Damaged(_)) => Code::SealedDamaged,
            Self::Vault(VaultError::Rows(_)) => Code::SecretsUnreachable,
            Self::EnvFile { .. } => Code::EnvFileFailed,
            Self::ReturnPage { .. } => Code::ReturnPageFailed,
            Self::Clipboard(_) => Code::ClipboardFailed,
            Self::KeyTextGone => Code::KeyTextGone,
            Self::GatewayUnreachable(_) => Code::GatewayUnreachable,
            Self::Internal(_) => Code::Internal,
        }
    }

    /// What the person can do about it.
    pub fn remedy(&self) -> Cow<'static, str> {
        match self {
            // The one who refused is known, and so is what helps.
            Self::Authority(failure) => failure.fix.clone().into(),
            Self::Store(StoreError::ServerDiskFull) => {
                "Ask whoever looks after the database's server to free some space there, then try again. What you typed \
                 is still here."
                    .into()
            }
            other => other.code().remedy().into(),
        }
    }

    /// The error as it crosses to a window or a terminal.
    pub fn view(&self) -> ErrorView {
        ErrorView { code: self.code(), message: self.to_string(), remedy: self.remedy().into_owned() }
    }
}

impl Code {
    /// What the person can do about it.
    #[expect(clippy::too_many_lines, reason = "one arm for each code")]
    pub fn remedy(self) -> &'static str {
        match self {
            Code::InvalidName => "Choose a name of 1 to 80 characters, in any script, without control characters.",
            Code::InvalidNote => "Choose a line of at most 200 characters, without control characters.",
            Code::InvalidExpiry => "Choose a day between tomorrow and five years from now.",
            Code::LiveKeyChanged => "Look at the list again, then decide whether the new key should still replace it.",
            Code::KeyNotFound | Code::IntegrationNotFound | Code::ConnectionNotFound | Code::ApprovalNotFound => {
                "Look at the list again; it is up to date."
            }
            Code::KeyAlreadyEnded => "Nothing is left to do.",
            Code::NeedsApproval => {
                "Ask whoever looks after ATTHENE Settings: the question waits in its window, and in: atthene approval list."
            }
            Code::TooManyQuestions => {
                "Wait until they were answered, on the page Tools of the window or with: atthene approval list."
            }
            Code::RecipientsNotKnown => "Allow it once, or deny it.",
            Code::FleetFileUnreadable => {
                "Put the file back as it was. Without it, the folder's own rows are in use, with the key of before."
            }
            Code::FleetRefused => "Nothing was switched: the rows that were in use still are.",
            Code::FleetSecretsGone => {
                "Unlock the keychain, or leave and join again with a new invite: atthene fleet leave, then atthene fleet join FILE."
            }
            Code::EditRefused => "Change it again, allow it as it is, or deny it.",
            Code::ApprovalEnded => "The agent asks again, if it still wants to.",
            Code::InvalidSetting => "Correct the value; the old one stays in force until then.",
            Code::FixedByPolicy => "Ask them to change the policy file of this machine.",
            Code::TimelineRefused => "Ask whoever sent it for the file as it was written.",
            Code::ExportFailed | Code::ReturnPageFailed => "Choose another folder.",
            Code::BackupFailed => "Choose another file; nothing was changed.",
            Code::UnknownRequest => {
                "Copy the request_id from the answer that the application got; the latest 1,000 refused and 1,000 failed ones are remembered."
            }
            Code::RuntimeUnreachable => "Check that it runs, that its URL is right and that this machine may reach it.",
            Code::InvalidIntegration => "Correct this field; nothing was saved.",
            Code::BuiltInIsFixed | Code::BuiltInNotSetUp => "Add an integration of your own, and make it the default.",
            Code::SecretMissing => "Edit the integration and enter the secret again.",
            Code::CredentialGone => {
                "Enter the credential again in Preferences, or: atthene config set runtime_credential."
            }
            Code::LinkRefused => "Copy the link and open it yourself, if you trust it.",
            Code::BrowserFailed => "Copy the link and open it in a browser yourself.",
            Code::AuthorityRefused => "Check the integration; the check says what is wrong.",
            Code::UnknownSignIn => "Start the sign-in again from the app.",
            Code::Stopped => "Resume: at the foot of the window, in the tray, or with: atthene resume.",
            Code::NeedsSignIn => {
                "Sign in again: on the page Tools of the window, or with: atthene connection sign-in ID."
            }
            Code::ConnectionFailing => "Ask whoever looks after the app registration or the company's rules.",
            Code::ConnectionWaiting => "Wait; the app tries again by itself.",
            Code::NotPermitted => {
                "An administrator can change it: on the page Tools of the window, or with: atthene connection permit ID."
            }
            Code::DatabaseLocked => {
                "Close the program that has the file open (a database browser, a backup), then try again."
            }
            Code::DatabaseNewer => "Install the newest version of ATTHENE Settings.",
            Code::DatabaseDamaged => {
                "Move the file away, or put back the copy beside it whose name ends in .backup, then try again."
            }
            Code::DiskFull => {
                "Free some space on the disk that holds the data folder, then try again. What you typed is still here."
            }
            Code::DatabaseReplaced => {
                "Put the file back where it was, or restart every program of ATTHENE Settings that runs on this folder."
            }
            Code::DatabaseUnsupported => {
                "Keep the data in a folder on a disk of this machine: start with ATTHENE_DATA_DIR or --data-dir set to one."
            }
            Code::DatabaseUnreachable => {
                "See whether the database runs and this machine reaches it; what you typed is still here. The app tries again by itself."
            }
            Code::DatabaseOutcomeUnknown => "Look at the list again before you repeat it: it may have been done.",
            Code::DatabaseHasOwnTools => {
                "Copy it with pg_dump or your database's own backup, and put that back with pg_restore."
            }
            Code::DatabaseNotEmpty => "Name a database that is empty, or join the profile that lies in this one.",
            Code::NotTakenOver => {
                "The profile is as it was: go on with it here, and tell the maintainers what this says."
            }
            Code::DataFolderNotWritable => {
                "Give your account write access to the folder, or start with ATTHENE_DATA_DIR set to another one."
            }
            Code::KeychainMissing => keychain_remedy::MISSING,
            Code::KeychainLocked => keychain_remedy::LOCKED,
            Code::KeychainRefused => "Allow ATTHENE Settings in the keychain's own window, then try again.",
            Code::KeyringMissing => keychain_remedy::NO_KEYRING,
            Code::VaultFile => {
                "Put the file back as this app wrote it, and give it the account that runs this as its only reader: another one, such as root, may have written it."
            }
            Code::KeychainTimeout => "Answer the keychain's password window, then try again.",
            Code::VaultPassphrase => {
                "Put the passphrase (12 characters or more) into a file that only you can read, and name that file in \
                 ATTHENE_VAULT_PASSPHRASE_FILE; under systemd, load it as the credential atthene-vault."
            }
            Code::OtherFleetKey => {
                "Take the key up with a new invite: atthene fleet invite FILE on a host that works, then here: atthene fleet join FILE. A gateway that runs goes on by itself."
            }
            Code::SealedDamaged => {
                "Sign in again, or enter the secret again. If there are several, somebody wrote to the database: find out who, and put back its backup."
            }
            Code::SecretsUnreachable => {
                "See that the database of the fleet runs and that this host reaches it, then try again."
            }
            Code::EnvFileFailed => "Choose another file, or copy the key instead; it is still shown.",
            Code::ClipboardFailed => "Write the key to a .env file instead; it is still shown.",
            Code::GatewayUnreachable => "See at the foot of the window whether the gateway listens.",
            Code::KeyTextGone => "Create a new key; it replaces this one.",
            Code::DatabaseFailed | Code::Internal => "Try again; if it stays, restart the app.",
        }
    }
}

#[cfg(target_os = "linux")]
mod keychain_remedy {
    pub(super) const MISSING: &str = "Install and start a keychain (GNOME Keyring or KWallet), then try again; on a server without one, `atthene config set vault file` chooses an encrypted file. API keys work without either.";
    pub(super) const LOCKED: &str =
        "Unlock your login keyring (Passwords and Keys, or KWalletManager), then try again.";
    pub(super) const NO_KEYRING: &str = "Make one: in Passwords and Keys or KWalletManager add a password keyring and set it as the default, or sign in to the desktop once. On a server, `atthene config set vault file` chooses an encrypted file instead.";
}
#[cfg(target_os = "macos")]
mod keychain_remedy {
    pub(super) const MISSING: &str = "Create a login keychain in Keychain Access, then try again.";
    pub(super) const LOCKED: &str = "Unlock the login keychain in Keychain Access, then try again.";
    pub(super) const NO_KEYRING: &str = "Create a login keychain in Keychain Access, then try again.";
}
#[cfg(target_os = "windows")]
mod keychain_remedy {
    pub(super) const MISSING: &str =
        "Start the Credential Manager service; it is not available in network logons such as SSH. Then try again.";
    pub(super) const LOCKED: &str = "Sign in to Windows again, then try again.";
    pub(super) const NO_KEYRING: &str = "Sign in to Windows again, then try again.";
}
