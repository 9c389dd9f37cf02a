//! What can go wrong with a unit of work, and what that means to a person.

use std::error::Error;
use std::fmt::Write;

use atthene_core::StoreError;
use tokio_postgres::error::{Severity, SqlState};

use super::mark::Mark;

#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// By the database, or by the connection to it.
    #[error("{}", words(.0))]
    Said(#[from] tokio_postgres::Error),
    #[error("it gave no answer within the time")]
    Late,
    #[error("every connection to it is in use")]
    Busy,
    /// No connection can be made.
    #[error("{0}")]
    Away(String),
    /// The connection broke while the unit of work was confirmed.
    #[error("{why}")]
    Unconfirmed {
        /// What it left, if it was done.
        mark: Mark,
        why: String,
    },
    /// What was to be written was written under a lease that another host holds by now.
    #[error("another host has gone on with it")]
    Overtaken,
    /// A row holds what no version of this app has written.
    #[error("{0}")]
    Unreadable(String),
}

impl Fault {
    fn state(&self) -> Option<&SqlState> {
        match self {
            Self::Said(error) => error.code(),
            _ => None,
        }
    }

    /// Whether the connection is of no use any more.
    pub(super) fn ends_connection(&self) -> bool {
        match self {
            Self::Late => true,
            Self::Said(error) => match error.as_db_error() {
                None => error.is_closed() || error.source().is_some_and(<dyn Error>::is::<std::io::Error>),
                Some(said) => matches!(said.parsed_severity(), Some(Severity::Fatal | Severity::Panic)),
            },
            _ => false,
        }
    }

    /// Whether nothing was done, and the same again may succeed at once.
    pub(super) fn may_pass(&self) -> bool {
        // Two units of work met (the last one: what a row was to refer to went meanwhile), or the tables were changed by
        // a newer version.
        const MET: [SqlState; 4] = [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::FEATURE_NOT_SUPPORTED,
            SqlState::FOREIGN_KEY_VIOLATION,
        ];
        match self {
            Self::Said(_) => self.ends_connection() || self.state().is_some_and(|state| MET.contains(state)),
            _ => false,
        }
    }
}

/// Without the values of rows, which the details of some errors hold.
fn words(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{} ({})", said.message(), said.code().code());
    }
    // What is beneath it says why: nobody listens there, nobody trusts its certificate.
    let mut said = error.to_string();
    let mut beneath = error.source();
    while let Some(cause) = beneath {
        let _ = write!(said, ": {cause}");
        beneath = cause.source();
    }
    said
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let reason = fault.to_string();
        let unreachable = fault.ends_connection();
        match (&fault, fault.state().map(SqlState::code)) {
            (Fault::Overtaken, _) => Self::Overtaken,
            (Fault::Unconfirmed { .. }, _) => Self::OutcomeUnknown { reason },
            (_, Some("55P03")) => Self::Locked,
            (_, Some("53100")) => Self::ServerDiskFull,
            (_, Some("XX001" | "XX002")) => Self::Damaged(reason),
            // What the codes say: it took too long, has no room for one more, or is a standby by now.
            (Fault::Late | Fault::Busy | Fault::Away(_), _)
            | (_, Some("57014" | "53200" | "53300" | "53400" | "25006")) => Self::Unreachable { reason },
            _ if unreachable => Self::Unreachable { reason },
            _ => Self::Failed(fault.into()),
        }
    }
}

/// What a word of a row stands for. One that no version of this app has written is an error, not another word.
pub(super) fn word<T>(text: &str, known: impl FnOnce(&str) -> Option<T>) -> Result<T, Fault> {
    known(text)
        .ok_or_else(|| Fault::Unreadable(format!("a row holds the word {text:?}, which stands for nothing here")))
}
