//! Queries on `integrations` and `default_integrations`.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use atthene_core::activity::Entry;
use atthene_core::integrations::{Check, Integration, IntegrationId, Redirect, StoredSecret};
use atthene_core::port::{IntegrationRows, IntegrationSaved, SecretStep};
use atthene_core::provider::Provider;
use atthene_core::{StoreError, UnixMs};

use super::database::Sqlite;
use super::error::word;
use super::{activity, unsettled};

const COLUMNS: &str = "id, name, client_id, authority, scopes, way_back, secret, secret_expires_at, created_at, \
                       checked_at, check_problem";

pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Integration>> {
    let sql = format!("SELECT {COLUMNS} FROM integrations ORDER BY created_at, rowid");
    connection.prepare_cached(&sql)?.query_map([], integration)?.collect()
}

pub(super) fn by_id(connection: &Connection, id: &IntegrationId) -> rusqlite::Result<Option<Integration>> {
    let sql = format!("SELECT {COLUMNS} FROM integrations WHERE id = ?1");
    connection.prepare_cached(&sql)?.query_row([id.as_str()], integration).optional()
}

/// Who else has this name, in any case.
fn named(connection: &Connection, name: &str) -> rusqlite::Result<Option<IntegrationId>> {
    connection
        .prepare_cached("SELECT id FROM integrations WHERE name_key = ?1")?
        .query_row([key(name)], |row| Ok(IntegrationId::from_row(row.get(0)?)))
        .optional()
}

/// Inserts the row, or changes the one of the same id.
pub(super) fn save(connection: &Connection, row: &Integration) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO integrations (id, provider, name, name_key, client_id, authority, scopes, way_back, secret,
                                   secret_expires_at, created_at, checked_at, check_problem)
         VALUES (:id, :provider, :name, :name_key, :client_id, :authority, :scopes, :way_back, :secret,
                 :secret_expires_at, :created_at, :checked_at, :check_problem)
         ON CONFLICT (id) DO UPDATE SET
           name = excluded.name, name_key = excluded.name_key, client_id = excluded.client_id,
           authority = excluded.authority, scopes = excluded.scopes, way_back = excluded.way_back,
           secret = excluded.secret, secret_expires_at = excluded.secret_expires_at,
           checked_at = excluded.checked_at, check_problem = excluded.check_problem",
        named_params! {
            ":id": row.id.as_str(),
            ":provider": row.authority.provider().as_str(),
            ":name": row.name,
            ":name_key": key(&row.name),
            ":client_id": row.client_id.as_str(),
            ":authority": to_json(&row.authority)?,
            ":scopes": row.scopes.join(" "),
            ":way_back": to_json(&row.redirect)?,
            ":secret": row.secret.as_str(),
            ":secret_expires_at": row.secret_expires_at.map(|at| at.0),
            ":created_at": row.created_at.0,
            ":checked_at": row.check.as_ref().map(|check| check.at.0),
            ":check_problem": row.check.as_ref().and_then(|check| check.problem.as_deref()),
        },
    )?;
    Ok(())
}

fn set_check(connection: &Connection, id: &IntegrationId, check: &Check) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE integrations SET checked_at = ?2, check_problem = ?3 WHERE id = ?1",
        params![id.as_str(), check.at.0, check.problem],
    )?;
    Ok(())
}

fn set_secret(connection: &Connection, id: &IntegrationId, secret: StoredSecret) -> rusqlite::Result<()> {
    connection.execute("UPDATE integrations SET secret = ?2 WHERE id = ?1", params![id.as_str(), secret.as_str()])?;
    Ok(())
}

/// Whether there was such a row.
fn delete(connection: &Connection, id: &IntegrationId) -> rusqlite::Result<bool> {
    Ok(connection.execute("DELETE FROM integrations WHERE id = ?1", [id.as_str()])? > 0)
}

/// One of a provider at the most.
pub(super) fn defaults(connection: &Connection) -> rusqlite::Result<Vec<IntegrationId>> {
    connection
        .prepare_cached("SELECT integration_id FROM default_integrations ORDER BY provider")?
        .query_map([], |row| Ok(IntegrationId::from_row(row.get(0)?)))?
        .collect()
}

/// `None`: the built-in one.
fn set_default(connection: &Connection, of: Provider, id: Option<&IntegrationId>) -> rusqlite::Result<()> {
    match id {
        Some(id) => connection.execute(
            "INSERT INTO default_integrations VALUES (?1, ?2)
             ON CONFLICT (provider) DO UPDATE SET integration_id = excluded.integration_id",
            [of.as_str(), id.as_str()],
        )?,
        None => connection.execute("DELETE FROM default_integrations WHERE provider = ?1", [of.as_str()])?,
    };
    Ok(())
}

