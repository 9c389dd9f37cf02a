//! The life of a key: created, then expired, replaced or revoked. Never back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::verifier::Verifier;
use super::{Ending, Expiry, KeyId, KeyRecord, KeyText, KeyView, NewKey, Refusal, RevokeReason, Verdict, hash};
use crate::activity::Recorder;
use crate::change::{Change, Changes};
use crate::clock::Clock;
use crate::error::Error;
use crate::names::{checked_name, checked_note};
use crate::port::{KeyCreation, KeyRevocation, Store};
use crate::problem::{CallCheck, ProblemCode};

/// How long a call waits for it that an expiry is lasting.
const LASTING: Duration = Duration::from_secs(1);

/// A key that was made and is not in force.
pub struct PreparedKey {
    record: KeyRecord,
    text: KeyText,
    expiry: Expiry,
    replaces: Option<KeyId>,
}

impl PreparedKey {
    /// What it will be, as people see it.
    pub fn view(&self) -> KeyView {
        self.record.view(self.record.created_at)
    }

    pub fn text(&self) -> &KeyText {
        &self.text
    }

    /// The live key that ends when this one is put in force.
    pub fn replaces(&self) -> Option<&KeyId> {
        self.replaces.as_ref()
    }
}

/// The keys of this profile. All calls but [`Keys::verify`] block on SQLite (and `create`
/// on argon2): run them on a blocking thread.
pub struct Keys {
    store: Arc<dyn Store>,
    verifier: Verifier,
    clock: Clock,
    changes: Changes,
    recorder: Recorder,
    /// Rows are read and taken over in one step, so that an older reading never overwrites
    /// a newer one.
    reloading: Mutex<()>,
}

impl Keys {
    pub(crate) fn load(
        store: Arc<dyn Store>,
        clock: Clock,
        changes: Changes,
        recorder: Recorder,
    ) -> Result<Self, Error> {
        let verifier = Verifier::new(store.profile_secret().clone())?;
        let keys = Self { store, verifier, clock, changes, recorder, reloading: Mutex::default() };
        keys.store.end_key_of_earlier_form(keys.clock.now(), &keys.recorder)?;
        keys.reload()?;
        Ok(keys)
    }

    /// Every key, the newest first.
    pub fn list(&self) -> Result<Vec<KeyView>, Error> {
        let now = self.clock.now();
        let rows = self.store.keys()?;
        Ok(rows.iter().map(|row| row.view(now)).collect())
    }

    /// The key of this id; `None`: there never was one.
    pub fn get(&self, id: &KeyId) -> Result<Option<KeyView>, Error> {
        let now = self.clock.now();
        Ok(self.store.key(id)?.map(|row| row.view(now)))
    }

    /// The key that opens the agent API at this moment; `None`: none does. One that has run out is none,
    /// whether or not anybody has used it since.
    pub fn live(&self) -> Result<Option<KeyView>, Error> {
        Ok(self.list()?.into_iter().find(|key| key.state.is_live()))
    }

    /// Creates a key; the live one ends in the same transaction. The returned text exists
    /// nowhere else.
    pub fn create(&self, new: NewKey) -> Result<(KeyView, KeyText), Error> {
        let prepared = self.prepare(new)?;
        Ok((self.issue(&prepared)?, prepared.text))
    }

    /// Makes the text of a key that is not in force: it opens nothing and stands in no row until [`Keys::issue`], and
    /// whoever drops it has changed nothing.
    pub fn prepare(&self, new: NewKey) -> Result<PreparedKey, Error> {
        let now = self.clock.now();
        let name = checked_name(&new.name).map_err(Error::Name)?;
        let expires_at = new.expiry.resolve(now)?;
        let text = KeyText::generate(self.store.profile_secret());
        let record = KeyRecord {
            id: text.id(),
            name,
            note: String::new(),
            hash: hash::hash(&text)?.into(),
            last_four: text.last_four().to_owned(),
            created_at: now,
            expires_at,
            ended: None,
            ended_by_update: false,
            first_used: None,
            last_used: None,
            requests: 0,
        };
        if self.live()?.is_some_and(|live| Some(live.id) != new.replaces) {
            return Err(Error::LiveKeyChanged);
        }
        Ok(PreparedKey { record, text, expiry: new.expiry, replaces: new.replaces })
    }

