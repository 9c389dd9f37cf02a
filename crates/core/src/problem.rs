//! The one list of what a call can be answered with besides success: its word, its status, its title, what to do,
//! and which check it failed. The gateway's answers, their description, the README's table, the types of the page
//! and what a refusal is explained with all come from it.

use serde::Serialize;
use ts_rs::TS;

/// What every call has to pass, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallCheck {
    /// The host is this machine.
    Host,
    /// The caller is a program, not a web page.
    Origin,
    /// There is an `Authorization` header.
    Header,
    /// The header reads Bearer and one key.
    Scheme,
    /// The key has the right form.
    Form,
    /// The key was made here.
    MadeHere,
    /// The key is live.
    Live,
    /// The call was answered.
    Answer,
}

impl CallCheck {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Host, Self::Origin, Self::Header, Self::Scheme, Self::Form, Self::MadeHere, Self::Live, Self::Answer];

    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "The host is this machine",
            Self::Origin => "The caller is a program, not a web page",
            Self::Header => "There is an Authorization header",
            Self::Scheme => "The header reads Bearer and one key",
            Self::Form => "The key has the right form",
            Self::MadeHere => "The key was made here",
            Self::Live => "The key is live",
            Self::Answer => "The call was answered",
        }
    }

    /// The same of a call that failed it.
    pub fn failed_name(self) -> &'static str {
        match self {
            Self::Host => "The host is not this machine",
            Self::Origin => "The caller is a web page, not a program",
            Self::Header => "There is no Authorization header",
            Self::Scheme => "The header does not read Bearer and one key",
            Self::Form => "The key has not the right form",
            Self::MadeHere => "The key was not made here",
            Self::Live => "The key is not live",
            Self::Answer => "The call was not answered",
        }
    }

    /// The word in the rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Origin => "origin",
            Self::Header => "header",
            Self::Scheme => "scheme",
            Self::Form => "form",
            Self::MadeHere => "made_here",
            Self::Live => "live",
            Self::Answer => "answer",
        }
    }

    /// What a word of a row stands for.
    pub fn known(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.as_str() == text)
    }

    /// Whether it asks for the key: a call that needs none comes by it.
    pub fn is_of_the_key(self) -> bool {
        (Self::Header..=Self::Live).contains(&self)
    }
}

/// Why a call was refused or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ProblemCode {
    /// There was no `Authorization` header.
    MissingKey,
    /// The `Authorization` header was not one `Bearer KEY`.
    MalformedAuthorization,
    /// Not a key, or none of this machine.
    InvalidKey,
    /// The key has run out.
    ExpiredKey,
    /// A newer key took its place.
    ReplacedKey,
    /// An administrator ended the key.
    RevokedKey,
    /// The call named another host than this machine.
    ForbiddenHost,
    /// The call came from a web page.
    ForbiddenOrigin,
    /// An administrator has stopped everything.
    Stopped,
    /// Every place was taken by a call under way.
    TooManyConnections,
    /// The head of the request could not be read. Where it was too large: with status 431 or 414.
    UnreadableRequest,
    /// There is no such route.
    NotFound,
    /// The route has no such method.
    MethodNotAllowed,
    /// The body could not be understood.
    BadRequest,
    /// The body is over the limit.
    BodyTooLarge,
    /// The body stopped arriving.
    BodyTimeout,
    /// No agent runtime is set.
    NoAgentRuntime,
    /// The credential of the agent runtime could not be had.
    CredentialUnavailable,
    /// The agent runtime could not be reached.
    RuntimeUnreachable,
    /// The agent runtime was reached, and its answer could not be read.
    RuntimeUnreadable,
    /// The agent runtime closed the connection before it answered.
    RuntimeClosed,
    /// The agent runtime did not begin to answer in time.
    RuntimeTimeout,
    /// The call came back to the gateway that it went through before.
    LoopDetected,
    /// There is no such connection.
    ConnectionNotFound,
    /// A person has to sign in again.
    NeedsSignIn,
    /// A rule or the app registration stands in the way.
    ConnectionFailing,
    /// The authority or the network is away.
    ConnectionWaiting,
    /// An administrator does not permit this use of the connection.
    NotPermitted,
    /// A person has to allow this, and has not answered yet.
    ApprovalWaiting,
    /// A person said no.
    ApprovalDenied,
    /// It was begun before, and how it ended is not known.
    OutcomeUnknown,
    /// The keychain gives nothing now.
    KeychainUnavailable,
    /// The path could lead elsewhere.
    PathNotAllowed,
    /// Microsoft Graph could not be reached.
    GraphUnreachable,
    /// Microsoft Graph was reached, and its answer could not be read.
    GraphUnreadable,
    /// Microsoft Graph closed the connection before it answered.
    GraphClosed,
    /// Microsoft Graph did not begin to answer in time.
    GraphTimeout,
    /// The rows of this profile can't be had now.
    StoreUnavailable,
    /// It was started a moment ago, and does not know yet what it calls the agent runtime with.
    Starting,
    /// Something inside the gateway broke.
    Internal,
}

