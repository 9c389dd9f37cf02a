//! The timeline of one account: all that the record holds of what was done with its sign-ins, for somebody who has to
//! answer for it. A signed file for programs, or a page to print.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use super::signature::{self, ProfileSigner, Thumbprint};
use super::{Activity, ActivityFilter, ActivityRow, Chain, page};
use crate::clock::UnixMs;
use crate::error::Error;
use crate::files;

/// What a signed file says it is.
const KIND: &str = "atthene-timeline+json";
/// More rows than anybody reads; they are held in memory.
const MOST: usize = 100_000;

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
}

impl From<ActivityRow> for TimelineRow {
    fn from(row: ActivityRow) -> Self {
        let ActivityRow { id, at, actor, kind, subject, outcome, detail } = row;
        Self { id, at: at.rfc3339(), actor, kind, subject, outcome, detail }
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

impl Activity {
    /// The account's rows. Blocks while the whole record is walked.
    pub fn timeline(&self, filter: &TimelineFilter, now: UnixMs) -> Result<Timeline, Error> {
        let TimelineFilter { account, since, until } = filter;
        let wanted = ActivityFilter {
            account: Some(account.clone()),
            since: *since,
            until: *until,
            ..ActivityFilter::default()
        };
        let mut rows: Vec<TimelineRow> = Vec::new();
        self.store.export_activity(&wanted, &mut |row| {
            rows.push(row.into());
            rows.len() <= MOST
        })?;
        if rows.len() > MOST {
            return Err(Error::Export(format!("there are more than {MOST} rows of {account}; choose a shorter time")));
        }
        rows.reverse();
        Ok(Timeline {
            account: account.clone(),
            since: since.map(UnixMs::rfc3339),
            until: until.map(UnixMs::rfc3339),
            made_at: now.rfc3339(),
            record_sound: matches!(self.verify()?, Chain::Sound { .. }),
            rows,
        })
    }

    /// Writes the account's timeline; tells how many rows it has.
    pub fn write_timeline(
        &self,
        filter: &TimelineFilter,
        form: TimelineForm,
        now: UnixMs,
        path: &Path,
    ) -> Result<u64, Error> {
        let timeline = self.timeline(filter, now)?;
        let signer = self.signer();
        let text = match form {
            TimelineForm::Signed => {
                let payload = serde_json::to_string(&timeline).map_err(|error| Error::Export(error.to_string()))?;
                signer.sign(KIND, &payload)
            }
            TimelineForm::Page => page::html(&timeline, &signer.thumbprint()),
        };
        files::replace(path, text.as_bytes()).map_err(|error| Error::Export(error.to_string()))?;
        Ok(timeline.rows.len() as u64)
    }

    /// Reads a signed timeline, of this profile or of another.
    pub fn check_timeline(&self, path: &Path) -> Result<CheckedTimeline, Error> {
        let text = fs::read_to_string(path).map_err(|error| {
            Error::Timeline(match error.kind() {
                ErrorKind::NotFound => "there is no such file".into(),
                ErrorKind::InvalidData => "it is no text".into(),
                _ => error.to_string(),
            })
        })?;
        let changed = || Error::Timeline("it is no signed timeline, or it was changed after it was signed".into());
        let signed = signature::open(KIND, &text).ok_or_else(changed)?;
        let timeline = serde_json::from_slice(&signed.payload).map_err(|_| changed())?;
        Ok(CheckedTimeline { timeline, from_here: signed.by == self.signer().thumbprint(), signed_by: signed.by })
    }

    fn signer(&self) -> ProfileSigner {
        ProfileSigner::of(self.store.profile_secret())
    }
}
