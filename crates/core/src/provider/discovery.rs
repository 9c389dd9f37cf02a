//! What an authority says of itself.

use url::Url;

use super::{Authority, GraphUrl};

/// What an authority says of itself, checked: it speaks of the authority that was asked, and every endpoint
/// lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    pub authority: Authority,
    /// The issuer that its tokens must name; one that stands for many directories is a template
    /// with `{tenantid}`.
    pub issuer: String,
    /// Where people sign in.
    pub authorization_endpoint: Url,
    /// Where tokens are asked for.
    pub token_endpoint: Url,
    /// Where device codes are asked for.
    pub device_authorization_endpoint: Option<Url>,
    /// Whether every answer names its issuer (RFC 9207, 3).
    pub names_issuer: bool,
    /// Whether it sends answers as a form where that is asked for (OAuth 2.0 Form Post Response Mode).
    pub posts_answers: bool,
    /// Microsoft Graph for this authority.
    pub graph: GraphUrl,
}
