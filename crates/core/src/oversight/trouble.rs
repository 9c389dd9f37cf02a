//! Calls that were refused or failed.

use serde::Serialize;
use ts_rs::TS;

use crate::clock::UnixMs;
use crate::keys::KeyId;
use crate::problem::CallCheck;

/// A call that was refused or failed, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct TroubledCall {
    /// The name that the caller was told.
    pub request_id: String,
    pub at: UnixMs,
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// The stable code of the answer.
    pub code: String,
    /// The check that it failed; `None`: an earlier version kept none, or another one kept another.
    #[serde(skip)]
    #[ts(skip)]
    pub check: Option<CallCheck>,
    /// What the caller was told.
    pub detail: String,
    /// The key, where the caller proved to hold it.
    pub key_id: Option<KeyId>,
    /// The calling program; empty where it could not be told.
    pub program: String,
    /// What it says of itself.
    pub user_agent: String,
}
