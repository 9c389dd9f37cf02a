//! The life of a key: created, then expired, replaced or revoked. Never back.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use serde_json::json;
use ts_rs::TS;

use super::verifier::Verifier;
use super::{Ending, Expiry, KeyId, KeyRecord, KeyText, KeyView, Refusal, Verdict, checked_name, hash};
use crate::activity::{Came, Entry, Kind, Recorder};
use crate::change::{Change, Changes};
use crate::clock::{Clock, UnixMs};
use crate::error::Error;
use crate::store::{Store, keys as rows};

/// What an admin asks for.
#[derive(Debug, Clone, Deserialize, TS)]
#[ts(export)]
pub struct NewKey {
    /// What the admin calls it.
    pub name: String,
    /// When it is to expire.
    pub expiry: Expiry,
    /// The live key that the admin was told will stop; `None` where there was none.
    /// Another one being live by now is refused: nobody was told about that one.
    pub replaces: Option<KeyId>,
}

/// Why an admin ends a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum RevokeReason {
    /// Somebody may have it who must not.
    Leaked,
    /// Nothing uses it any more.
    Unused,
    /// Anything else.
    Other,
}

/// The keys of this profile. All calls but [`Keys::verify`] block on SQLite (and `create`
/// on argon2): run them on a blocking thread.
pub struct Keys {
    store: Arc<Store>,
    verifier: Verifier,
    clock: Clock,
    changes: Changes,
    recorder: Recorder,
    /// Rows are read and taken over in one step, so that an older reading never overwrites
    /// a newer one.
    reloading: Mutex<()>,
}

impl Keys {
    pub(crate) fn load(store: Arc<Store>, clock: Clock, changes: Changes, recorder: Recorder) -> Result<Self, Error> {
        let verifier = Verifier::new(store.secret().clone())?;
        let keys = Self { store, verifier, clock, changes, recorder, reloading: Mutex::default() };
        keys.end_old_form()?;
        keys.reload()?;
        Ok(keys)
    }

    /// Every key, the newest first.
    pub fn list(&self) -> Result<Vec<KeyView>, Error> {
        let now = self.clock.now();
        let rows = self.store.read(rows::all)?;
        Ok(rows.iter().map(|row| row.view(now)).collect())
    }

    /// Creates a key; the live one ends in the same transaction. The returned text exists
    /// nowhere else.
    pub fn create(&self, new: NewKey) -> Result<(KeyView, KeyText), Error> {
        let now = self.clock.now();
        let name = checked_name(&new.name)?;
        let expires_at = new.expiry.resolve(now)?;
        let text = KeyText::generate(self.store.secret());
        let record = KeyRecord {
            id: text.id(),
            name,
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
        self.store.write(|tx| {
            self.end_expired(tx, now)?;
            let live = rows::live_id(tx)?;
            if live.as_ref().is_some_and(|live| new.replaces.as_ref() != Some(live)) {
                return Err(Error::LiveKeyChanged);
            }
            if let Some(live) = &live {
                rows::end(tx, live, now, Ending::Replaced)?;
            }
            rows::insert(tx, &record)?;
            let detail = json!({ "name": record.name, "expires_at": expires_at, "replaces": live });
            Ok(self.recorder.append(tx, &done(Kind::KeyCreated, &record.id, detail))?)
        })?;
        self.reload()?;
        self.verifier.confirm_created(&text);
        self.changes.tell(Change::Keys);
        Ok((record.view(now), text))
    }

    /// Ends the key. When this returns, it opens nothing any more.
    pub fn revoke(&self, id: &KeyId, reason: Option<RevokeReason>) -> Result<KeyView, Error> {
        let now = self.clock.now();
        let record = self.store.write(|tx| {
            self.end_expired(tx, now)?;
            if !rows::end(tx, id, now, Ending::Revoked)? {
                return Err(match rows::by_id(tx, id)? {
                    Some(_) => Error::KeyAlreadyEnded,
                    None => Error::KeyNotFound,
                });
            }
            let record = rows::by_id(tx, id)?.ok_or(Error::KeyNotFound)?;
            let detail = json!({ "name": record.name, "reason": reason });
            self.recorder.append(tx, &done(Kind::KeyRevoked, id, detail))?;
            Ok(record)
        })?;
        self.reload()?;
        self.changes.tell(Change::Keys);
        Ok(record.view(now))
    }

    /// Ends a live key of an earlier form: nothing reads its text any more.
    fn end_old_form(&self) -> Result<(), Error> {
        self.store.write(|tx| {
            if let Some(ended) = rows::end_old_form(tx, self.clock.now())? {
                self.recorder.append(tx, &done(Kind::KeyEndedByUpdate, &ended, json!({})))?;
            }
            Ok(())
        })
    }

    /// Reads the rows again: at the start, after every change here, and when another
    /// process changed them.
    pub fn reload(&self) -> Result<(), Error> {
        let _one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        self.verifier.load(self.store.read(rows::all)?);
        Ok(())
    }

    /// What a presented text is worth at this moment.
    pub async fn verify(&self, presented: &str) -> Verdict {
        self.settle_expiry().await;
        self.verifier.verify(presented, &self.clock).await
    }

    fn end_expired(&self, tx: &Transaction<'_>, now: UnixMs) -> rusqlite::Result<()> {
        end_expired(&self.recorder, tx, now)
    }

    /// Makes an expiry that was seen lasting, so that a clock set back revives nothing.
    async fn settle_expiry(&self) {
        let now = self.clock.now();
        if self.verifier.expire(now).is_none() {
            return;
        }
        let (store, recorder) = (self.store.clone(), self.recorder.clone());
        let written = tokio::task::spawn_blocking(move || store.write(|tx| Ok(end_expired(&recorder, tx, now)?))).await;
        match written {
            Ok(Ok(())) => {}
            // Refused all the same: the verifier holds it as ended until the process ends.
            Ok(Err(error)) => tracing::warn!(%error, "an expired key could not be marked as ended"),
            Err(error) => tracing::warn!(%error, "marking an expired key as ended broke"),
        }
        self.changes.tell(Change::Keys);
    }
}

fn end_expired(recorder: &Recorder, tx: &Transaction<'_>, now: UnixMs) -> rusqlite::Result<()> {
    if let Some(ended) = rows::end_expired(tx, now)? {
        recorder.append(tx, &done(Kind::KeyExpired, &ended, json!({})))?;
    }
    Ok(())
}

fn done(kind: Kind, key: &KeyId, detail: serde_json::Value) -> Entry<'_> {
    Entry { kind, subject: &key.0, outcome: Came::Done, detail }
}

impl Refusal {
    /// The stable word for this refusal, on the wire and in the counters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::Unknown => "invalid_key",
            Self::Ended(Ending::Expired) => "expired_key",
            Self::Ended(Ending::Replaced) => "replaced_key",
            Self::Ended(Ending::Revoked) => "revoked_key",
        }
    }
}
