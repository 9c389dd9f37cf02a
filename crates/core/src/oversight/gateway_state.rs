//! What a gateway tells of itself.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What the gateway is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "snake_case")]
#[ts(export)]
pub enum GatewayState {
    Starting,
    Listening {
        /// The base URL that applications use.
        url: String,
    },
    /// Listening, but every call is refused: an administrator has stopped everything.
    Refusing {
        /// The base URL that applications use.
        url: String,
        /// Calls that were open then and were cut.
        cut: usize,
    },
    /// Turned off in the settings.
    Off,
    /// Another program has the port.
    PortTaken {
        port: u16,
        /// The program, where it could be told.
        by: Option<String>,
        /// A port that was free a moment ago.
        free_port: Option<u16>,
    },
    /// It can't listen, for the reason that the system gave.
    Failed {
        reason: String,
    },
    Stopped,
    /// Others serve the profile, and the window was not asked to run one here.
    Elsewhere,
}

impl GatewayState {
    /// The port on which it serves; `None`: it serves on none.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Listening { url } => url::Url::parse(url).ok()?.port_or_known_default(),
            _ => None,
        }
    }

    /// It in a line, for people.
    pub fn in_words(&self) -> String {
        match self {
            Self::Starting => "The gateway is starting".into(),
            Self::Listening { url } => format!("The gateway listens at {url}"),
            Self::Refusing { cut: 0, .. } => "Everything is stopped".into(),
            Self::Refusing { cut: 1, .. } => "Everything is stopped; one open call was cut".into(),
            Self::Refusing { cut, .. } => format!("Everything is stopped; {cut} open calls were cut"),
            Self::Off => "The gateway is turned off".into(),
            Self::PortTaken { port, .. } => format!("Port {port} is taken by another program"),
            Self::Failed { reason } => format!("The gateway can’t listen: {reason}"),
            Self::Stopped => "The gateway has stopped".into(),
            Self::Elsewhere => "This machine runs no gateway; other hosts serve the profile".into(),
        }
    }
}
