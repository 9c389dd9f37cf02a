//! Rows of the record, as they are read.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use super::{ActOutcome, Kind};
use crate::clock::UnixMs;

/// One act, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct ActivityRow {
    /// Grows with every row.
    #[ts(type = "number")]
    pub id: i64,
    pub at: UnixMs,
    /// Who: window, `command_line`, gateway, policy.
    pub actor: String,
    /// What was done; a word of [`Kind`], or one of a newer version.
    pub kind: String,
    /// The id of what it was done to.
    pub subject: String,
    /// done, failed or unknown.
    pub outcome: String,
    /// Names and codes that help later.
    #[ts(type = "Record<string, unknown>")]
    pub detail: Value,
    /// What the host is called on which it was done, where several share the profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub host: Option<String>,
}

/// Which rows are wanted. Nothing set: all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, TS)]
#[serde(default)]
#[ts(export)]
pub struct ActivityFilter {
    /// Any of these; empty: all.
    pub kinds: Vec<Kind>,
    /// What it was done to.
    pub subject: Option<String>,
    /// The account whose sign-in it was done with or to, in any case of its letters.
    pub account: Option<String>,
    pub outcome: Option<ActOutcome>,
    pub since: Option<UnixMs>,
    pub until: Option<UnixMs>,
    /// A part of the subject or of the details, in any case.
    pub search: Option<String>,
}

/// Some rows, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct ActivityPage {
    pub rows: Vec<ActivityRow>,
    /// Ask with this for older ones; `None`: there are none.
    #[ts(type = "number | null")]
    pub next: Option<i64>,
}

/// What a walk over the chain of hashes found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "state", rename_all = "snake_case")]
#[ts(export)]
pub enum Chain {
    /// Every row is as it was written.
    Sound {
        #[ts(type = "number")]
        rows: u64,
    },
    /// A row was changed, or one before it was removed.
    Broken {
        /// The first row that does not fit.
        #[ts(type = "number")]
        id: i64,
        /// When it says it was written.
        at: UnixMs,
        /// Rows before it, all sound.
        #[ts(type = "number")]
        intact: u64,
    },
    /// The newest rows were removed.
    CutOff {
        /// Rows that are left, all sound.
        #[ts(type = "number")]
        intact: u64,
        /// The newest row that is left.
        #[ts(type = "number")]
        missing_after: i64,
    },
}
