//! Rows. One method is one unit of work: the row and what is recorded of it in one transaction, or neither.
//! An adapter decides nothing but what only the transaction can know.
//!
//! All of them block; whoever waits for a network or a person calls them on a thread that may wait.

use std::path::Path;
use std::time::Duration;

use super::UnderLease;
use super::approvals::ApprovalRows;
use super::backup::Backup;
use super::sealed::SealedValue;
use super::shared::SharedRows;
use crate::activity::{
    ActivityFilter, ActivityRow, Bucket, CallOutcome, Caller, CallerView, Chain, Entry, Kind, Recorder, RefusalView,
    Trouble,
};
use crate::bound::Recipient;
use crate::change::Change;
use crate::clock::UnixMs;
use crate::connections::{Account, Connection, ConnectionId, PersistedSignIn, Revision, SignInId, Standing, Toolkit};
use crate::error::StoreError;
use crate::integrations::{Check, Integration, IntegrationId, StoredSecret};
use crate::keys::{HashedKey, KeyId, KeyRecord, RevokeReason};
use crate::oversight::TroubledCall;
use crate::permissions::Permissions;
use crate::profile_secret::ProfileSecret;
use crate::provider::Provider;

/// Where a secret stands that belongs to a unit of work: secret, then row; on removal row, then secret. An
/// entry between the two is written down, so that a start after a crash finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretStep<'a> {
    /// No secret belongs to it.
    Nothing,
    /// The secret under this entry was written; with the row it is settled. Where another process has swept
    /// it meanwhile, the unit of work does nothing and tells that.
    Written(&'a str),
    /// This is the secret under this entry: written with the row, or not at all. Where its key is over meanwhile, the
    /// unit of work does nothing and tells that as if it had been swept. Only where sealed secrets lie among the rows.
    Sealed(&'a str, &'a SealedValue),
    /// The secret under this entry goes once the row is gone.
    Leaving(&'a str),
}

/// What came of creating a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyCreation {
    /// It is live, and the one before it has ended.
    Created,
    /// Another key is live than the one it was to replace. Nothing was done.
    LiveIsAnother,
}

/// What came of revoking a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRevocation {
    /// It has ended with this.
    Revoked(Box<KeyRecord>),
    /// It had ended before.
    EndedBefore,
    /// There is none of this id.
    NotFound,
}

pub trait KeyRows {
    /// Every key, the newest first.
    fn keys(&self) -> Result<Vec<KeyRecord>, StoreError>;
    /// Of every key what decides about a text. Read by each gateway as soon as a key changes: nothing is added up for it.
    fn hashed_keys(&self) -> Result<Vec<HashedKey>, StoreError>;
    /// The key of this id.
    fn key(&self, id: &KeyId) -> Result<Option<KeyRecord>, StoreError>;
    /// Ends the live key, where it is `replaces`, and adds this one, recorded.
    fn create_key(
        &self,
        key: &KeyRecord,
        replaces: Option<&KeyId>,
        recorder: &Recorder,
    ) -> Result<KeyCreation, StoreError>;
    /// Ends this key, recorded.
    fn revoke_key(
        &self,
        id: &KeyId,
        at: UnixMs,
        reason: Option<RevokeReason>,
        recorder: &Recorder,
    ) -> Result<KeyRevocation, StoreError>;
    /// Names this key and notes something of it, recorded where that changes anything; `None`: there is none of this id.
    fn describe_key(
        &self,
        id: &KeyId,
        name: &str,
        note: &str,
        recorder: &Recorder,
    ) -> Result<Option<KeyRecord>, StoreError>;
    /// Ends the live key where its time has run out, recorded.
    fn end_expired_key(&self, now: UnixMs, recorder: &Recorder) -> Result<(), StoreError>;
    /// Ends a live key whose text is of an earlier form, recorded.
    fn end_key_of_earlier_form(&self, now: UnixMs, recorder: &Recorder) -> Result<(), StoreError>;
}

/// Calls of one caller with one outcome in one hour.
pub struct CountedCalls<'a> {
    /// The start of the hour.
    pub hour: UnixMs,
    /// The key, where the caller proved to hold it.
    pub key: Option<&'a KeyId>,
    pub caller: &'a Caller,
    /// What came of them.
    pub outcome: CallOutcome,
    pub requests: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub first_at: UnixMs,
    pub last_at: UnixMs,
}

