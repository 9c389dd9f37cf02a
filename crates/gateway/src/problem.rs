//! Refusals and failures as `application/problem+json` (RFC 9457) with a stable code.

use std::borrow::Cow;
use std::sync::Arc;

use atthene_core::keys::{Ending, Malformed, Refusal};
use atthene_core::problem::{CallCheck, ProblemCode};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// Everything that the gateway itself answers other than success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// No `Authorization` header.
    MissingKey,
    /// An `Authorization` header that is not one `Bearer KEY`.
    MalformedAuthorization,
    /// A key that opens nothing.
    Key(Refusal),
    /// A `Host` other than loopback: DNS rebinding.
    ForbiddenHost,
    /// A call from a web page.
    ForbiddenOrigin,
    /// An administrator has stopped everything.
    Stopped,
    /// Every place is taken by a call under way.
    TooManyConnections,
    /// No such route.
    NotFound,
    /// The route exists, the method doesn't.
    MethodNotAllowed,
    /// A body that the built-in agent can't read.
    BadRequest(&'static str),
    /// A body over the limit, in MiB.
    BodyTooLarge(u64),
    /// The caller stopped sending in the middle of its body.
    BodyTimeout,
    /// Another agent than the built-in one, with no agent runtime set.
    NoAgentRuntime,
    /// The runtime's credential could not be had from the keychain.
    CredentialUnavailable(String),
    /// The agent runtime can't be reached or broke off.
    RuntimeUnreachable(Cow<'static, str>),
    /// The agent runtime did not begin to answer in time.
    RuntimeTimeout,
    /// No such connection.
    ConnectionNotFound,
    /// A person has to sign in again.
    NeedsSignIn(String),
    /// A rule or the app registration stands in the way.
    ConnectionFailing(String),
    /// The authority or the network is away.
    ConnectionWaiting(String),
    /// What a connection needs lies in a keychain that gives nothing now.
    KeychainUnavailable(String),
    /// A path that could lead elsewhere than to Graph, or than to the agent API of the runtime.
    PathNotAllowed,
    /// Microsoft Graph can't be reached.
    GraphUnreachable(Cow<'static, str>),
    /// A defect of the gateway.
    Internal,
}

/// The body of every problem.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ProblemBody {
    /// A URI reference that names the kind of problem.
    r#type: String,
    /// The kind of problem, in a few words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What happened and what to do.
    detail: String,
    /// The stable word to branch on.
    code: String,
    /// Names this call in the gateway's records.
    request_id: String,
}

/// Left on a response for the counters.
#[derive(Debug, Clone)]
pub(crate) struct ProblemTag {
    pub(crate) code: ProblemCode,
    pub(crate) check: CallCheck,
    pub(crate) detail: Arc<str>,
}

impl Problem {
    /// A stored URL or credential that no request can be made of.
    pub(crate) const RUNTIME_UNUSABLE: Self =
        Self::RuntimeUnreachable(Cow::Borrowed("its URL or credential can't be used"));

    /// Its place in the one list of problems.
    pub(crate) fn code(&self) -> ProblemCode {
        match self {
            Self::Key(refusal) => refusal.problem().0,
            Self::MissingKey => ProblemCode::MissingKey,
            Self::MalformedAuthorization => ProblemCode::MalformedAuthorization,
            Self::ForbiddenHost => ProblemCode::ForbiddenHost,
            Self::ForbiddenOrigin => ProblemCode::ForbiddenOrigin,
            Self::Stopped => ProblemCode::Stopped,
            Self::TooManyConnections => ProblemCode::TooManyConnections,
            Self::NotFound => ProblemCode::NotFound,
            Self::MethodNotAllowed => ProblemCode::MethodNotAllowed,
            Self::BadRequest(_) => ProblemCode::BadRequest,
            Self::BodyTooLarge(_) => ProblemCode::BodyTooLarge,
            Self::BodyTimeout => ProblemCode::BodyTimeout,
            Self::NoAgentRuntime => ProblemCode::NoAgentRuntime,
            Self::CredentialUnavailable(_) => ProblemCode::CredentialUnavailable,
            Self::RuntimeUnreachable(_) => ProblemCode::RuntimeUnreachable,
            Self::RuntimeTimeout => ProblemCode::RuntimeTimeout,
            Self::ConnectionNotFound => ProblemCode::ConnectionNotFound,
            Self::NeedsSignIn(_) => ProblemCode::NeedsSignIn,
            Self::ConnectionFailing(_) => ProblemCode::ConnectionFailing,
            Self::ConnectionWaiting(_) => ProblemCode::ConnectionWaiting,
            Self::KeychainUnavailable(_) => ProblemCode::KeychainUnavailable,
            Self::PathNotAllowed => ProblemCode::PathNotAllowed,
            Self::GraphUnreachable(_) => ProblemCode::GraphUnreachable,
            Self::Internal => ProblemCode::Internal,
        }
    }

    /// The check that the call failed.
    pub(crate) fn check(&self) -> CallCheck {
        match self {
            Self::Key(refusal) => refusal.problem().1,
            other => other.code().check(),
        }
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn detail(&self) -> String {
        match self {
            Self::MissingKey => "Send the key as 'Authorization: Bearer KEY'. Create one in ATTHENE Settings, API Keys.".into(),
            Self::MalformedAuthorization => {
                "The header must be sent once and read 'Authorization: Bearer KEY', with one space and nothing after the key.".into()
            }
            Self::Key(Refusal::Malformed(Malformed::Shape)) => {
                "This is not a key of ATTHENE Settings: one starts with 'atk_' and has 64 characters. Copy it again, whole.".into()
            }
            Self::Key(Refusal::Malformed(Malformed::Check)) => {
                "The key was mistyped, or made by another machine or an earlier version. Copy the live key of this machine again, whole.".into()
            }
            Self::Key(Refusal::Unknown) => {
                "No such key here. Check that the key comes from this machine's ATTHENE Settings; if it is lost, create a new one.".into()
            }
            Self::Key(Refusal::Ended(Ending::Expired)) => {
                "This key has expired. Create a new one in ATTHENE Settings, API Keys, and put it into this application.".into()
            }
            Self::Key(Refusal::Ended(Ending::Replaced)) => {
                "This key was replaced by a newer one. Put the newer key into this application.".into()
            }
            Self::Key(Refusal::Ended(Ending::Revoked)) => {
                "This key was revoked by an administrator. Ask for a new one.".into()
            }
            Self::ForbiddenHost => {
                "The gateway answers only to localhost, 127.0.0.1 and [::1]. Put a reverse proxy in front of it to use another name.".into()
            }
            Self::ForbiddenOrigin => {
                "Calls from web pages are refused, so that no site can use the key from a browser. Call from a server or a script.".into()
            }
            Self::Stopped => {
                "An administrator has stopped all calls of this machine's agents. They go on when the administrator lets them.".into()
            }
            Self::TooManyConnections => {
                "As many calls are under way as the gateway takes at a time. Try again in a second, or keep connections open for several calls.".into()
            }
            Self::NotFound => "The routes are listed at /openapi.json.".into(),
            Self::MethodNotAllowed => "The methods of this route are listed at /openapi.json.".into(),
            Self::BadRequest(detail) => (*detail).into(),
            Self::BodyTooLarge(mib) => {
                format!("The body is larger than {mib} MiB. Send less, or raise the limit in ATTHENE Settings, Preferences.")
            }
            Self::BodyTimeout => "The body stopped arriving. Send it without long pauses.".into(),
            Self::NoAgentRuntime => {
                "Only the built-in agent 'atthene-status' answers, because no agent runtime is set. Set its URL in ATTHENE Settings, Preferences.".into()
            }
            Self::CredentialUnavailable(reason) => {
                format!("{reason} The credential of the agent runtime lies there. Unlock the keychain, then try again.")
            }
            Self::RuntimeUnreachable(reason) => {
                format!("The agent runtime could not be reached: {reason}. Check that it runs and that its URL is right in ATTHENE Settings, Preferences.")
            }
            Self::RuntimeTimeout => "The agent runtime did not begin to answer in time.".into(),
            Self::ConnectionNotFound => "Connections are listed at /api/amas/connections.".into(),
            Self::NeedsSignIn(text) => format!("{text} A person does so in ATTHENE Settings, Tools."),
            Self::ConnectionFailing(text) | Self::ConnectionWaiting(text) | Self::KeychainUnavailable(text) => text.clone(),
            Self::PathNotAllowed => {
                "The path could be read, decoded once or twice, as leading elsewhere. A path of Graph must begin with v1.0/ or beta/.".into()
            }
            Self::GraphUnreachable(reason) => format!("Microsoft Graph could not be reached: {reason}. Try again later."),
            Self::Internal => "Something inside the gateway broke while it served this call. Try again.".into(),
        }
    }

    /// RFC 6750, section 3: no error code where no key was sent at all.
    fn challenge(&self) -> Option<HeaderValue> {
        let words = match self {
            Self::MissingKey => r#"Bearer realm="atthene""#,
            Self::MalformedAuthorization => {
                r#"Bearer realm="atthene", error="invalid_request", error_description="malformed authorization header""#
            }
            Self::Key(Refusal::Malformed(_) | Refusal::Unknown) => {
                r#"Bearer realm="atthene", error="invalid_token", error_description="not a valid key""#
            }
            Self::Key(Refusal::Ended(Ending::Expired)) => {
                r#"Bearer realm="atthene", error="invalid_token", error_description="the key expired""#
            }
            Self::Key(Refusal::Ended(Ending::Replaced)) => {
                r#"Bearer realm="atthene", error="invalid_token", error_description="the key was replaced""#
            }
            Self::Key(Refusal::Ended(Ending::Revoked)) => {
                r#"Bearer realm="atthene", error="invalid_token", error_description="the key was revoked""#
            }
            _ => return None,
        };
        Some(HeaderValue::from_static(words))
    }

    /// The body of the answer for the call with this id, and its detail.
    pub(crate) fn body(&self, request_id: &str) -> (Vec<u8>, Arc<str>) {
        let detail: Arc<str> = self.detail().into();
        let body = ProblemBody {
            r#type: format!("urn:atthene:problem:{}", self.code().as_str()),
            title: self.code().title().into(),
            status: self.status().as_u16(),
            detail: detail.to_string(),
            code: self.code().as_str().into(),
            request_id: request_id.into(),
        };
        (serde_json::to_vec(&body).unwrap_or_default(), detail)
    }

    /// The answer for the call with this id.
    pub(crate) fn respond(&self, request_id: &str) -> Response {
        let (bytes, detail) = self.body(request_id);
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge() {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        let retry_after = match self {
            Self::TooManyConnections => Some("1"),
            Self::ConnectionWaiting(_) => Some("15"),
            _ => None,
        };
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response.extensions_mut().insert(ProblemTag { code: self.code(), check: self.check(), detail });
        response
    }
}

/// A problem found by a handler; the request id is put in where the answer leaves.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(PendingProblem(self));
        response
    }
}

/// A problem that has no request id yet.
#[derive(Debug, Clone)]
pub(crate) struct PendingProblem(pub(crate) Problem);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_sentences_without_names_of_the_code() {
        let text = || "It is so.".to_owned();
        let ended = [Ending::Expired, Ending::Replaced, Ending::Revoked].map(|how| Problem::Key(Refusal::Ended(how)));
        let malformed = [Malformed::Shape, Malformed::Check].map(|how| Problem::Key(Refusal::Malformed(how)));
        let others = [
            Problem::MissingKey,
            Problem::MalformedAuthorization,
            Problem::Key(Refusal::Unknown),
            Problem::ForbiddenHost,
            Problem::ForbiddenOrigin,
            Problem::Stopped,
            Problem::TooManyConnections,
            Problem::NotFound,
            Problem::MethodNotAllowed,
            Problem::BodyTooLarge(1),
            Problem::BodyTimeout,
            Problem::NoAgentRuntime,
            Problem::CredentialUnavailable(text()),
            Problem::RuntimeUnreachable("it is away".into()),
            Problem::RuntimeTimeout,
            Problem::ConnectionNotFound,
            Problem::NeedsSignIn(text()),
            Problem::PathNotAllowed,
            Problem::GraphUnreachable("it is away".into()),
            Problem::Internal,
        ];
        for problem in others.into_iter().chain(ended).chain(malformed) {
            let detail = problem.detail();
            let letters: Vec<char> = detail.replace("MiB", "").chars().collect();
            let camel = letters.windows(2).any(|pair| pair[0].is_lowercase() && pair[1].is_uppercase());
            assert!(!camel && detail.ends_with('.'), "{detail}");
        }
    }
}
