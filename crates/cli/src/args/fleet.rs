//! Arguments of `atthene fleet`.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum FleetCommand {
    /// Copy this profile into an empty PostgreSQL database, and share it from there.
    Init {
        /// The database, as in `postgres://atthene@db.example/atthene`; its password is never an argument.
        #[arg(value_name = "URL")]
        url: String,
        /// Read the database's password from standard input (on a terminal: ask for it).
        #[arg(long)]
        password_stdin: bool,
    },
    /// Write an invite for another host, and print its passphrase once.
    Invite {
        /// The file to write.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Take part in a shared profile; the passphrase of the invite is read from standard input (on a terminal: asked for).
    Join {
        /// The invite.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Keep the fleet key in the encrypted file instead of the keychain: for servers.
        #[arg(long)]
        vault_file: bool,
    },
    /// Who takes part: where it serves, which version, when it was last seen.
    Hosts,
    /// Seal every secret under a new fleet key; every other host has to join again.
    RotateKey,
    /// Take a host off the list that is gone for good; what it did stays on record.
    Forget {
        /// Its id, as `fleet hosts` prints it.
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Take no part any more; this folder's own rows are in use again.
    Leave,
}