impl ProblemCode {
    /// Every one, in the order in which they are told.
    pub const ALL: [Self; 40] = [
        Self::MissingKey,
        Self::MalformedAuthorization,
        Self::InvalidKey,
        Self::ExpiredKey,
        Self::ReplacedKey,
        Self::RevokedKey,
        Self::ForbiddenHost,
        Self::ForbiddenOrigin,
        Self::Stopped,
        Self::TooManyConnections,
        Self::UnreadableRequest,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BadRequest,
        Self::BodyTooLarge,
        Self::BodyTimeout,
        Self::NoAgentRuntime,
        Self::CredentialUnavailable,
        Self::RuntimeUnreachable,
        Self::RuntimeUnreadable,
        Self::RuntimeClosed,
        Self::RuntimeTimeout,
        Self::LoopDetected,
        Self::ConnectionNotFound,
        Self::NeedsSignIn,
        Self::ConnectionFailing,
        Self::ConnectionWaiting,
        Self::NotPermitted,
        Self::ApprovalWaiting,
        Self::ApprovalDenied,
        Self::OutcomeUnknown,
        Self::KeychainUnavailable,
        Self::PathNotAllowed,
        Self::GraphUnreachable,
        Self::GraphUnreadable,
        Self::GraphClosed,
        Self::GraphTimeout,
        Self::StoreUnavailable,
        Self::Starting,
        Self::Internal,
    ];

