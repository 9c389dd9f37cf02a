//! Why a host could not begin, join, change or leave a shared profile.

use atthene_core::{Code, Error, ErrorView};
use atthene_vault::InviteError;

/// Why a host could not begin, join, change or leave a shared profile. Nothing was changed, except where it says so.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    #[error(
        "This is no address of a PostgreSQL database: write it postgres://USER@HOST:PORT/DATABASE. The password is asked for, or read from standard input."
    )]
    Address,
    #[error("This data folder takes part in the shared profile at {0} already. Leave it first: atthene fleet leave.")]
    TakesPart(String),
    #[error(
        "This data folder takes part in no shared profile: begin one with atthene fleet init, or join one with atthene fleet join."
    )]
    TakesNoPart,
    #[error(
        "The gateway of this data folder runs, and would go on with the rows of before. End it first, or the unit that keeps it running."
    )]
    Serves,
    #[error("No host of this profile has the id {0}. See atthene fleet hosts.")]
    NoSuchHost(String),
    #[error("{0} is there, and would be on the list again within seconds. Take it out on itself: atthene fleet leave.")]
    StillThere(String),
    #[error("{0}.")]
    Invite(#[from] InviteError),
    #[error("The database at {0} holds another profile than the invite is for. Ask for a new invite.")]
    OtherProfile(String),
    #[error("A secret that was copied could not be read back as it was ({0}). Nothing was switched.")]
    NotCopied(String),
    #[error("{path}: {error}.", path = .0.display(), error = .1)]
    File(std::path::PathBuf, std::io::Error),
    #[error("{} {}", .0, .0.remedy())]
    Core(#[from] Error),
}

impl FleetError {
    /// It, as it crosses to a person at a window.
    pub fn view(&self) -> ErrorView {
        match self {
            Self::Core(error) => error.view(),
            other => {
                let code = Code::FleetRefused;
                let mut message = other.to_string();
                // What age or the system says begins in the middle of a sentence.
                if let Some(first) = message.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                ErrorView { code, message, remedy: code.remedy().to_owned() }
            }
        }
    }
}
