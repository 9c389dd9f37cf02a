//! Queries on `api_keys` and `key_uses`.

use atthene_core::activity::{ActOutcome, Kind, Recorder};
use atthene_core::keys::{Ending, HashedKey, KeyId, KeyRecord, RevokeReason, Use};
use atthene_core::port::{KeyCreation, KeyRevocation, KeyRows};
use atthene_core::{StoreError, UnixMs};
use serde_json::json;
use tokio_postgres::Row;

use super::database::{Postgres, Unit};
use super::db::{Db, count, get};
use super::fault::{Fault, word};
use super::revisions::Topic;

/// A key with what all hosts have seen of it.
const RECORDS: &str = "
    SELECT id, name, note, hash, last_four, created_at, expires_at, ended_at, ended_as, ended_by_update,
           uses.requests, first_used_at, first_used_by, last_used_at, last_used_by
    FROM api_keys, LATERAL (
      SELECT coalesce(sum(requests), 0)::bigint AS requests,
             min(first_used_at) AS first_used_at,
             (array_agg(first_used_by ORDER BY first_used_at, host))[1] AS first_used_by,
             max(last_used_at) AS last_used_at,
             (array_agg(last_used_by ORDER BY last_used_at DESC, host))[1] AS last_used_by
      FROM key_uses WHERE key_id = api_keys.id) uses";

/// The form of the texts that are made and read now: with check characters that are a MAC.
const FORM: i64 = 2;

fn all(db: &Db<'_>) -> Result<Vec<KeyRecord>, Fault> {
    let rows = db.rows(&format!("{RECORDS} ORDER BY created_at DESC, n DESC"), &[])?;
    rows.iter().map(record).collect()
}

fn by_id(db: &Db<'_>, id: &KeyId) -> Result<Option<KeyRecord>, Fault> {
    db.row(&format!("{RECORDS} WHERE id = $1"), &[&&*id.0])?.as_ref().map(record).transpose()
}

fn hashed(db: &Db<'_>) -> Result<Vec<HashedKey>, Fault> {
    let rows = db.rows("SELECT id, hash, expires_at, ended_as FROM api_keys", &[])?;
    let row = |row: &Row| {
        Ok(HashedKey {
            id: id_of(row)?,
            hash: get::<&str>(row, "hash")?.into(),
            expires_at: get::<Option<i64>>(row, "expires_at")?.map(UnixMs),
            ending: get::<Option<&str>>(row, "ended_as")?.map(|text| word(text, Ending::known)).transpose()?,
        })
    };
    rows.iter().map(row).collect()
}

fn id_of(row: &Row) -> Result<KeyId, Fault> {
    Ok(KeyId(get::<&str>(row, "id")?.into()))
}

/// As it stands in counters: empty where the caller proved to hold none.
pub(super) fn id_or_none(key: Option<&KeyId>) -> &str {
    key.map_or("", |key| &key.0)
}

fn live_id(db: &Db<'_>) -> Result<Option<KeyId>, Fault> {
    db.row("SELECT id FROM api_keys WHERE ended_at IS NULL", &[])?.as_ref().map(id_of).transpose()
}

/// Ends the live key if its text is of an earlier form; tells which one that was.
fn end_old_form(db: &Db<'_>, now: UnixMs) -> Result<Option<KeyId>, Fault> {
    let sql = "UPDATE api_keys SET ended_at = $1, ended_as = 'revoked', ended_by_update = true
               WHERE ended_at IS NULL AND form < $2 RETURNING id";
    db.row(sql, &[&now.0, &FORM])?.as_ref().map(id_of).transpose()
}

fn insert(db: &Db<'_>, key: &KeyRecord) -> Result<(), Fault> {
    db.run(
        "INSERT INTO api_keys (id, name, hash, last_four, created_at, expires_at, form)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            &&*key.id.0,
            &key.name,
            &&*key.hash,
            &key.last_four,
            &key.created_at.0,
            &key.expires_at.map(|at| at.0),
            &FORM,
        ],
    )
    .map(drop)
}

/// Ends the key if it is live; says whether it was.
fn end(db: &Db<'_>, id: &KeyId, at: UnixMs, ending: Ending) -> Result<bool, Fault> {
    let changed = db.run(
        "UPDATE api_keys SET ended_at = $2, ended_as = $3 WHERE id = $1 AND ended_at IS NULL",
        &[&&*id.0, &at.0, &ending.as_str()],
    )?;
    Ok(changed > 0)
}

/// Ends the live key if its time has run out, recorded.
fn end_expired(unit: &Unit<'_>, now: UnixMs, recorder: &Recorder) -> Result<(), Fault> {
    let ended = unit.row(
        "UPDATE api_keys SET ended_at = expires_at, ended_as = 'expired'
         WHERE ended_at IS NULL AND expires_at <= $1 RETURNING id",
        &[&now.0],
    )?;
    if let Some(row) = ended {
        unit.record(&recorder.entry(Kind::KeyExpired, &id_of(&row)?.0, ActOutcome::Done, json!({})));
    }
    Ok(())
}

