//! Calls: who made them, and what came of them.

use std::sync::Arc;
use std::time::Duration;

use crate::keys::KeyId;
use crate::problem::{CallCheck, ProblemCode};

/// What refused callers are called that got no name of their own.
pub const OTHERS: &str = "(others)";
/// Who calls. A hint, not a proof: the program is read from the operating system when the
/// connection is new, the user agent is what the caller says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Caller {
    /// Program and script, as in `node server.js`; empty where it could not be told.
    pub program: Arc<str>,
    /// The `User-Agent` header; empty where there was none.
    pub user_agent: Arc<str>,
}

impl Caller {
    /// The shortest name that tells this caller apart.
    pub fn label(&self) -> &str {
        let product = self.user_agent.split_whitespace().next().unwrap_or_default();
        [&*self.program, product].into_iter().find(|name| !name.is_empty()).unwrap_or("an unknown program")
    }
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallOutcome {
    /// The key was good and an answer was given, whatever its status.
    Answered,
    /// The key was good, but the agent runtime could not be reached or gave no answer.
    Failed,
    /// Refused, for the reason of this stable word.
    Refused(ProblemCode),
}

/// The word of [`CallOutcome::Answered`].
pub(crate) const ANSWERED: &str = "answered";
/// The word of [`CallOutcome::Failed`].
pub(crate) const FAILED: &str = "failed";

impl CallOutcome {
    /// The word in the rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => ANSWERED,
            Self::Failed => FAILED,
            Self::Refused(reason) => reason.as_str(),
        }
    }
}

/// One call that has ended.
#[derive(Debug, Clone)]
pub struct Call {
    /// The key, where the caller proved to hold it.
    pub key: Option<KeyId>,
    pub caller: Caller,
    pub outcome: CallOutcome,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// What this app added; `None` where that can't be told apart: access was renewed on the way, or
    /// Graph was called.
    pub gateway_time: Option<Duration>,
    /// What the agent runtime took; `None` where it was not asked.
    pub runtime_time: Option<Duration>,
    /// What is needed to explain it later; `None` for one that went well.
    pub trouble: Option<Box<Trouble>>,
}

/// A call that was refused or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The name that the caller was told.
    pub request_id: Arc<str>,
    pub method: String,
    /// The path, without its query.
    pub path: String,
    pub code: ProblemCode,
    /// The check that it failed.
    pub check: CallCheck,
    /// What the caller was told.
    pub detail: String,
}
