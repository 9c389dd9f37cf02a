//! Queries on `api_keys`.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use atthene_core::activity::{ActOutcome, Kind, Recorder};
use atthene_core::keys::{Ending, HashedKey, KeyId, KeyRecord, RevokeReason, Use};
use atthene_core::port::{KeyCreation, KeyRevocation, KeyRows};
use atthene_core::{StoreError, UnixMs};
use serde_json::json;

use super::activity;
use super::database::Sqlite;

const COLUMNS: &str = "id, name, hash, last_four, created_at, expires_at, ended_at, ended_as, \
                       first_used_at, first_used_by, last_used_at, last_used_by, requests, ended_by_update, note";

/// The form of the texts that are made and read now: with check characters that are a MAC.
const FORM: i64 = 2;

fn all(connection: &Connection) -> rusqlite::Result<Vec<KeyRecord>> {
    let sql = format!("SELECT {COLUMNS} FROM api_keys ORDER BY created_at DESC, rowid DESC");
    connection.prepare_cached(&sql)?.query_map([], record)?.collect()
}

fn hashed(connection: &Connection) -> rusqlite::Result<Vec<HashedKey>> {
    let row = |row: &Row<'_>| {
        Ok(HashedKey {
            id: KeyId(row.get::<_, String>(0)?.into()),
            hash: row.get::<_, String>(1)?.into(),
            expires_at: row.get::<_, Option<i64>>(2)?.map(UnixMs),
            ending: row
                .get::<_, Option<String>>(3)?
                .map(|word| super::error::word(3, &word, Ending::known))
                .transpose()?,
        })
    };
    connection.prepare_cached("SELECT id, hash, expires_at, ended_as FROM api_keys")?.query_map([], row)?.collect()
}

fn by_id(connection: &Connection, id: &KeyId) -> rusqlite::Result<Option<KeyRecord>> {
    let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE id = ?1");
    connection.prepare_cached(&sql)?.query_row([&*id.0], record).optional()
}

fn live_id(connection: &Connection) -> rusqlite::Result<Option<KeyId>> {
    connection
        .prepare_cached("SELECT id FROM api_keys WHERE ended_at IS NULL")?
        .query_row([], |row| Ok(KeyId(row.get::<_, String>(0)?.into())))
        .optional()
}

/// Ends the live key if its text is of an earlier form; tells which one that was.
fn end_old_form(connection: &Connection, now: UnixMs) -> rusqlite::Result<Option<KeyId>> {
    connection
        .query_row(
            "UPDATE api_keys SET ended_at = ?1, ended_as = 'revoked', ended_by_update = 1
             WHERE ended_at IS NULL AND form < ?2 RETURNING id",
            params![now.0, FORM],
            |row| Ok(KeyId(row.get::<_, String>(0)?.into())),
        )
        .optional()
}

fn insert(connection: &Connection, key: &KeyRecord) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO api_keys (id, name, hash, last_four, created_at, expires_at, form)
         VALUES (:id, :name, :hash, :last_four, :created_at, :expires_at, :form)",
        named_params! {
            ":id": &*key.id.0,
            ":name": key.name,
            ":hash": &*key.hash,
            ":last_four": key.last_four,
            ":created_at": key.created_at.0,
            ":expires_at": key.expires_at.map(|at| at.0),
            ":form": FORM,
        },
    )?;
    Ok(())
}

/// Ends the key if it is live; says whether it was.
fn end(connection: &Connection, id: &KeyId, at: UnixMs, ending: Ending) -> rusqlite::Result<bool> {
    let changed = connection.execute(
        "UPDATE api_keys SET ended_at = ?2, ended_as = ?3 WHERE id = ?1 AND ended_at IS NULL",
        params![&*id.0, at.0, ending.as_str()],
    )?;
    Ok(changed > 0)
}

/// Ends the live key if its time has run out, recorded.
fn end_expired(connection: &Connection, now: UnixMs, recorder: &Recorder) -> rusqlite::Result<()> {
    let ended: Option<KeyId> = connection
        .prepare_cached(
            "UPDATE api_keys SET ended_at = expires_at, ended_as = 'expired'
             WHERE ended_at IS NULL AND expires_at <= ?1 RETURNING id",
        )?
        .query_row([now.0], |row| Ok(KeyId(row.get::<_, String>(0)?.into())))
        .optional()?;
    match ended {
        Some(id) => activity::append(connection, &recorder.entry(Kind::KeyExpired, &id.0, ActOutcome::Done, json!({}))),
        None => Ok(()),
    }
}

