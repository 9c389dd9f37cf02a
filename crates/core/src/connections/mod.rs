//! Connections: one account signed in for one toolkit through one integration.

mod access;
mod answer;
mod device;
mod finish;
mod persisted;
mod put_back;
mod refresh_lock;
mod registry;
mod renewal;
mod request;
mod return_page;
mod sign_in;
mod signed_in;
mod tool_call;

pub use access::Fresh;
pub use answer::{Answer, AnswerProblem};
pub use device::DeviceSignIn;
pub use registry::{Connections, GraphCall};
pub use request::{PersistedSignIn, ReturnPath, SignInId, SignInRequest};
pub use return_page::{RETURN_PAGE_FILE, return_page, write_return_page};
pub use sign_in::{DeviceView, Progress, SignInView};
pub use tool_call::ToolCall;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use ts_rs::TS;

use crate::clock::UnixMs;
use crate::ids::random_letters;
use crate::integrations::IntegrationId;
use crate::permissions::Permissions;

/// What agents use a connection for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Toolkit {
    /// Mail, calendar, contacts, tasks.
    Outlook,
    /// Teams, channels, chats, meetings.
    Teams,
}

impl Toolkit {
    /// The word on the wire and in the rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outlook => "outlook",
            Self::Teams => "teams",
        }
    }

    /// What a word of a row stands for.
    pub fn known(text: &str) -> Option<Self> {
        [Self::Outlook, Self::Teams].into_iter().find(|toolkit| toolkit.as_str() == text)
    }
}

/// A short name of a connection, as agents use it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, TS)]
#[ts(export)]
pub struct ConnectionId(Box<str>);

impl<'de> Deserialize<'de> for ConnectionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.as_str().try_into().map_err(D::Error::custom)
    }
}

impl TryFrom<&str> for ConnectionId {
    type Error = &'static str;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let tail = text.strip_prefix("outlook-").or_else(|| text.strip_prefix("teams-"));
        match tail {
            Some(tail) if tail.len() == 8 && tail.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) => {
                Ok(Self(text.into()))
            }
            _ => Err("this is no connection's id"),
        }
    }
}

impl ConnectionId {
    fn generate(toolkit: Toolkit) -> Self {
        Self(format!("{}-{}", toolkit.as_str(), random_letters(8)).into())
    }

    /// One that was checked when it was written.
    pub fn from_row(text: String) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The keychain entry of its refresh token.
    pub(crate) fn token_entry(&self) -> String {
        format!("Sign-in of {}", self.0)
    }
}

/// Whether a connection works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ConnectionState {
    /// Fresh access can be had.
    Connected,
    /// A person has to sign in again.
    NeedsSignIn,
    /// No sign-in would help: a rule of the company or the app registration stands in the way.
    Failing,
}

impl ConnectionState {
    /// The word in rows, answers and figures.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::NeedsSignIn => "needs_sign_in",
            Self::Failing => "failing",
        }
    }

    /// What a word of a row stands for.
    pub fn known(text: &str) -> Option<Self> {
        [Self::Connected, Self::NeedsSignIn, Self::Failing].into_iter().find(|state| state.as_str() == text)
    }
}

/// Whether a connection works, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Fresh access can be had.
    Connected,
    /// A person has to sign in again, for this reason.
    NeedsSignIn(String),
    /// No sign-in would help, for this reason.
    Failing(String),
}

impl Standing {
    /// Of a row: its state, and why.
    pub fn of(state: ConnectionState, why: Option<String>) -> Self {
        match state {
            ConnectionState::Connected => Self::Connected,
            ConnectionState::NeedsSignIn => Self::NeedsSignIn(why.unwrap_or_else(|| "Sign in again.".into())),
            ConnectionState::Failing => Self::Failing(why.unwrap_or_else(|| "It does not work.".into())),
        }
    }

    /// Without the reason.
    pub fn state(&self) -> ConnectionState {
        match self {
            Self::Connected => ConnectionState::Connected,
            Self::NeedsSignIn(_) => ConnectionState::NeedsSignIn,
            Self::Failing(_) => ConnectionState::Failing,
        }
    }

    /// Why it does not work, and what to do.
    pub fn problem(&self) -> Option<&str> {
        match self {
            Self::Connected => None,
            Self::NeedsSignIn(why) | Self::Failing(why) => Some(why),
        }
    }
}

/// An account at a provider: known by its number, never by its name, which may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number in its directory.
    pub id: String,
    pub directory: String,
    /// As shown: the user name, or the name of the person.
    pub label: String,
}

impl Account {
    /// Whose a sign-in is, as it is kept with it.
    pub(crate) fn owner(&self) -> String {
        format!("{} {}", self.directory, self.id)
    }
}

/// What a connection's row is known by until something ends what is held of it in memory: a sign-in, another standing,
/// other scopes, a change of its integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision(pub i64);

/// One connection as it is kept. The refresh token lies in the keychain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    pub id: ConnectionId,
    pub integration: IntegrationId,
    pub toolkit: Toolkit,
    pub account: Account,
    /// The scopes that were asked for.
    pub asked: Vec<String>,
    /// Those that were granted.
    pub granted: Vec<String>,
    /// Whether the secret is sent along: a refresh inherits the client type of its sign-in.
    pub confidential: bool,
    pub standing: Standing,
    pub signed_in_at: UnixMs,
    pub refreshed_at: UnixMs,
    /// When a toolkit last had access.
    pub used_at: Option<UnixMs>,
    /// Given by the store.
    pub revision: Revision,
    /// What the provider asked the next access to hold, as JSON, until it does.
    pub challenge: Option<String>,
    /// What agents may do through it.
    pub permissions: Permissions,
}

/// A connection as the faces show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct ConnectionView {
    pub id: ConnectionId,
    pub toolkit: Toolkit,
    pub account: String,
    pub integration: IntegrationId,
    pub granted: Vec<String>,
    /// What was asked for and not granted.
    pub refused: Vec<String>,
    pub state: ConnectionState,
    /// Why not, and what to do; also set while the network is away.
    pub problem: Option<String>,
    /// When the access token at hand ends; `None`: there is none at hand.
    pub access_until: Option<UnixMs>,
    pub signed_in_at: UnixMs,
    pub refreshed_at: UnixMs,
    /// When a toolkit last had access.
    pub used_at: Option<UnixMs>,
    /// What agents may do through it.
    pub permissions: Permissions,
}

impl Connection {
    fn view(&self, access_until: Option<UnixMs>, standing: &Standing, waiting: Option<String>) -> ConnectionView {
        let has = |scope: &&String| !self.granted.iter().any(|granted| same_scope(granted, scope));
        ConnectionView {
            id: self.id.clone(),
            toolkit: self.toolkit,
            account: self.account.label.clone(),
            integration: self.integration.clone(),
            granted: self.granted.clone(),
            refused: self.asked.iter().filter(has).cloned().collect(),
            state: standing.state(),
            problem: standing.problem().map(str::to_owned).or(waiting),
            access_until,
            signed_in_at: self.signed_in_at,
            refreshed_at: self.refreshed_at,
            used_at: self.used_at,
            permissions: self.permissions,
        }
    }
}

/// Whether two spellings name one scope: with or without the resource before it, in any case.
pub fn same_scope(a: &str, b: &str) -> bool {
    let bare = |scope: &str| scope.rsplit('/').next().unwrap_or(scope).to_ascii_lowercase();
    bare(a) == bare(b)
}