    /// Puts a key in force; the live one ends in the same transaction. Its time counts from now.
    pub fn issue(&self, prepared: &PreparedKey) -> Result<KeyView, Error> {
        let now = self.clock.now();
        let expires_at = prepared.expiry.resolve(now)?;
        let record = KeyRecord { created_at: now, expires_at, ..prepared.record.clone() };
        match self.store.create_key(&record, prepared.replaces.as_ref(), &self.recorder)? {
            KeyCreation::Created => {}
            KeyCreation::LiveIsAnother => return Err(Error::LiveKeyChanged),
        }
        self.follow(|verifier| verifier.issue(&record));
        self.verifier.confirm_created(&prepared.text);
        self.changes.publish(Change::Keys);
        Ok(record.view(now))
    }

    /// Ends the key. When this returns, it opens nothing any more.
    pub fn revoke(&self, id: &KeyId, reason: Option<RevokeReason>) -> Result<KeyView, Error> {
        let now = self.clock.now();
        let record = match self.store.revoke_key(id, now, reason, &self.recorder)? {
            KeyRevocation::Revoked(record) => record,
            KeyRevocation::EndedBefore => return Err(Error::KeyAlreadyEnded),
            KeyRevocation::NotFound => return Err(Error::KeyNotFound),
        };
        self.follow(|verifier| verifier.end_live(id, Ending::Revoked));
        self.changes.publish(Change::Keys);
        Ok(record.view(now))
    }

    /// Gives a key, live or ended, another name and note. Its text and its time stay as they are.
    pub fn describe(&self, id: &KeyId, name: &str, note: &str) -> Result<KeyView, Error> {
        let (name, note) = (checked_name(name).map_err(Error::Name)?, checked_note(note).map_err(Error::Note)?);
        let described = self.store.describe_key(id, &name, &note, &self.recorder)?.ok_or(Error::KeyNotFound)?;
        self.follow(|_| ());
        self.changes.publish(Change::Keys);
        Ok(described.view(self.clock.now()))
    }

    /// After a change that is in the rows: reads them again. Where that fails, the change is done all the same and told as
    /// done; `change` brings it to this process, and the watch reads once the rows can be had.
    fn follow(&self, change: impl FnOnce(&Verifier)) {
        if let Err(error) = self.reload() {
            tracing::warn!(%error, "keys were changed, and could not be read again");
            change(&self.verifier);
        }
    }

    /// Reads the rows again: at the start, after every change here, and when another
    /// process changed them.
    pub fn reload(&self) -> Result<(), Error> {
        let _one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        self.verifier.load(self.store.hashed_keys()?);
        Ok(())
    }

    /// What a presented text is worth at this moment.
    pub async fn verify(&self, presented: &str) -> Verdict {
        self.persist_expiry().await;
        self.verifier.verify(presented, &self.clock).await
    }

    /// Makes an expiry that was seen lasting, so that a clock set back revives nothing.
    async fn persist_expiry(&self) {
        let now = self.clock.now();
        if self.verifier.expire(now).is_none() {
            return;
        }
        let (store, recorder) = (self.store.clone(), self.recorder.clone());
        let written = tokio::task::spawn_blocking(move || store.end_expired_key(now, &recorder));
        // A call waits for no database that is away; it goes on beside it.
        match tokio::time::timeout(LASTING, written).await.unwrap_or(Ok(Ok(()))) {
            Ok(Ok(())) => {}
            // Refused all the same: the verifier holds it as ended until the process ends.
            Ok(Err(error)) => tracing::warn!(%error, "an expired key could not be marked as ended"),
            Err(error) => tracing::warn!(%error, "marking an expired key as ended broke"),
        }
        self.changes.publish(Change::Keys);
    }
}

impl Refusal {
    /// Why such a call is refused, and the check that it fails.
    pub fn problem(self) -> (ProblemCode, CallCheck) {
        match self {
            Self::Malformed(_) => (ProblemCode::InvalidKey, CallCheck::Form),
            Self::Unknown => (ProblemCode::InvalidKey, CallCheck::MadeHere),
            Self::Ended(Ending::Expired) => (ProblemCode::ExpiredKey, CallCheck::Live),
            Self::Ended(Ending::Replaced) => (ProblemCode::ReplacedKey, CallCheck::Live),
            Self::Ended(Ending::Revoked) => (ProblemCode::RevokedKey, CallCheck::Live),
        }
    }
}
