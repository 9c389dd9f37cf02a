//! The steps of a preflight, in which an authority is asked about an integration.

use serde::Serialize;
use ts_rs::TS;

use crate::provider::AuthorityFailure;

/// One step of a preflight, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Step {
    /// The authority's discovery document.
    Authority,
    ClientId,
    Secret,
    Scopes,
    /// The redirect URI, which only a browser can check.
    RedirectUri,
}

/// How far a step has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "state", rename_all = "snake_case")]
#[ts(export)]
pub enum StepState {
    Running,
    Passed {
        note: Option<String>,
    },
    /// Works, but should be looked at.
    Warned {
        note: String,
    },
    /// Can't be checked from here.
    Skipped {
        /// Why, and what to compare.
        note: String,
    },
    Failed {
        /// What is wrong and what to do.
        failure: AuthorityFailure,
    },
}

/// A step and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct StepReport {
    pub step: Step,
    /// How far it has come.
    pub state: StepState,
}