/// Adds answered calls to what this host has seen of the key.
pub(super) fn add_uses(db: &Db<'_>, host: &str, id: &str, calls: u64, first: &Use, last: &Use) -> Result<(), Fault> {
    db.run(
        "INSERT INTO key_uses SELECT id, $2, $3, $4, $5, $6, $7 FROM api_keys WHERE id = $1
         ON CONFLICT (key_id, host) DO UPDATE SET
           requests = key_uses.requests + excluded.requests,
           last_used_by = CASE WHEN key_uses.last_used_at <= excluded.last_used_at THEN excluded.last_used_by
                          ELSE key_uses.last_used_by END,
           last_used_at = greatest(key_uses.last_used_at, excluded.last_used_at)",
        &[&id, &host, &calls.cast_signed(), &first.at.0, &first.by, &last.at.0, &last.by],
    )
    .map(drop)
}

fn record(row: &Row) -> Result<KeyRecord, Fault> {
    let at = |name: &str| -> Result<Option<UnixMs>, Fault> { Ok(get::<Option<i64>>(row, name)?.map(UnixMs)) };
    let usage = |at_name: &str, by_name: &str| -> Result<Option<Use>, Fault> {
        let by: Option<String> = get(row, by_name)?;
        Ok(at(at_name)?.map(|at| Use { at, by: by.unwrap_or_default() }))
    };
    let ended = match (at("ended_at")?, get::<Option<&str>>(row, "ended_as")?) {
        (Some(at), Some(text)) => Some((at, word(text, Ending::known)?)),
        _ => None,
    };
    Ok(KeyRecord {
        id: id_of(row)?,
        name: get(row, "name")?,
        note: get(row, "note")?,
        hash: get::<&str>(row, "hash")?.into(),
        last_four: get(row, "last_four")?,
        created_at: UnixMs(get(row, "created_at")?),
        expires_at: at("expires_at")?,
        ended,
        ended_by_update: get(row, "ended_by_update")?,
        first_used: usage("first_used_at", "first_used_by")?,
        last_used: usage("last_used_at", "last_used_by")?,
        requests: count(row, "requests")?,
    })
}

impl KeyRows for Postgres {
    fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        self.read(all)
    }

    fn hashed_keys(&self) -> Result<Vec<HashedKey>, StoreError> {
        self.read(hashed)
    }

    fn key(&self, id: &KeyId) -> Result<Option<KeyRecord>, StoreError> {
        self.read(|db| by_id(db, id))
    }

    fn create_key(
        &self,
        key: &KeyRecord,
        replaces: Option<&KeyId>,
        recorder: &Recorder,
    ) -> Result<KeyCreation, StoreError> {
        self.write(&[Topic::Keys], |unit| {
            end_expired(unit, key.created_at, recorder)?;
            let live = live_id(unit)?;
            if live.is_some() && live.as_ref() != replaces {
                return Ok(KeyCreation::LiveIsAnother);
            }
            if let Some(live) = &live {
                end(unit, live, key.created_at, Ending::Replaced)?;
            }
            insert(unit, key)?;
            let detail = json!({ "name": key.name, "expires_at": key.expires_at, "replaces": live });
            unit.record(&recorder.entry(Kind::KeyCreated, &key.id.0, ActOutcome::Done, detail));
            Ok(KeyCreation::Created)
        })
    }

    fn revoke_key(
        &self,
        id: &KeyId,
        at: UnixMs,
        reason: Option<RevokeReason>,
        recorder: &Recorder,
    ) -> Result<KeyRevocation, StoreError> {
        self.write(&[Topic::Keys], |unit| {
            end_expired(unit, at, recorder)?;
            let is_revoked = end(unit, id, at, Ending::Revoked)?;
            let Some(key) = by_id(unit, id)? else { return Ok(KeyRevocation::NotFound) };
            if !is_revoked {
                return Ok(KeyRevocation::EndedBefore);
            }
            let detail = json!({ "name": key.name, "reason": reason });
            unit.record(&recorder.entry(Kind::KeyRevoked, &id.0, ActOutcome::Done, detail));
            Ok(KeyRevocation::Revoked(Box::new(key)))
        })
    }

    fn describe_key(
        &self,
        id: &KeyId,
        name: &str,
        note: &str,
        recorder: &Recorder,
    ) -> Result<Option<KeyRecord>, StoreError> {
        self.write(&[Topic::Keys], |unit| {
            let Some(before) = by_id(unit, id)? else { return Ok(None) };
            if (before.name.as_str(), before.note.as_str()) != (name, note) {
                unit.run("UPDATE api_keys SET name = $2, note = $3 WHERE id = $1", &[&&*id.0, &name, &note])?;
                let detail = json!({ "name": name, "was": before.name, "note": note });
                unit.record(&recorder.entry(Kind::KeyDescribed, &id.0, ActOutcome::Done, detail));
            }
            by_id(unit, id)
        })
    }

    fn end_expired_key(&self, now: UnixMs, recorder: &Recorder) -> Result<(), StoreError> {
        self.write(&[Topic::Keys], |unit| end_expired(unit, now, recorder))
    }

    fn end_key_of_earlier_form(&self, now: UnixMs, recorder: &Recorder) -> Result<(), StoreError> {
        self.write(&[Topic::Keys], |unit| {
            if let Some(id) = end_old_form(unit, now)? {
                unit.record(&recorder.entry(Kind::KeyEndedByUpdate, &id.0, ActOutcome::Done, json!({})));
            }
            Ok(())
        })
    }
}
