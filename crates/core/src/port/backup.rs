//! Copies of all rows, and what is read out of one. A backup may come from anybody: what is here is as it
//! stands in one, unchecked.

use std::path::Path;

use super::Revisions;
use crate::activity::Entry;
use crate::connections::Connection;
use crate::error::{Error, StoreError};
use crate::integrations::{Integration, IntegrationId};

/// An integration as it stands in a backup, unchecked.
pub struct RawIntegration {
    pub id: String,
    pub name: String,
    pub client_id: String,
    pub authority: String,
    pub scopes: String,
    pub redirect: String,
    pub has_secret: bool,
    pub secret_expires_at: Option<i64>,
}

/// A connection as it stands in a backup, unchecked.
pub struct RawConnection {
    pub id: String,
    pub integration: String,
    pub toolkit: String,
    pub account_id: String,
    pub directory: String,
    pub account: String,
    pub asked: String,
    pub granted: String,
    pub confidential: bool,
    pub signed_in_at: i64,
}

/// A counter as it stands in a backup, unchecked.
pub struct RawCounter {
    pub since: i64,
    pub key: String,
    pub program: String,
    pub user_agent: String,
    pub outcome: String,
    pub requests: i64,
    pub bytes_in: i64,
    pub bytes_out: i64,
    pub last_at: i64,
}

/// What a backup holds that can be put back. Everything else in it (keys, the record, pending deletions,
/// sign-ins under way) is not even read.
#[derive(Default)]
pub struct BackupContents {
    pub settings: Vec<(String, String)>,
    pub integrations: Vec<RawIntegration>,
    /// The id of the default one.
    pub defaults: Vec<String>,
    pub connections: Vec<RawConnection>,
    pub hours: Vec<RawCounter>,
    pub days: Vec<RawCounter>,
    /// Rows that no version of this app has written.
    pub unreadable: usize,
}

/// What is here while a backup is looked at, in one consistent view.
pub struct Present {
    /// Told again when something is added: nothing may have changed since.
    pub revisions: Revisions,
    pub integrations: Vec<Integration>,
    /// The default one; `None`: the built-in one.
    pub defaults: Vec<IntegrationId>,
    pub connections: Vec<Connection>,
    /// Whether anything was counted.
    pub has_counters: bool,
}

/// Rows of a backup that were checked, to be added in one unit of work.
#[derive(Default)]
pub struct Addition<'a> {
    /// Names and values; `None`: the default.
    pub settings: Vec<(&'a str, Option<String>)>,
    /// Integrations that are not here.
    pub integrations: Vec<Integration>,
    /// Connections that are not here.
    pub connections: Vec<Connection>,
    /// Counters of hours, for a profile that has none.
    pub hours: Vec<&'a RawCounter>,
    /// Counters of days, for a profile that has none.
    pub days: Vec<&'a RawCounter>,
}

impl Addition<'_> {
    /// Whether they may be added still: what they were checked against is as it was, and counters come to none. Asked in
    /// the unit of work that adds them.
    pub fn fits<E>(
        &self,
        seen: &Revisions,
        now: &Revisions,
        has_no_counters: impl FnOnce() -> Result<bool, E>,
    ) -> Result<bool, E> {
        let is_same =
            (now.settings, now.integrations, now.connections) == (seen.settings, seen.integrations, seen.connections);
        let brings_counters = !self.hours.is_empty() || !self.days.is_empty();
        Ok(is_same && (!brings_counters || has_no_counters()?))
    }
}

/// Copies of all rows.
pub trait Backup {
    /// Copies everything into this file for somebody else, without the secret by which this profile is known.
    fn copy_for_others(&self, file: &Path) -> Result<(), Error>;
    /// Keeps everything as it is now beside itself.
    fn set_aside(&self) -> Result<(), Error>;
    /// Reads what a backup holds. The backup itself stays as it is.
    fn read_backup(&self, file: &Path) -> Result<BackupContents, Error>;
    /// What is here.
    fn present(&self) -> Result<Present, StoreError>;
    /// Adds these rows; `false`: something else was changed since `seen`, and nothing was added.
    fn add(&self, rows: &Addition<'_>, seen: &Revisions, entry: &Entry<'_>) -> Result<bool, StoreError>;
    /// Deletes keys, counters, calls to explain and notices.
    fn forget_keys_and_usage(&self) -> Result<(), StoreError>;
}
