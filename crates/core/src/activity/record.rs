//! The record of every act: who did what to what, and what came of it. No secret is ever in
//! a row.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::clock::{Clock, UnixMs};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The person at the window.
    Window,
    /// The person at the command line.
    CommandLine,
    /// The gateway, by itself or for an application.
    Gateway,
    /// The administrator of the machine.
    Policy,
}

impl Actor {
    /// The word in the rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::CommandLine => "command_line",
            Self::Gateway => "gateway",
            Self::Policy => "policy",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Kind {
    /// A key was created; a live one ended with it.
    KeyCreated,
    /// A key was ended by an admin.
    KeyRevoked,
    /// A key was seen to have run out.
    KeyExpired,
    /// A key ended with an update of the app: keys have another form since then.
    KeyEndedByUpdate,
    /// A key was given another name or note.
    KeyDescribed,
    IntegrationAdded,
    IntegrationChanged,
    IntegrationRemoved,
    /// Another integration became the default.
    DefaultChanged,
    /// An integration was checked with its authority.
    Preflight,
    /// A secret that a crash had left was removed.
    SecretSwept,
    /// A stored secret was found to be gone.
    SecretMissing,
    /// A sign-in ended.
    SignIn,
    SignInRefused,
    Refresh,
    Disconnected,
    /// An administrator changed what agents may do through a connection.
    PermissionsChanged,
    /// An application got an access token.
    TokenHanded,
    /// An application called Graph.
    GraphCall,
    /// An agent called a tool.
    ToolCalled,
    SettingsChanged,
    /// Many calls of one program were refused.
    RefusalBurst,
    Stopped,
    /// The gateway was let go on.
    Resumed,
    /// The database was copied.
    BackedUp,
    /// The database was put back.
    Restored,
    /// Everything was deleted.
    WasReset,
    /// The policy file fixed settings.
    PolicyApplied,
    /// An agent asked to do something that a person has to allow.
    ApprovalAsked,
    /// A person said yes.
    ApprovalGiven,
    /// A person said no.
    ApprovalDenied,
    /// An act that is done once only was begun, and has ended or was given up.
    ActPerformed,
    /// Rows that were older than the record's span were cut off.
    RecordCut,
    /// This profile lies in a database that hosts share, from now on.
    ProfileShared,
    /// An invite was made: whoever has it and its passphrase takes part.
    HostInvited,
    /// A host took part, or was given the fleet key that is in force.
    HostJoined,
    HostLeft,
    /// A host that is gone was taken off the list.
    HostForgotten,
    /// Every secret was sealed under a new fleet key.
    FleetKeyChanged,
}

impl Kind {
    /// The word in the rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyCreated => "key_created",
            Self::KeyRevoked => "key_revoked",
            Self::KeyExpired => "key_expired",
            Self::KeyEndedByUpdate => "key_ended_by_update",
            Self::KeyDescribed => "key_described",
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
            Self::PermissionsChanged => "permissions_changed",
            Self::TokenHanded => "token_handed",
            Self::GraphCall => "graph_call",
            Self::ToolCalled => "tool_called",
            Self::SettingsChanged => "settings_changed",
            Self::RefusalBurst => "refusal_burst",
            Self::Stopped => "stopped",
            Self::Resumed => "resumed",
            Self::BackedUp => "backed_up",
            Self::Restored => "restored",
            Self::WasReset => "was_reset",
            Self::PolicyApplied => "policy_applied",
            Self::ApprovalAsked => "approval_asked",
            Self::ApprovalGiven => "approval_given",
            Self::ApprovalDenied => "approval_denied",
            Self::ActPerformed => "act_performed",
            Self::RecordCut => "record_cut",
            Self::ProfileShared => "profile_shared",
            Self::HostInvited => "host_invited",
            Self::HostJoined => "host_joined",
            Self::HostLeft => "host_left",
            Self::HostForgotten => "host_forgotten",
            Self::FleetKeyChanged => "fleet_key_changed",
        }
    }

    /// What applications and the gateway do, no matter who opened the app.
    fn is_the_gateways(self) -> bool {
        matches!(
            self,
            Self::KeyExpired
                | Self::KeyEndedByUpdate
                | Self::Refresh
                | Self::TokenHanded
                | Self::GraphCall
                | Self::ToolCalled
                | Self::RefusalBurst
                | Self::SecretSwept
                | Self::SecretMissing
                | Self::RecordCut
                | Self::ApprovalAsked
                | Self::ActPerformed
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ActOutcome {
    Done,
    /// It failed or was refused.
    Failed,
    /// It was begun, and nobody knows how it ended.
    Unknown,
}

impl ActOutcome {
    /// The word in the rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// One act, as it is recorded.
pub struct Entry<'a> {
    pub at: UnixMs,
    pub actor: Actor,
    pub kind: Kind,
    /// The id of what it was done to.
    pub subject: &'a str,
    pub outcome: ActOutcome,
    /// Names and codes that help later.
    pub detail: Value,
}

/// Makes entries of what is done now, under this process's actor.
#[derive(Clone)]
pub struct Recorder {
    actor: Actor,
    os_user: Option<Arc<str>>,
    clock: Clock,
}

impl Recorder {
    pub(crate) fn new(actor: Actor, os_user: Option<String>, clock: Clock) -> Self {
        Self { actor, os_user: os_user.map(Into::into), clock }
    }

    /// The entry of an act that is done now.
    pub fn entry<'a>(&self, kind: Kind, subject: &'a str, outcome: ActOutcome, mut detail: Value) -> Entry<'a> {
        let actor = match kind {
            Kind::PolicyApplied => Actor::Policy,
            kind if kind.is_the_gateways() => Actor::Gateway,
            _ => self.actor,
        };
        // Of what a person did, the account of the machine that they did it with.
        if let (Actor::Window | Actor::CommandLine, Some(user), Some(detail)) =
            (actor, &self.os_user, detail.as_object_mut())
        {
            detail.insert("os_user".to_owned(), Value::from(&**user));
        }
        Entry { at: self.clock.now(), actor, kind, subject, outcome, detail }
    }
}
