//! One list of what will break next, or has: each with what fixes it.

use serde::Serialize;
use ts_rs::TS;

use crate::clock::UnixMs;
use crate::connections::ConnectionId;
use crate::integrations::IntegrationId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Weight {
    /// Something does not work now.
    Urgent,
    /// Something will stop working, or should be looked at.
    Warning,
}

/// What is harmed, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Harm {
    /// No application gets through.
    EverythingRefused,
    /// Applications get through, and nobody answers them.
    RuntimeAway,
    /// An agent waits for a person.
    AgentWaits,
    /// The one key ends soon.
    KeyEnds,
    Rest,
}

/// What fixes it, as the faces offer it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export)]
pub enum Fix {
    /// Create a key that takes the place of the live one.
    CreateKey,
    /// Enter a new client secret.
    EditIntegration {
        id: IntegrationId,
    },
    SignInAgain {
        id: ConnectionId,
    },
    /// Let the gateway go on.
    Resume,
    /// Look at the integrations.
    ShowIntegrations,
    /// Look at the connections.
    ShowTools,
    /// Answer what agents ask.
    ShowApprovals,
    /// Change a setting.
    ShowPreferences,
    /// Look at who shares the profile.
    ShowHosts,
    /// Look at who was refused.
    ShowUsage,
    /// Look at the whole set-up.
    SelfCheck,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Key,
    ClientSecret,
    Connection,
    Rest,
}

/// One thing that needs attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct Attention {
    /// Names it as long as it lasts.
    pub id: String,
    pub weight: Weight,
    pub harm: Harm,
    pub title: String,
    /// What it means, and what to do.
    pub text: String,
    pub fix: Fix,
    #[serde(skip)]
    pub about: About,
    /// Names the notice of it, and after how long it is raised again; `None`: never again.
    #[serde(skip)]
    pub(super) notice: (String, Option<i64>),
}

impl Attention {
    /// A notice of it is raised once a day, as long as it lasts.
    pub(super) fn daily(id: String, weight: Weight, title: String, text: String, fix: Fix) -> Self {
        let notice = (id.clone(), Some(UnixMs::DAY));
        Self { id, weight, harm: Harm::Rest, title, text, fix, about: About::Rest, notice }
    }

    pub(super) fn about(self, about: About) -> Self {
        Self { about, ..self }
    }

    pub(super) fn harms(self, harm: Harm) -> Self {
        Self { harm, ..self }
    }

    /// A notice of it is raised again after so many milliseconds, while it lasts.
    pub(super) fn every(self, pause: i64) -> Self {
        let notice = (self.id.clone(), Some(pause));
        Self { notice, ..self }
    }

    /// A notice of it is raised once for each `step`.
    pub(super) fn stepped(self, step: i64) -> Self {
        let notice = (format!("{} {step}", self.id), None);
        Self { notice, ..self }
    }
}
