//! A person's yes or no to one act that an agent wants. A yes is for exactly what was shown (known by a digest), is
//! used once, and within ten minutes; what came of it is kept for whoever asks the same again, so that nothing is done
//! twice.

mod digest;
mod edit;
mod registry;

pub use digest::digest;
pub use edit::{Edit, Editable, hides_something};
pub use registry::{ActState, Approvals, AskedAct, Yes};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::clock::UnixMs;
use crate::connections::ConnectionId;
use crate::ids::{are_letters, random_letters};
use crate::keys::KeyId;
use crate::permissions::Act;

/// A short name of an approval, as agents, commands and the window use it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, TS)]
#[ts(export)]
pub struct ApprovalId(Box<str>);

const ID_LENGTH: usize = 10;

impl ApprovalId {
    pub(crate) fn generate() -> Self {
        Self(random_letters(ID_LENGTH).into())
    }

    /// One that was checked when it was written.
    pub fn from_row(text: String) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for ApprovalId {
    type Error = &'static str;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        if are_letters(text, ID_LENGTH) { Ok(Self(text.into())) } else { Err("this is no approval's id") }
    }
}

impl<'de> Deserialize<'de> for ApprovalId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.as_str().try_into().map_err(serde::de::Error::custom)
    }
}

/// Where it stands, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ApprovalState {
    /// Nobody has answered yet.
    Waiting,
    /// A person said yes, and the act was not begun yet.
    Approved,
    Denied,
    /// The act was begun. Where that stays, how it ended is not known; `ended_at` tells since when nobody does it any more.
    Running,
    Done,
    /// The act failed, and had no effect.
    Failed,
    /// Nobody answered in time, or the yes was not used in time.
    Lapsed,
}

impl ApprovalState {
    pub const ALL: [Self; 7] =
        [Self::Waiting, Self::Approved, Self::Denied, Self::Running, Self::Done, Self::Failed, Self::Lapsed];

    /// The word in the rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Lapsed => "lapsed",
        }
    }

    /// What a word of a row stands for.
    pub fn known(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What an act would do, as a person is shown it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Shown {
    /// Who would hear of it.
    pub recipients: Vec<String>,
    /// Whether these are all the addresses that it goes to, as this app itself writes them: only then they can be
    /// allowed ahead. Names can be anybody's, and what a program wrote could be read otherwise elsewhere.
    #[serde(default)]
    pub are_addresses: bool,
    pub subject: String,
    /// The text that would leave, whole.
    pub body: String,
    /// What else is to be known, as name and value: times, a folder, the call.
    pub more: Vec<(String, String)>,
    /// What a person may change before saying yes.
    #[serde(default)]
    pub editable: Editable,
    /// Whether somebody did.
    #[serde(default)]
    pub is_edited: bool,
}

/// One question as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    pub id: ApprovalId,
    pub connection: ConnectionId,
    /// Whose connection it is.
    pub account: String,
    pub act: Act,
    /// The tool, or a call of Graph's.
    pub tool: String,
    /// Who asks.
    pub program: String,
    pub key: KeyId,
    pub digest: [u8; 32],
    /// `None` once it has ended: texts are not kept.
    pub shown: Option<Shown>,
    pub state: ApprovalState,
    pub asked_at: UnixMs,
    pub decided_at: Option<UnixMs>,
    pub ended_at: Option<UnixMs>,
    /// What came of it, as JSON.
    pub outcome: Option<String>,
}

/// One question as the faces show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct ApprovalView {
    pub id: ApprovalId,
    pub connection: ConnectionId,
    pub account: String,
    pub act: Act,
    pub tool: String,
    pub program: String,
    pub shown: Option<Shown>,
    pub state: ApprovalState,
    pub asked_at: UnixMs,
    pub decided_at: Option<UnixMs>,
    pub ended_at: Option<UnixMs>,
}