fn key(name: &str) -> String {
    name.to_lowercase()
}

fn integration(row: &Row<'_>) -> rusqlite::Result<Integration> {
    let scopes: String = row.get(4)?;
    let secret: String = row.get(6)?;
    let checked_at: Option<i64> = row.get(9)?;
    Ok(Integration {
        id: IntegrationId::from_row(row.get(0)?),
        name: row.get(1)?,
        client_id: from_json(2, &serde_json::Value::String(row.get(2)?).to_string())?,
        authority: from_json(3, &row.get::<_, String>(3)?)?,
        scopes: scopes.split_whitespace().map(str::to_owned).collect(),
        redirect: from_json(5, &row.get::<_, String>(5)?)?,
        secret: word(6, &secret, StoredSecret::known)?,
        secret_expires_at: row.get::<_, Option<i64>>(7)?.map(UnixMs),
        created_at: UnixMs(row.get(8)?),
        check: match checked_at {
            Some(at) => Some(Check { at: UnixMs(at), problem: row.get(10)? }),
            None => None,
        },
    })
}

fn to_json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn from_json<T: DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

/// Ends every sign-in through an integration.
fn end_sign_ins(db: &Connection, integration: &IntegrationId, problem: &str) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE connections SET state = 'needs_sign_in', problem = ?2 WHERE integration_id = ?1",
        params![integration.as_str(), problem],
    )?;
    Ok(())
}

/// What another integration has already. A page passes answers on to one integration: shared by two, an
/// authority could pass an attempt of its own off as one of the other's.
fn taken(db: &Connection, row: &Integration) -> rusqlite::Result<Option<IntegrationSaved>> {
    if named(db, &row.name)?.is_some_and(|other| other != row.id) {
        return Ok(Some(IntegrationSaved::NameTaken));
    }
    let has_page = matches!(row.redirect, Redirect::Page { .. });
    let shared = has_page && all(db)?.iter().any(|other| other.id != row.id && other.redirect == row.redirect);
    Ok(shared.then_some(IntegrationSaved::PageTaken))
}

impl IntegrationRows for Sqlite {
    fn integrations(&self) -> Result<(Vec<Integration>, Vec<IntegrationId>), StoreError> {
        self.read(|db| Ok((all(db)?, defaults(db)?)))
    }

    fn integration(&self, id: &IntegrationId) -> Result<Option<Integration>, StoreError> {
        self.read(|db| by_id(db, id))
    }

    fn save_integration(
        &self,
        row: &Integration,
        default_if_first: bool,
        ends: Option<&str>,
        step: SecretStep<'_>,
        entry: &Entry<'_>,
    ) -> Result<Option<IntegrationSaved>, StoreError> {
        self.write(|tx| {
            if let Some(taken) = taken(tx, row)? {
                return Ok(Some(taken));
            }
            if !unsettled::advance(tx, step)? {
                return Ok(None);
            }
            let of = row.authority.provider();
            let is_first = default_if_first && all(tx)?.iter().all(|other| other.authority.provider() != of);
            save(tx, row)?;
            if let Some(problem) = ends {
                end_sign_ins(tx, &row.id, problem)?;
            }
            if is_first {
                set_default(tx, of, Some(&row.id))?;
            }
            activity::append(tx, entry)?;
            Ok(Some(IntegrationSaved::Saved))
        })
    }

    fn record_preflight(&self, of: Option<(&IntegrationId, &Check)>, entry: &Entry<'_>) -> Result<(), StoreError> {
        self.write(|tx| {
            if let Some((id, check)) = of {
                set_check(tx, id, check)?;
            }
            activity::append(tx, entry)
        })
    }

    fn set_secret(
        &self,
        id: &IntegrationId,
        secret: StoredSecret,
        entry: Option<&Entry<'_>>,
    ) -> Result<(), StoreError> {
        self.write(|tx| {
            set_secret(tx, id, secret)?;
            entry.map_or(Ok(()), |entry| activity::append(tx, entry))
        })
    }

    fn delete_integration(
        &self,
        id: &IntegrationId,
        step: SecretStep<'_>,
        entry: &Entry<'_>,
    ) -> Result<bool, StoreError> {
        self.write(|tx| unsettled::deleted(tx, delete(tx, id)?, step, entry))
    }

    fn set_default(&self, of: Provider, id: Option<&IntegrationId>, entry: &Entry<'_>) -> Result<(), StoreError> {
        self.write(|tx| {
            set_default(tx, of, id)?;
            activity::append(tx, entry)
        })
    }
}