/// Adds answered calls to the key's row.
pub(super) fn count(connection: &Connection, id: &str, requests: u64, first: &Use, last: &Use) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE api_keys SET
               requests = requests + :requests,
               first_used_by = CASE WHEN first_used_at IS NULL THEN :first_by ELSE first_used_by END,
               first_used_at = coalesce(first_used_at, :first_at),
               last_used_by = CASE WHEN coalesce(last_used_at, 0) <= :last_at THEN :last_by ELSE last_used_by END,
               last_used_at = max(coalesce(last_used_at, 0), :last_at)
             WHERE id = :id",
        )?
        .execute(named_params! {
            ":id": id,
            ":requests": requests.cast_signed(),
            ":first_at": first.at.0,
            ":first_by": first.by,
            ":last_at": last.at.0,
            ":last_by": last.by,
        })?;
    Ok(())
}

fn record(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    let at = |name: &str| -> rusqlite::Result<Option<UnixMs>> { Ok(row.get::<_, Option<i64>>(name)?.map(UnixMs)) };
    let usage = |at_name: &str, by_name: &str| -> rusqlite::Result<Option<Use>> {
        let by: Option<String> = row.get(by_name)?;
        Ok(at(at_name)?.map(|at| Use { at, by: by.unwrap_or_default() }))
    };
    let ended = match (at("ended_at")?, row.get::<_, Option<String>>("ended_as")?) {
        (Some(at), Some(word)) => Some((at, super::error::word(7, &word, Ending::known)?)),
        _ => None,
    };
    Ok(KeyRecord {
        id: KeyId(row.get::<_, String>("id")?.into()),
        name: row.get("name")?,
        note: row.get("note")?,
        hash: row.get::<_, String>("hash")?.into(),
        last_four: row.get("last_four")?,
        created_at: UnixMs(row.get("created_at")?),
        expires_at: at("expires_at")?,
        ended,
        ended_by_update: row.get("ended_by_update")?,
        first_used: usage("first_used_at", "first_used_by")?,
        last_used: usage("last_used_at", "last_used_by")?,
        requests: row.get::<_, i64>("requests")?.cast_unsigned(),
    })
}

impl KeyRows for Sqlite {
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
        self.write(|tx| {
            end_expired(tx, key.created_at, recorder)?;
            let live = live_id(tx)?;
            if live.is_some() && live.as_ref() != replaces {
                return Ok(KeyCreation::LiveIsAnother);
            }
            if let Some(live) = &live {
                end(tx, live, key.created_at, Ending::Replaced)?;
            }
            insert(tx, key)?;
            let detail = json!({ "name": key.name, "expires_at": key.expires_at, "replaces": live });
            activity::append(tx, &recorder.entry(Kind::KeyCreated, &key.id.0, ActOutcome::Done, detail))?;
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
        self.write_ending(|tx| {
            end_expired(tx, at, recorder)?;
            let is_revoked = end(tx, id, at, Ending::Revoked)?;
            let Some(key) = by_id(tx, id)? else { return Ok(KeyRevocation::NotFound) };
            if !is_revoked {
                return Ok(KeyRevocation::EndedBefore);
            }
            let detail = json!({ "name": key.name, "reason": reason });
            activity::append(tx, &recorder.entry(Kind::KeyRevoked, &id.0, ActOutcome::Done, detail))?;
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
        self.write(|tx| {
            let Some(before) = by_id(tx, id)? else { return Ok(None) };
            if (before.name.as_str(), before.note.as_str()) != (name, note) {
                tx.execute("UPDATE api_keys SET name = ?2, note = ?3 WHERE id = ?1", params![&*id.0, name, note])?;
                let detail = json!({ "name": name, "was": before.name, "note": note });
                activity::append(tx, &recorder.entry(Kind::KeyDescribed, &id.0, ActOutcome::Done, detail))?;
            }
            by_id(tx, id)
        })
    }

    fn end_expired_key(&self, now: UnixMs, recorder: &Recorder) -> Result<(), StoreError> {
        self.write_ending(|tx| end_expired(tx, now, recorder))
    }

    fn end_key_of_earlier_form(&self, now: UnixMs, recorder: &Recorder) -> Result<(), StoreError> {
        self.write(|tx| match end_old_form(tx, now)? {
            Some(id) => {
                activity::append(tx, &recorder.entry(Kind::KeyEndedByUpdate, &id.0, ActOutcome::Done, json!({})))
            }
            None => Ok(()),
        })
    }
}