/// How many calls of an hour took about this long.
pub struct CountedTimes<'a> {
    /// The start of the hour.
    pub hour: UnixMs,
    /// The key, where the caller proved to hold it.
    pub key: Option<&'a KeyId>,
    /// What took the time: gateway or runtime.
    pub part: &'static str,
    pub bucket: Bucket,
    pub requests: u64,
}

/// A call to keep, so that it can be explained.
pub struct KeptTrouble<'a> {
    pub at: UnixMs,
    /// The key, where the caller proved to hold it.
    pub key: Option<&'a KeyId>,
    pub caller: &'a Caller,
    /// What there is to explain.
    pub trouble: &'a Trouble,
    pub is_refused: bool,
}

/// All that was counted since the last time.
#[derive(Default)]
pub struct UsageBatch<'a> {
    pub calls: Vec<CountedCalls<'a>>,
    /// How long they took.
    pub times: Vec<CountedTimes<'a>>,
    /// Those to explain.
    pub troubled: Vec<KeptTrouble<'a>>,
    /// What is put on record of them.
    pub entries: Vec<Entry<'a>>,
}

/// Calls of one program with one outcome in one hour, of all keys.
pub struct HourRow<'a> {
    /// The start of the hour.
    pub hour: UnixMs,
    /// The number of the caller.
    pub caller: i64,
    /// The word of the outcome.
    pub outcome: &'a str,
    pub requests: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub last_at: UnixMs,
}

/// Calls that the gateway of one host took, with one outcome.
pub struct HostCalls {
    pub host: String,
    /// What it is called by now.
    pub name: String,
    /// The word of the outcome.
    pub outcome: String,
    pub requests: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub last_at: UnixMs,
}

/// Calls with one outcome: its word, how many, bytes of requests, bytes of answers.
pub type UsageTotals = Vec<(String, u64, u64, u64)>;

