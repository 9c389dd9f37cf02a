//! Refusals and failures as `application/problem+json` (RFC 9457) with a stable code.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use atthene_core::keys::{Ending, Malformed, Refusal};
use atthene_core::limits;
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
    /// A `Host` other than loopback and the names that were given: DNS rebinding.
    ForbiddenHost,
    /// A call from a web page.
    ForbiddenOrigin,
    /// An administrator has stopped everything.
    Stopped,
    /// Every place is taken by a call under way.
    TooManyConnections,
    /// No such route.
    NotFound,
    /// The route exists, the method doesn't; those that do, where they are known here.
    MethodNotAllowed(Option<HeaderValue>),
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
    /// Whoever was called on behalf of the caller did not answer.
    Upstream(Callee, UpstreamFailure),
    /// The head of the request can't be read.
    Unreadable(UnreadableHead),
    /// The call came from this very gateway.
    LoopDetected,
    /// The rows can't be had, for this reason.
    StoreUnavailable(String),
    /// The keychain has not answered yet.
    Starting,
    /// No such connection.
    ConnectionNotFound,
    /// A person has to sign in again.
    NeedsSignIn(String),
    /// A rule or the app registration stands in the way.
    ConnectionFailing(String),
    /// The authority or the network is away, and is asked again after this time.
    ConnectionWaiting(String, Duration),
    /// An administrator does not permit this use of the connection.
    NotPermitted(String),
    /// A person has not answered yet: the question of this id.
    ApprovalWaiting(String),
    /// A person said no.
    ApprovalDenied,
    /// The act was begun before, and how it ended is not known.
    OutcomeUnknown,
    /// What a connection needs lies in a keychain that gives nothing now.
    KeychainUnavailable(String),
    /// A path that could lead elsewhere than to Graph, or than to the agent API of the runtime.
    PathNotAllowed,
    /// A defect of the gateway.
    Internal,
}

/// Whoever is called on behalf of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callee {
    Runtime,
    Graph,
}

impl Callee {
    fn detail(self, failure: &UpstreamFailure) -> String {
        let name = self.name();
        let (happened, remedy) = match failure {
            UpstreamFailure::Unreachable(why) => (
                format!("{name} could not be reached: {why}."),
                match self {
                    Self::Runtime => "Check that it runs and that its URL is right in ATTHENE Settings, Preferences.",
                    Self::Graph => "See to the network of this machine, then try again.",
                },
            ),
            UpstreamFailure::Unreadable(why) => (
                format!("{name} was reached, and its answer can't be read as HTTP/1.1: {why}."),
                match self {
                    Self::Runtime => "Look into its log.",
                    Self::Graph => "Look for what stands between this machine and Microsoft.",
                },
            ),
            UpstreamFailure::Closed(why) => (
                format!("{name} was reached, and closed the connection before it answered: {why}."),
                "What it did of the call is not known; try again where that does no harm.",
            ),
            UpstreamFailure::Timeout => (format!("{name} did not begin to answer in time."), ""),
        };
        format!("{happened} {remedy}").trim_end().to_owned()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Runtime => "The agent runtime",
            Self::Graph => "Microsoft Graph",
        }
    }
}