    /// The stable word: on the wire, in the rows and in the figures.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingKey => "missing_key",
            Self::MalformedAuthorization => "malformed_authorization",
            Self::InvalidKey => "invalid_key",
            Self::ExpiredKey => "expired_key",
            Self::ReplacedKey => "replaced_key",
            Self::RevokedKey => "revoked_key",
            Self::ForbiddenHost => "forbidden_host",
            Self::ForbiddenOrigin => "forbidden_origin",
            Self::Stopped => "stopped",
            Self::TooManyConnections => "too_many_connections",
            Self::UnreadableRequest => "unreadable_request",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BadRequest => "bad_request",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTimeout => "body_timeout",
            Self::NoAgentRuntime => "no_agent_runtime",
            Self::CredentialUnavailable => "credential_unavailable",
            Self::RuntimeUnreachable => "runtime_unreachable",
            Self::RuntimeUnreadable => "runtime_unreadable",
            Self::RuntimeClosed => "runtime_closed",
            Self::RuntimeTimeout => "runtime_timeout",
            Self::LoopDetected => "loop_detected",
            Self::ConnectionNotFound => "connection_not_found",
            Self::NeedsSignIn => "needs_sign_in",
            Self::ConnectionFailing => "connection_failing",
            Self::ConnectionWaiting => "connection_waiting",
            Self::NotPermitted => "not_permitted",
            Self::ApprovalWaiting => "approval_waiting",
            Self::ApprovalDenied => "approval_denied",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::KeychainUnavailable => "keychain_unavailable",
            Self::PathNotAllowed => "path_not_allowed",
            Self::GraphUnreachable => "graph_unreachable",
            Self::GraphUnreadable => "graph_unreadable",
            Self::GraphClosed => "graph_closed",
            Self::GraphTimeout => "graph_timeout",
            Self::StoreUnavailable => "store_unavailable",
            Self::Starting => "starting",
            Self::Internal => "internal",
        }
    }

    /// What a word stands for; `None`: it is of another version.
    pub fn known(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }

    pub fn status(self) -> u16 {
        self.row().0
    }

    /// The kind of problem, in a few words.
    pub fn title(self) -> &'static str {
        self.row().1
    }

    pub fn remedy(self) -> &'static str {
        self.row().2
    }

    /// The check that such a call fails; of a key that is none, the first of two.
    pub fn check(self) -> CallCheck {
        self.row().3
    }

    /// Whether the call was not let in. What was let in and got no answer has failed.
    pub fn is_refusal(self) -> bool {
        self.row().4
    }

    /// The list itself: status, title, remedy, check, whether it is a refusal.
    #[expect(clippy::too_many_lines, reason = "a list")]
    fn row(self) -> (u16, &'static str, &'static str, CallCheck, bool) {
        match self {
            Self::MissingKey => (
                401,
                "No API key",
                "Let the application send the header Authorization: Bearer KEY.",
                CallCheck::Header,
                true,
            ),
            Self::MalformedAuthorization => (
                401,
                "Authorization header not understood",
                "Let the application send the header Authorization: Bearer KEY, once.",
                CallCheck::Scheme,
                true,
            ),
            Self::InvalidKey => (
                401,
                "API key not valid",
                "Look into the settings of this application: it holds a mistyped key, or one of another machine. Create a new key if the right one is lost.",
                CallCheck::Form,
                true,
            ),
            Self::ExpiredKey => (
                401,
                "API key expired",
                "Put the live key into this application, and restart it.",
                CallCheck::Live,
                true,
            ),
            Self::ReplacedKey => (
                401,
                "API key replaced",
                "Put the live key into this application, and restart it.",
                CallCheck::Live,
                true,
            ),
            Self::RevokedKey => (
                401,
                "API key revoked",
                "Put the live key into this application, and restart it.",
                CallCheck::Live,
                true,
            ),
            Self::ForbiddenHost => (
                403,
                "Host not allowed",
                "Call 127.0.0.1 or localhost. For another name, start the gateway with --host NAME, or put a reverse proxy in front that sets the Host header.",
                CallCheck::Host,
                true,
            ),
            Self::ForbiddenOrigin => (
                403,
                "Web pages not allowed",
                "If you did not expect this, a web page tried to reach your agents, and was kept out. Call from a server or a script instead.",
                CallCheck::Origin,
                true,
            ),
            Self::Stopped => (
                503,
                "Everything is stopped",
                "Resume: at the foot of the window, or in the tray.",
                CallCheck::Answer,
                true,
            ),
            Self::TooManyConnections => (
                503,
                "Too many calls at a time",
                "Try again in a second, or keep connections open for several calls.",
                CallCheck::Answer,
                true,
            ),
            Self::UnreadableRequest => (
                400,
                "Not readable as HTTP",
                "Look at what the application sends: a line end inside a header (a key from a file with Windows line ends, for one), a header without a colon, a space in the address, or more headers than 100.",
                CallCheck::Answer,
                true,
            ),
            Self::NotFound => (404, "No such route", "Look the route up at /openapi.json.", CallCheck::Answer, false),
            Self::MethodNotAllowed => {
                (405, "Method not allowed", "Look the method up at /openapi.json.", CallCheck::Answer, false)
            }
            Self::BadRequest => {
                (400, "Request not understood", "The detail says what was not understood.", CallCheck::Answer, false)
            }
            Self::BodyTooLarge => (
                413,
                "Body too large",
                "Send less, or raise the limit on the page Preferences.",
                CallCheck::Answer,
                false,
            ),
            Self::BodyTimeout => {
                (408, "Body too slow", "Send the body without pauses of 30 seconds.", CallCheck::Answer, false)
            }
            Self::NoAgentRuntime => (
                503,
                "No agent runtime set",
                "Set the agent runtime on the page Preferences.",
                CallCheck::Answer,
                false,
            ),
            Self::CredentialUnavailable => (
                503,
                "Agent runtime credential not available",
                "Unlock the keychain, or enter the credential again on the page Preferences.",
                CallCheck::Answer,
                false,
            ),
            Self::RuntimeUnreachable => (
                502,
                "Agent runtime not reachable",
                "Look at the agent runtime on the page Preferences, and test it there.",
                CallCheck::Answer,
                false,
            ),
            Self::RuntimeUnreadable => (
                502,
                "Agent runtime's answer not readable",
                "Look into the log of the agent runtime: it was reached, and what it answered is not HTTP/1.1.",
                CallCheck::Answer,
                false,
            ),
            Self::RuntimeClosed => (
                502,
                "Agent runtime hung up",
                "Look into the log of the agent runtime: it was reached, and closed the connection without an answer. A call that can be sent twice may be tried again.",
                CallCheck::Answer,
                false,
            ),
            Self::LoopDetected => (
                508,
                "Call came back to the gateway",
                "Correct the agent runtime's URL on the page Preferences: it leads back to this gateway.",
                CallCheck::Answer,
                false,
            ),
            Self::RuntimeTimeout => (
                504,
                "Agent runtime too slow",
                "Look at the agent runtime on the page Preferences, and test it there.",
                CallCheck::Answer,
                false,
            ),
            Self::ConnectionNotFound => (
                404,
                "No such connection",
                "List the connections at /api/amas/connections: it was removed.",
                CallCheck::Answer,
                false,
            ),
            Self::NeedsSignIn => (
                409,
                "Sign-in needed",
                "Sign in again on the page Tools; the detail says who.",
                CallCheck::Answer,
                false,
            ),
            Self::ConnectionFailing => (
                409,
                "Connection failing",
                "Look at the connection on the page Tools: the detail says who has to act.",
                CallCheck::Answer,
                false,
            ),
            Self::ConnectionWaiting => {
                (503, "Connection waiting", "Try again later; the sign-in itself is sound.", CallCheck::Answer, false)
            }
            Self::NotPermitted => (
                403,
                "Not permitted",
                "Allow it, if agents should do this: page Tools, the connection, What agents may do.",
                CallCheck::Answer,
                false,
            ),
            Self::ApprovalWaiting => (
                409,
                "A person has to allow this",
                "Answer the question: on the page Tools, or with: atthene approval list.",
                CallCheck::Answer,
                false,
            ),
            Self::ApprovalDenied => {
                (403, "A person said no", "Nothing, if that was meant: the act was not done.", CallCheck::Answer, false)
            }
            Self::OutcomeUnknown => (
                409,
                "Outcome not known",
                "Look into the account: it was begun once, and is not done again.",
                CallCheck::Answer,
                false,
            ),
            Self::KeychainUnavailable => (
                503,
                "Keychain not available",
                "Unlock the keychain, then try again; the sign-in itself is sound.",
                CallCheck::Answer,
                false,
            ),
            Self::PathNotAllowed => (
                400,
                "Path not allowed",
                "Correct the path: it could be read as leading elsewhere.",
                CallCheck::Answer,
                false,
            ),
            Self::GraphUnreachable => (
                502,
                "Microsoft Graph not reachable",
                "See to the network of this machine, then try again.",
                CallCheck::Answer,
                false,
            ),
            Self::GraphUnreadable => (
                502,
                "Microsoft Graph's answer not readable",
                "Look for what stands between this machine and Microsoft: it was reached, and what it answered is not HTTP/1.1.",
                CallCheck::Answer,
                false,
            ),
            Self::GraphClosed => (
                502,
                "Microsoft Graph hung up",
                "Try again, where the call may be made twice: the connection was closed without an answer.",
                CallCheck::Answer,
                false,
            ),
            Self::GraphTimeout => (
                504,
                "Microsoft Graph too slow",
                "Try again later, where the call may be made twice.",
                CallCheck::Answer,
                false,
            ),
            Self::StoreUnavailable => (
                503,
                "Data not available",
                "Look at what doctor says of the database: it is locked, full, moved, deleted or replaced.",
                CallCheck::Answer,
                false,
            ),
            Self::Starting => {
                (503, "Starting", "Ask again in a second: the keychain has not answered yet.", CallCheck::Answer, false)
            }
            Self::Internal => {
                (500, "Gateway error", "Try again; if it stays, the log says more.", CallCheck::Answer, false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_stands_for_one_problem_and_is_written_alike_everywhere() {
        for code in ProblemCode::ALL {
            assert_eq!(ProblemCode::known(code.as_str()), Some(code));
            assert_eq!(serde_json::to_value(code).expect("a word"), code.as_str());
            assert!(code.remedy().ends_with('.') && !code.title().ends_with('.'), "{code:?}");
        }
        // The list is typed by hand, the type's own words are not.
        let words = ProblemCode::inline(&ts_rs::Config::default());
        assert_eq!(words.split('|').count(), ProblemCode::ALL.len(), "{words}");
        for check in CallCheck::ALL {
            assert_eq!(CallCheck::known(check.as_str()), Some(check));
        }
    }
}
