//! Why a tool gave no answer, in sentences that an agent can act on.

use std::fmt;

use atthene_core::Error;
use atthene_core::connections::Toolkit;
use atthene_core::port::NetworkError;
use http::StatusCode;

/// A tool that gave no answer: what happened, why, what to do.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    #[error("There is no tool named {0:?}. Look at the list of tools again.")]
    Unknown(String),
    /// An argument that is missing, unknown or can't work.
    #[error("{0}")]
    Arguments(String),
    /// Nobody is connected for this toolkit.
    #[error(
        "Nobody is connected for {}. A person has to connect an account on the page Tools of ATTHENE Settings; then call again.",
        toolkit_name(*.0)
    )]
    NotConnected(Toolkit),
    /// Several are, and none was named.
    #[error(
        "Several accounts are connected for {}. Call again with the argument connection: one of {}.",
        toolkit_name(*toolkit), several.join(", ")
    )]
    Several {
        toolkit: Toolkit,
        /// Id and account of each.
        several: Vec<String>,
    },
    /// "Stopped", a permission, or no access.
    #[error("{} {}", .0, .0.remedy())]
    Core(#[from] Error),
    /// Known before anything was asked.
    #[error(
        "The connection was not granted {0}, which this tool needs. A person has to add {0} to the integration and sign in again; {0} needs an administrator's consent."
    )]
    NotGranted(&'static str),
    /// A person has not answered yet: the question of this id.
    #[error(
        "A person has to allow this, and has not answered yet (question {0}). Call again with exactly the same arguments to go on waiting; it is done once only."
    )]
    Waiting(String),
    #[error("A person said no to exactly this. Do something else, or nothing.")]
    Denied,
    /// It was begun before, and how it ended is not known.
    #[error(
        "Exactly this was begun before, and how it ended is not known, so it is not done again. Look into the account, in Sent Items for a mail, and tell a person."
    )]
    Begun,
    /// The provider refused.
    #[error("{0}")]
    Graph(GraphRefusal),
    #[error("Microsoft Graph gave no answer: {0}. Try again later; a draft may have been made all the same.")]
    Network(NetworkError),
    /// A link to the next page that leads to another host: access is not sent there.
    #[error(
        "The link to the next page leads away from Microsoft Graph, so it was not followed. Narrow the question so that one page is enough."
    )]
    Elsewhere,
    /// Not what this call is answered with.
    #[error("Microsoft Graph answered in a form that is not known here. Try again; if it stays so, tell a person.")]
    Unreadable,
    /// A defect: a tool that asks for more than it says.
    #[error("This tool tried to do more than it may, so it was stopped. Tell a person: this is a defect.")]
    Overreach,
}

fn toolkit_name(toolkit: Toolkit) -> &'static str {
    match toolkit {
        Toolkit::Outlook => "Outlook",
        Toolkit::Teams => "Teams",
    }
}

impl ToolError {
    /// For the record: nothing in it is a value that an agent gave.
    pub(super) fn word(&self) -> String {
        match self {
            Self::Unknown(_) => "unknown tool".to_owned(),
            Self::Arguments(_) => "its arguments".to_owned(),
            Self::NotConnected(_) | Self::Several { .. } => "no connection was chosen".to_owned(),
            Self::Core(error) => error.to_string(),
            Self::Waiting(_) => "waits for a person".to_owned(),
            Self::Denied => "a person said no".to_owned(),
            Self::Begun => "begun before, outcome not known".to_owned(),
            Self::NotGranted(scope) => format!("{scope} was not granted"),
            Self::Graph(refusal) => format!("{} {}", refusal.status, refusal.code).trim_end().to_owned(),
            Self::Network(error) => error.to_string(),
            Self::Elsewhere => "a link to another host".to_owned(),
            Self::Unreadable => "an answer that can't be read".to_owned(),
            Self::Overreach => "the tool asked for more than it may".to_owned(),
        }
    }
}

impl From<NetworkError> for ToolError {
    fn from(error: NetworkError) -> Self {
        Self::Network(error)
    }
}

/// What Graph refused with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphRefusal {
    pub status: u16,
    /// Graph's own word, as in `ErrorItemNotFound`.
    pub code: String,
    /// What Graph says, cleaned and cut.
    pub message: String,
    /// What the tool needs granted.
    pub scope: &'static str,
    /// The seconds that Graph asks to wait.
    pub wait: Option<u64>,
}

impl fmt::Display for GraphRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = self.scope;
        match StatusCode::from_u16(self.status) {
            Ok(StatusCode::FORBIDDEN) => {
                write!(
                    f,
                    "Microsoft Graph refused: this tool needs {scope}, which may be missing. A person has to add it to \
                     the integration and sign in again."
                )?;
            }
            Ok(StatusCode::UNAUTHORIZED) => {
                write!(f, "Microsoft Graph does not accept the access of this connection, even a fresh one. ")?;
                write!(f, "A person has to sign in again on the page Tools.")?;
            }
            Ok(StatusCode::NOT_FOUND) => {
                write!(f, "Microsoft Graph found nothing of this id. Search again for one that is there now: ")?;
                write!(f, "it may have been moved or deleted, or the account has no mailbox.")?;
            }
            Ok(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT) => {
                write!(f, "Microsoft Graph is busy.")?;
                match self.wait {
                    Some(seconds) => write!(f, " Wait {seconds} seconds, then call again.")?,
                    None => write!(f, " Wait a minute, then call again.")?,
                }
            }
            _ => write!(
                f,
                "Microsoft Graph refused the call ({}). Change the arguments, or tell a person.",
                self.status
            )?,
        }
        match (self.code.as_str(), self.message.as_str()) {
            ("", "") => Ok(()),
            (code, "") => write!(f, " Graph says: {code}"),
            (code, message) => write!(f, " Graph says: {message} ({code})"),
        }
    }
}
