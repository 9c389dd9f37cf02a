//! Access at hand, and what is said where there is none.

use secrecy::SecretString;
use serde_json::{Value, json};

use crate::clock::UnixMs;
use crate::error::Error;
use crate::provider::{AuthorityFailure, GraphUrl, Provider};

/// Fresh access to Microsoft Graph.
pub struct Fresh {
    pub token: SecretString,
    pub expires_at: UnixMs,
    pub scopes: Vec<String>,
    /// The Graph that it is for.
    pub graph: GraphUrl,
    /// Whose API that is.
    pub provider: Provider,
}

impl From<Access> for Fresh {
    fn from(access: Access) -> Self {
        let Access { token, expires_at, scopes, graph, provider } = access;
        Self { token, expires_at, scopes, graph, provider }
    }
}

/// What is known of a connection besides its row.
#[derive(Default)]
pub(super) struct LiveAccess {
    pub(super) access: Option<Access>,
    /// The sign-in that the access came of. It ends with that.
    pub(super) signed_in_at: Option<UnixMs>,
    /// Until when nothing is asked, and why.
    pub(super) pause: Option<(UnixMs, String)>,
    /// What Graph asked the next access to hold.
    pub(super) challenge: Option<String>,
}

#[derive(Clone)]
pub(super) struct Access {
    pub(super) token: SecretString,
    pub(super) expires_at: UnixMs,
    pub(super) scopes: Vec<String>,
    pub(super) graph: GraphUrl,
    pub(super) provider: Provider,
}

pub(super) const GONE: &str = "The stored sign-in is gone from the keychain. Sign in again.";

pub(super) fn view(error: &Error) -> AuthorityFailure {
    AuthorityFailure::own(error.to_string().trim_end_matches('.'), error.remedy())
}

pub(super) fn failure_detail(failure: &AuthorityFailure, toolkit: &str) -> Value {
    json!({
        "toolkit": toolkit,
        "problem": failure.what,
        "aadsts": failure.aadsts,
        "correlation_id": failure.correlation_id,
    })
}