/// Counters in one consistent view, beside all other work.
pub trait UsageView {
    /// Reads every hour from then on.
    fn hours(&self, from: UnixMs, each: &mut dyn FnMut(HourRow<'_>)) -> Result<(), StoreError>;
    /// Program and user agent of a caller.
    fn caller(&self, number: i64) -> Result<(String, String), StoreError>;
    /// Refused calls from then on, the latest first.
    fn refusals(&self, from: UnixMs) -> Result<Vec<RefusalView>, StoreError>;
    /// All calls between two moments, also where hours have become days.
    fn totals(&self, from: UnixMs, until: UnixMs) -> Result<UsageTotals, StoreError>;
    /// Calls from then on by the host that took them. Empty: the profile is one machine's alone.
    fn hosts(&self, from: UnixMs) -> Result<Vec<HostCalls>, StoreError>;
    /// Reads host, hour and number of the calls that these hosts took from then on.
    fn host_hours(
        &self,
        from: UnixMs,
        hosts: &[String],
        each: &mut dyn FnMut(&str, UnixMs, u64),
    ) -> Result<(), StoreError>;
    /// How many calls took how long in this part, the shortest first.
    fn latency(&self, part: &str, from: UnixMs) -> Result<Vec<(Bucket, u64)>, StoreError>;
}

/// One line of an export.
pub struct ExportRow {
    pub hour: UnixMs,
    /// What the host is called that took the calls; `None`: the profile is one machine's alone.
    pub host: Option<String>,
    pub key_id: String,
    pub program: String,
    pub user_agent: String,
    pub outcome: String,
    pub requests: i64,
    pub bytes_in: i64,
    pub bytes_out: i64,
}

/// Counters, and calls to explain.
pub trait UsageRows {
    /// Adds a batch: all of it, or nothing.
    fn count(&self, batch: &UsageBatch<'_>) -> Result<(), StoreError>;
    /// Whether the last batch was added after all. Asked where that was not known ([`StoreError::OutcomeUnknown`]), and
    /// before another one is added.
    fn was_counted(&self) -> Result<bool, StoreError> {
        Ok(false)
    }
    /// Every program that a key's calls with this outcome came from, the latest first.
    fn callers(&self, key: &KeyId, since: UnixMs, outcome: &str) -> Result<Vec<CallerView>, StoreError>;
    /// Key, hour and answered calls, ordered by key; and the refused ones, the latest first.
    #[expect(clippy::type_complexity, reason = "one view of two tables")]
    fn last_day(
        &self,
        since: UnixMs,
        answered: &str,
    ) -> Result<(Vec<(KeyId, UnixMs, u64)>, Vec<RefusalView>), StoreError>;
    /// All calls that are counted, by outcome.
    fn all_time(&self) -> Result<UsageTotals, StoreError>;
    /// What a report reads.
    fn usage(&self) -> Result<Box<dyn UsageView>, StoreError>;
    /// Reads every counter from then on, hour by hour. `each` ends it by refusing one.
    fn export_usage(&self, from: UnixMs, each: &mut dyn FnMut(ExportRow) -> bool) -> Result<(), StoreError>;
    /// Makes days of the hours before `hours_until`, and forgets the days before `days_until`.
    fn roll_up(&self, hours_until: UnixMs, days_until: UnixMs) -> Result<(), StoreError>;
    /// The latest calls to explain, the newest first.
    fn troubled_calls(&self, most: u32) -> Result<Vec<TroubledCall>, StoreError>;
    /// The call that was told this request id.
    fn troubled_call(&self, request_id: &str) -> Result<Option<TroubledCall>, StoreError>;
    /// Marks each notice as told now, unless it was told after the moment beside it. Tells which were due.
    fn claim_notices(&self, notices: &[(&str, UnixMs)], now: UnixMs) -> Result<Vec<bool>, StoreError>;
}

/// The record.
pub trait ActivityRows {
    /// Appends an entry that no row belongs to.
    fn append(&self, entry: &Entry<'_>) -> Result<(), StoreError>;
    /// Rows that pass the filter, the newest first, older than `before`.
    fn activity(
        &self,
        filter: &ActivityFilter,
        before: Option<i64>,
        most: usize,
    ) -> Result<Vec<ActivityRow>, StoreError>;
    /// Rows after `after`, the oldest first.
    fn activity_after(&self, after: i64, most: usize) -> Result<Vec<ActivityRow>, StoreError>;
    /// The id of the newest row; 0 where there is none.
    fn newest_activity(&self) -> Result<i64, StoreError>;
    /// The detail of the newest row of this kind, as it was written.
    fn latest_detail(&self, kind: Kind) -> Result<Option<String>, StoreError>;
    /// Cuts the oldest rows off, `most` at a time, up to the first from between `before` and `now`; the chain goes on
    /// from the last of them, and `entry` says of the last id what was cut. The newest row stays. Tells how many it
    /// were.
    fn cut_activity(
        &self,
        before: UnixMs,
        now: UnixMs,
        most: usize,
        entry: &dyn Fn(i64) -> Entry<'static>,
    ) -> Result<usize, StoreError>;
    /// Walks the whole chain of hashes.
    fn verify_activity(&self) -> Result<Chain, StoreError>;
    /// Reads every row that passes the filter in one view, the newest first. `each` ends it by refusing one.
    fn export_activity(
        &self,
        filter: &ActivityFilter,
        each: &mut dyn FnMut(ActivityRow) -> bool,
    ) -> Result<(), StoreError>;
}

pub trait SettingRows {
    /// Names and values of those that are not the default.
    fn settings(&self) -> Result<Vec<(String, String)>, StoreError>;
    /// Saves values, or forgets those that are the default (`None`), recorded.
    fn save_settings(&self, values: &[(&str, Option<String>)], entry: &Entry<'_>) -> Result<(), StoreError>;
}

/// What the service of the profile tells the other processes.
pub trait ServiceRows {
    /// A service begins: nobody has asked it to end, and it has told nothing yet.
    fn begin_service(&self) -> Result<(), StoreError>;
    /// What it told last, as JSON.
    fn service_status(&self) -> Result<Option<String>, StoreError>;
    fn save_service_status(&self, status: &str) -> Result<(), StoreError>;
    fn ask_service_to_end(&self) -> Result<(), StoreError>;
    /// Whether somebody has asked since it began.
    fn is_service_to_end(&self) -> Result<bool, StoreError>;
}

/// What came of saving an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntegrationSaved {
    Saved,
    /// Another one has its name. Nothing was done.
    NameTaken,
    /// Another one has its page. Nothing was done.
    PageTaken,
}

pub trait IntegrationRows {
    /// Every custom integration, the oldest first, and those of them that are pre-selected: one of a provider at the
    /// most; none: its built-in one is.
    fn integrations(&self) -> Result<(Vec<Integration>, Vec<IntegrationId>), StoreError>;
    /// The integration of this id.
    fn integration(&self, id: &IntegrationId) -> Result<Option<Integration>, StoreError>;
    /// Adds the row, or changes the one of the same id, recorded. The first of its provider becomes the default where
    /// `default_if_first` says so. Sign-ins through it end for the reason `ends`, where there is one.
    /// `None`: its secret was swept meanwhile, and nothing was done.
    fn save_integration(
        &self,
        row: &Integration,
        default_if_first: bool,
        ends: Option<&str>,
        step: SecretStep<'_>,
        entry: &Entry<'_>,
    ) -> Result<Option<IntegrationSaved>, StoreError>;
    /// Writes down how a preflight ended, recorded; on the row where it was about the very form that is saved.
    fn record_preflight(&self, of: Option<(&IntegrationId, &Check)>, entry: &Entry<'_>) -> Result<(), StoreError>;
    /// Writes down what is known of the client secret.
    fn set_secret(&self, id: &IntegrationId, secret: StoredSecret, entry: Option<&Entry<'_>>)
    -> Result<(), StoreError>;
    /// Deletes the row, recorded. Whether there was one.
    fn delete_integration(
        &self,
        id: &IntegrationId,
        step: SecretStep<'_>,
        entry: &Entry<'_>,
    ) -> Result<bool, StoreError>;
    /// Pre-selects this one of the provider, recorded; `None`: the built-in one.
    fn set_default(&self, of: Provider, id: Option<&IntegrationId>, entry: &Entry<'_>) -> Result<(), StoreError>;
}

/// What came of keeping a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInKept {
    /// The connection is there, and known by this.
    Kept(Revision),
    /// The integration leads elsewhere by now. Nothing was done.
    Moved,
    /// The integration is gone. Nothing was done.
    Gone,
}

/// What a refresh brought, as the row has it.
#[derive(Debug, Clone, Copy)]
pub struct RenewedAccess<'a> {
    pub at: UnixMs,
    /// `None`: what was granted before.
    pub granted: Option<&'a [String]>,
    /// Whether the client's secret was sent.
    pub confidential: bool,
}

/// What came of writing a refresh down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// It is written down, and the connection known by this.
    Kept(Revision),
    /// The sign-in ended meanwhile, for this reason. Nothing was done.
    Ended(String),
    /// The connection is gone. Nothing was done.
    Gone,
}

/// Connections, and sign-ins that outlive their process.
pub trait ConnectionRows {
    /// Every connection, by toolkit and account.
    fn connections(&self) -> Result<Vec<Connection>, StoreError>;
    /// The connection of this id.
    fn connection(&self, id: &ConnectionId) -> Result<Option<Connection>, StoreError>;
    /// The connection of this account.
    fn connection_of(
        &self,
        integration: &IntegrationId,
        toolkit: Toolkit,
        account: &Account,
    ) -> Result<Option<ConnectionId>, StoreError>;
    /// The connections through an integration, and whose they are, by account.
    fn connections_through(&self, integration: &IntegrationId) -> Result<Vec<(ConnectionId, String)>, StoreError>;
    /// Adds the row, or changes the one of the same id, where its integration still leads to this recipient.
    /// `None`: its secret was swept meanwhile, and nothing was done.
    fn keep_connection(
        &self,
        row: &Connection,
        to: &Recipient,
        step: SecretStep<'_>,
    ) -> Result<Option<SignInKept>, StoreError>;
    /// Writes down whether it works, and why not, and what the next access has to hold where that was told. Returns
    /// what the connection is known by from now on; `None`: it is gone. `lease`: as with [`Self::refreshed`].
    fn set_standing(
        &self,
        id: &ConnectionId,
        standing: &Standing,
        challenge: Option<&str>,
        lease: Option<UnderLease<'_>>,
    ) -> Result<Option<Revision>, StoreError>;
    /// Writes down what the next access has to hold.
    fn set_challenge(&self, id: &ConnectionId, challenge: &str) -> Result<(), StoreError>;
    /// A refresh of this very sign-in succeeded, recorded; it met the challenge of the row, if there was one.
    /// `None`: its secret was swept meanwhile, and nothing was done. `lease`: the one that it was done under, whose end
    /// this is; [`StoreError::Overtaken`]: another host holds it by now, and nothing was done.
    fn refreshed(
        &self,
        row: &Connection,
        new: &RenewedAccess<'_>,
        step: SecretStep<'_>,
        lease: Option<UnderLease<'_>>,
        entry: &Entry<'_>,
    ) -> Result<Option<Refreshed>, StoreError>;
    /// Somebody had access through it, recorded.
    fn used(&self, id: &ConnectionId, at: UnixMs, entry: &Entry<'_>) -> Result<(), StoreError>;
    /// What agents may do through it from now on, recorded; who was allowed ahead is not any more. Whether there is
    /// such a row.
    fn set_permissions(
        &self,
        id: &ConnectionId,
        permissions: &Permissions,
        entry: &Entry<'_>,
    ) -> Result<bool, StoreError>;
    /// Deletes the row, recorded. Whether there was one.
    fn delete_connection(&self, id: &ConnectionId, step: SecretStep<'_>, entry: &Entry<'_>)
    -> Result<bool, StoreError>;

    /// Keeps an attempt under the hash of its state. `false`: its secret was swept meanwhile.
    fn keep_sign_in(
        &self,
        state_hash: &[u8; 32],
        kept: &PersistedSignIn,
        step: SecretStep<'_>,
    ) -> Result<bool, StoreError>;
    /// Takes the attempt that this state belongs to: the second who asks finds nothing.
    fn take_sign_in(
        &self,
        state_hash: &[u8; 32],
        integration: &IntegrationId,
    ) -> Result<Option<PersistedSignIn>, StoreError>;
    /// Forgets an attempt.
    fn delete_sign_in(&self, id: &SignInId, step: SecretStep<'_>) -> Result<(), StoreError>;
    /// Those attempts that were started before then.
    fn sign_ins_before(&self, then: UnixMs) -> Result<Vec<SignInId>, StoreError>;
}

/// Entries of the vault between two steps.
pub trait SecretRows {
    /// Writes down that a secret is about to be written under this entry.
    fn mark_unsettled(&self, entry: &str) -> Result<(), StoreError>;
    /// Settles an entry that no row belongs to.
    fn advance(&self, step: SecretStep<'_>) -> Result<(), StoreError>;
    /// The last step is done.
    fn mark_settled(&self, entry: &str) -> Result<(), StoreError>;
    /// Every entry that a crash may have left, claimed for sweeping.
    fn claim_unsettled(&self) -> Result<Vec<String>, StoreError>;
    /// It was looked at; recorded where it was removed.
    fn swept(&self, entry: &str, removed: Option<&Entry<'_>>) -> Result<(), StoreError>;
}

/// Sees what anybody changes, this process included.
pub trait Watcher: Send {
    /// What was changed since the last time. An error: nothing can be heard now. Waits for nobody.
    fn poll(&mut self) -> Result<Vec<Change>, StoreError>;
    /// How long ago the rows were as they are known here, by whichever clock of the machine went further meanwhile;
    /// the one counts that goes on while it sleeps. `None`: they lie on this machine, and are looked at by each poll.
    fn age(&self) -> Option<Duration> {
        None
    }
    /// Waits this long at the most; less where something was heard.
    fn wait(&mut self, most: Duration) {
        std::thread::sleep(most);
    }
}

/// All rows of one profile.
pub trait Store:
    KeyRows
    + UsageRows
    + ActivityRows
    + SettingRows
    + ServiceRows
    + IntegrationRows
    + ConnectionRows
    + ApprovalRows
    + SecretRows
    + Backup
    + Send
    + Sync
{
    /// The folder that they lie in.
    fn folder(&self) -> &Path;
    /// The secret that the profile was born with.
    fn profile_secret(&self) -> &ProfileSecret;
    /// What several hosts share beside; `None`: this machine has the profile for itself.
    fn shared(&self) -> Option<&dyn SharedRows> {
        None
    }
    /// Whether rows can be written now: tried, and nothing is left of it.
    fn check_writable(&self) -> Result<(), StoreError>;
    /// Looks through all of it, which takes as long as it is large; an error where it is not sound.
    fn look_through(&self) -> Result<(), StoreError>;
    /// Watches from this moment on.
    fn watch(&self) -> Result<Box<dyn Watcher>, StoreError>;
}
