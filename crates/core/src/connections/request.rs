//! What a sign-in is asked for with, and what is kept of an attempt.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{ConnectionId, Toolkit};
use crate::clock::UnixMs;
use crate::ids::random_letters;
use crate::integrations::IntegrationId;

/// Names an attempt to the window. Tells nothing to the browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct SignInId(String);

impl SignInId {
    pub(super) fn generate() -> Self {
        Self(random_letters(12))
    }

    /// One that was checked when it was written.
    pub fn from_row(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct SignInRequest {
    pub toolkit: Toolkit,
    pub integration: IntegrationId,
    /// The connection to sign in again; `None`: a new one.
    pub again: Option<ConnectionId>,
    /// Whether another account may take the place of the one that was connected.
    pub switch_account: bool,
}

/// Through which door an answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReturnPath {
    /// The loopback listener, under the path of this integration.
    Loopback(IntegrationId),
    /// The deep link of this integration, straight or through a page of the company.
    Link(IntegrationId),
}

/// What is no secret of a kept attempt. Verifier and nonce lie in the keychain.
#[derive(Debug, Clone)]
pub struct PersistedSignIn {
    pub id: SignInId,
    pub request: SignInRequest,
    /// Where its answer comes back to.
    pub redirect_uri: String,
    /// The scopes that are asked for.
    pub scopes: Vec<String>,
    pub started_at: UnixMs,
}
