//! The timeline of one account: all that the record holds of what was done with its sign-ins, for somebody who has to
//! answer for it. A signed file for programs, or a page to print.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use super::ActivityRow;
use super::signature::Thumbprint;
use crate::clock::UnixMs;

/// How a timeline is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum TimelineForm {
    /// A JWS, which programs check.
    Signed,
    /// HTML, to read and to print.
    Page,
}

impl TimelineForm {
    /// How the names of such files end.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Signed => "json",
            Self::Page => "html",
        }
    }

    /// By the end of a file's name.
    pub fn of(path: &Path) -> Option<Self> {
        let end = path.extension()?;
        [Self::Signed, Self::Page].into_iter().find(|form| end.eq_ignore_ascii_case(form.extension()))
    }
}

/// Whose timeline, and of when.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[ts(export)]
pub struct TimelineFilter {
    /// As it signed in, in any case of its letters.
    pub account: String,
    pub since: Option<UnixMs>,
    /// Before this moment.
    pub until: Option<UnixMs>,
}

/// All of one account's rows, the oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    pub account: String,
    /// RFC 3339; `None`: from the beginning of the record.
    pub since: Option<String>,
    /// RFC 3339, the first moment that is not in it; `None`: until it was made.
    pub until: Option<String>,
    /// RFC 3339.
    pub made_at: String,
    /// Whether every row of the record was then as it was written.
    pub record_sound: bool,
    pub rows: Vec<TimelineRow>,
}

/// A row of the record, as others read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimelineRow {
    /// Its number in the record.
    pub id: i64,
    /// RFC 3339.
    pub at: String,
    pub actor: String,
    pub kind: String,
    pub subject: String,
    pub outcome: String,
    pub detail: Value,
    /// The name of the host, where several share the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

impl From<ActivityRow> for TimelineRow {
    fn from(row: ActivityRow) -> Self {
        let ActivityRow { id, at, actor, kind, subject, outcome, detail, host } = row;
        Self { id, at: at.rfc3339(), actor, kind, subject, outcome, detail, host }
    }
}

/// A signed file, as it was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckedTimeline {
    pub timeline: Timeline,
    /// Whose signature it bears.
    pub signed_by: Thumbprint,
    /// Whether that is this profile.
    pub from_here: bool,
}
