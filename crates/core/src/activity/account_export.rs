//! Writes the timeline of an account, and reads one that somebody hands in.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::signature::{self, ProfileSigner};
use super::timeline::{CheckedTimeline, Timeline, TimelineFilter, TimelineForm, TimelineRow};
use super::{Activity, ActivityFilter, Chain, page};
use crate::clock::UnixMs;
use crate::error::Error;
use crate::files;

/// What a signed file says it is.
const KIND: &str = "atthene-timeline+json";
/// More rows than anybody reads; they are held in memory.
const MOST: usize = 100_000;

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
