//! The record of every act: who did what to what, and what came of it. No secret is ever in
//! a row.

use rusqlite::Connection;
use serde_json::Value;

use crate::clock::Clock;
use crate::store::activity as rows;

/// Who acts in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The person at the window.
    Window,
    /// The person at the command line.
    CommandLine,
}

impl Actor {
    fn as_str(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::CommandLine => "command_line",
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    IntegrationAdded,
    IntegrationChanged,
    IntegrationRemoved,
    DefaultChanged,
    Preflight,
    SecretSwept,
    SecretMissing,
    SignIn,
    SignInRefused,
    Refresh,
    Disconnected,
    TokenHanded,
    GraphCall,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::IntegrationAdded => "integration_added",
            Self::IntegrationChanged => "integration_changed",
            Self::IntegrationRemoved => "integration_removed",
            Self::DefaultChanged => "default_changed",
            Self::Preflight => "preflight",
            Self::SecretSwept => "secret_swept",
            Self::SecretMissing => "secret_missing",
            Self::SignIn => "sign_in",
            Self::SignInRefused => "sign_in_refused",
            Self::Refresh => "refresh",
            Self::Disconnected => "disconnected",
            Self::TokenHanded => "token_handed",
            Self::GraphCall => "graph_call",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    Done,
    Failed,
}

impl Came {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// One act.
pub(crate) struct Entry<'a> {
    pub(crate) kind: Kind,
    /// The id of what it was done to.
    pub(crate) subject: &'a str,
    pub(crate) outcome: Came,
    /// Names and codes that help later.
    pub(crate) detail: Value,
}

/// Writes entries under this process's actor.
#[derive(Clone)]
pub(crate) struct Recorder {
    actor: Actor,
    clock: Clock,
}

impl Recorder {
    pub(crate) fn new(actor: Actor, clock: Clock) -> Self {
        Self { actor, clock }
    }

    /// Appends the entry, in the transaction of the act itself.
    pub(crate) fn append(&self, connection: &Connection, entry: &Entry<'_>) -> rusqlite::Result<()> {
        rows::append(connection, self.clock.now(), self.actor.as_str(), entry)
    }
}