/// Why it did not answer. An answer that came early, before the end of the request, is none of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UpstreamFailure {
    /// No connection came about.
    Unreachable(Cow<'static, str>),
    /// It answered, and not in HTTP/1.1.
    Unreadable(Cow<'static, str>),
    /// It closed the connection before it answered.
    Closed(Cow<'static, str>),
    /// It was silent for too long.
    Timeout,
}

/// What is wrong with the head of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnreadableHead {
    /// It is not HTTP/1.1.
    Malformed,
    /// It came as plain HTTP where TLS is spoken.
    Plain,
    /// Its headers are too many, or too long.
    TooLarge,
    /// Its address is.
    AddressTooLong,
}

impl UnreadableHead {
    /// As the status says it.
    pub(crate) fn of(status: u16) -> Self {
        match status {
            414 => Self::AddressTooLong,
            431 => Self::TooLarge,
            _ => Self::Malformed,
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Malformed | Self::Plain => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::AddressTooLong => StatusCode::URI_TOO_LONG,
        }
    }
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
    pub(crate) const RUNTIME_UNUSABLE: Self = Self::Upstream(
        Callee::Runtime,
        UpstreamFailure::Unreachable(Cow::Borrowed("its URL or credential can't be used")),
    );

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
            Self::MethodNotAllowed(_) => ProblemCode::MethodNotAllowed,
            Self::BadRequest(_) => ProblemCode::BadRequest,
            Self::BodyTooLarge(_) => ProblemCode::BodyTooLarge,
            Self::BodyTimeout => ProblemCode::BodyTimeout,
            Self::NoAgentRuntime => ProblemCode::NoAgentRuntime,
            Self::CredentialUnavailable(_) => ProblemCode::CredentialUnavailable,
            Self::Upstream(Callee::Runtime, failure) => match failure {
                UpstreamFailure::Unreachable(_) => ProblemCode::RuntimeUnreachable,
                UpstreamFailure::Unreadable(_) => ProblemCode::RuntimeUnreadable,
                UpstreamFailure::Closed(_) => ProblemCode::RuntimeClosed,
                UpstreamFailure::Timeout => ProblemCode::RuntimeTimeout,
            },
            Self::Upstream(Callee::Graph, failure) => match failure {
                UpstreamFailure::Unreachable(_) => ProblemCode::GraphUnreachable,
                UpstreamFailure::Unreadable(_) => ProblemCode::GraphUnreadable,
                UpstreamFailure::Closed(_) => ProblemCode::GraphClosed,
                UpstreamFailure::Timeout => ProblemCode::GraphTimeout,
            },
            Self::Unreadable(_) => ProblemCode::UnreadableRequest,
            Self::LoopDetected => ProblemCode::LoopDetected,
            Self::StoreUnavailable(_) => ProblemCode::StoreUnavailable,
            Self::Starting => ProblemCode::Starting,
            Self::ConnectionNotFound => ProblemCode::ConnectionNotFound,
            Self::NeedsSignIn(_) => ProblemCode::NeedsSignIn,
            Self::ConnectionFailing(_) => ProblemCode::ConnectionFailing,
            Self::ConnectionWaiting(..) => ProblemCode::ConnectionWaiting,
            Self::NotPermitted(_) => ProblemCode::NotPermitted,
            Self::ApprovalWaiting(_) => ProblemCode::ApprovalWaiting,
            Self::ApprovalDenied => ProblemCode::ApprovalDenied,
            Self::OutcomeUnknown => ProblemCode::OutcomeUnknown,
            Self::KeychainUnavailable(_) => ProblemCode::KeychainUnavailable,
            Self::PathNotAllowed => ProblemCode::PathNotAllowed,
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

    pub(crate) fn status(&self) -> StatusCode {
        if let Self::Unreadable(head) = self {
            return head.status();
        }
        StatusCode::from_u16(self.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn detail(&self) -> String {
        match self {
            Self::MissingKey => "Send the key as 'Authorization: Bearer KEY'. Create one in ATTHENE Settings, API Keys.".into(),
            Self::MalformedAuthorization => {
                "The header must be sent once and read 'Authorization: Bearer KEY', with one space and nothing after the key.".into()
            }
            Self::Key(Refusal::Malformed(Malformed::Placeholder)) => {
                "It sent YOUR_API_KEY, the placeholder of the samples. Put the key in its place.".into()
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
                "The gateway answers only to localhost, 127.0.0.1, [::1] and the names that it was started with (--host). Start it with this name, or put a reverse proxy in front of it.".into()
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
            Self::MethodNotAllowed(_) => "The methods of this route are listed at /openapi.json.".into(),
            Self::BadRequest(detail) => (*detail).into(),
            Self::BodyTooLarge(mib) => {
                format!("The body is larger than {mib} MiB. Send less, or raise the limit in ATTHENE Settings, Preferences.")
            }
            Self::BodyTimeout => "The body stopped arriving. Send it without long pauses.".into(),
            Self::NoAgentRuntime => {
                "Only the built-in agent 'atthene-status' answers, because no agent runtime is set. Set its URL in ATTHENE Settings, Preferences.".into()
            }
            Self::CredentialUnavailable(reason) => {
                format!("{reason} The credential of the agent runtime lies there; it is asked for again by itself.")
            }
            Self::Upstream(upstream, failure) => upstream.detail(failure),
            Self::Unreadable(UnreadableHead::Malformed) => {
                "The head of the request can't be read as HTTP/1.1. Look for a line end or a control character inside a header (a key from a file with Windows line ends, for one), a header without a colon, two lengths, or a space in the address.".into()
            }
            Self::Unreadable(UnreadableHead::Plain) => {
                "This address speaks https, and the call came as plain http: write https:// in its URL. A key that it carried went in clear text; replace it where others may have listened.".into()
            }
            Self::Unreadable(UnreadableHead::TooLarge) => {
                format!("The gateway takes up to 100 headers of {} KiB in all. Send fewer, or shorter ones.", limits::HEAD_BYTES / 1024)
            }
            Self::Unreadable(UnreadableHead::AddressTooLong) => {
                "The address is longer than the gateway takes. Send what is long in the body.".into()
            }
            Self::LoopDetected => {
                "The agent runtime's URL leads back to this gateway. Correct it in ATTHENE Settings, Preferences.".into()
            }
            Self::StoreUnavailable(reason) => {
                format!("{reason} No call is let in until the gateway can read its own data again.")
            }
            Self::Starting => "The keychain has not said yet what the agent runtime is called with.".into(),
            Self::ConnectionNotFound => "Connections are listed at /api/amas/connections.".into(),
            Self::NeedsSignIn(text)
            | Self::ConnectionFailing(text)
            | Self::ConnectionWaiting(text, _)
            | Self::NotPermitted(text)
            | Self::KeychainUnavailable(text) => text.clone(),
            Self::ApprovalWaiting(id) => format!(
                "A person has to allow this, and has not answered yet (question {id}). Send exactly the same again to go on waiting; it is done once only."
            ),
            Self::ApprovalDenied => "A person said no to exactly this. Send something else, or nothing.".into(),
            Self::OutcomeUnknown => {
                "Exactly this was begun before, and how it ended is not known, so it is not done again. Look into the account, in Sent Items for a mail.".into()
            }
            Self::PathNotAllowed => {
                "The path could be read, decoded once or twice, as leading elsewhere. A path of Graph must begin with v1.0/ or beta/.".into()
            }
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

    /// How soon it is worth a try again, in whole seconds (RFC 9110, 10.2.3).
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyConnections | Self::StoreUnavailable(_) | Self::Starting => Some(1),
            Self::ApprovalWaiting(_) => Some(5),
            // Rounded up: whoever comes a moment too early is sent away again.
            Self::ConnectionWaiting(_, left) => Some((left.as_secs() + u64::from(left.subsec_nanos() > 0)).max(1)),
            _ => None,
        }
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
        if let Self::MethodNotAllowed(Some(methods)) = self {
            headers.insert(header::ALLOW, methods.clone());
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
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
            Problem::MethodNotAllowed(None),
            Problem::BodyTooLarge(1),
            Problem::BodyTimeout,
            Problem::NoAgentRuntime,
            Problem::CredentialUnavailable(text()),
            Problem::Unreadable(UnreadableHead::Malformed),
            Problem::Unreadable(UnreadableHead::Plain),
            Problem::Unreadable(UnreadableHead::TooLarge),
            Problem::Unreadable(UnreadableHead::AddressTooLong),
            Problem::LoopDetected,
            Problem::StoreUnavailable(text()),
            Problem::Starting,
            Problem::ConnectionNotFound,
            Problem::NeedsSignIn(text()),
            Problem::PathNotAllowed,
            Problem::ApprovalWaiting("abcdefghjk".to_owned()),
            Problem::ApprovalDenied,
            Problem::OutcomeUnknown,
            Problem::Internal,
        ];
        let failures = || {
            let why = || Cow::Borrowed("it is so");
            [
                UpstreamFailure::Unreachable(why()),
                UpstreamFailure::Unreadable(why()),
                UpstreamFailure::Closed(why()),
                UpstreamFailure::Timeout,
            ]
        };
        let upstream = [Callee::Runtime, Callee::Graph]
            .into_iter()
            .flat_map(|upstream| failures().map(|failure| Problem::Upstream(upstream, failure)));
        for problem in others.into_iter().chain(ended).chain(malformed).chain(upstream) {
            let detail = problem.detail();
            let letters: Vec<char> = detail.replace("MiB", "").replace("KiB", "").chars().collect();
            let camel = letters.windows(2).any(|pair| pair[0].is_lowercase() && pair[1].is_uppercase());
            assert!(!camel && detail.ends_with('.'), "{detail}");
        }
    }
}
