//! Queries on `integrations` and `default_integrations`.

use atthene_core::activity::Entry;
use atthene_core::integrations::{Check, Integration, IntegrationId, Redirect, StoredSecret};
use atthene_core::port::{IntegrationRows, IntegrationSaved, SecretStep};
use atthene_core::provider::Provider;
use atthene_core::{StoreError, UnixMs};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;

use super::database::Postgres;
use super::db::{Db, get};
use super::fault::{Fault, word};
use super::revisions::Topic;
use super::unsettled;

const COLUMNS: &str = "id, name, client_id, authority, scopes, way_back, secret, secret_expires_at, created_at, \
                       checked_at, check_problem";

/// Where an integration leads is where its connections lead.
const WITH_CONNECTIONS: &[Topic] = &[Topic::Connections, Topic::Integrations];

pub(super) fn all(db: &Db<'_>) -> Result<Vec<Integration>, Fault> {
    db.rows(&format!("SELECT {COLUMNS} FROM integrations ORDER BY created_at, n"), &[])?
        .iter()
        .map(integration)
        .collect()
}

pub(super) fn by_id(db: &Db<'_>, id: &IntegrationId) -> Result<Option<Integration>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM integrations WHERE id = $1");
    db.row(&sql, &[&id.as_str()])?.as_ref().map(integration).transpose()
}

/// Who else has this name, in any case.
fn named(db: &Db<'_>, name: &str) -> Result<Option<IntegrationId>, Fault> {
    let row = db.row("SELECT id FROM integrations WHERE name_key = $1", &[&key(name)])?;
    row.map(|row| Ok(IntegrationId::from_row(get(&row, "id")?))).transpose()
}

/// Inserts the row, or changes the one of the same id.
pub(super) fn save(db: &Db<'_>, row: &Integration) -> Result<(), Fault> {
    db.run(
        "INSERT INTO integrations (id, provider, name, name_key, client_id, authority, scopes, way_back, secret,
                                   secret_expires_at, created_at, checked_at, check_problem)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (id) DO UPDATE SET
           name = excluded.name, name_key = excluded.name_key, client_id = excluded.client_id,
           authority = excluded.authority, scopes = excluded.scopes, way_back = excluded.way_back,
           secret = excluded.secret, secret_expires_at = excluded.secret_expires_at,
           checked_at = excluded.checked_at, check_problem = excluded.check_problem",
        &[
            &row.id.as_str(),
            &row.authority.provider().as_str(),
            &row.name,
            &key(&row.name),
            &row.client_id.as_str(),
            &to_json(&row.authority)?,
            &row.scopes.join(" "),
            &to_json(&row.redirect)?,
            &row.secret.as_str(),
            &row.secret_expires_at.map(|at| at.0),
            &row.created_at.0,
            &row.check.as_ref().map(|check| check.at.0),
            &row.check.as_ref().and_then(|check| check.problem.as_deref()),
        ],
    )
    .map(drop)
}

/// One of a provider at the most.
pub(super) fn defaults(db: &Db<'_>) -> Result<Vec<IntegrationId>, Fault> {
    let rows = db.rows("SELECT integration_id FROM default_integrations ORDER BY provider", &[])?;
    rows.iter().map(|row| Ok(IntegrationId::from_row(get(row, "integration_id")?))).collect()
}

/// `None`: the built-in one.
fn set_default(db: &Db<'_>, of: Provider, id: Option<&IntegrationId>) -> Result<(), Fault> {
    match id {
        Some(id) => db.run(
            "INSERT INTO default_integrations VALUES ($1, $2)
             ON CONFLICT (provider) DO UPDATE SET integration_id = excluded.integration_id",
            &[&of.as_str(), &id.as_str()],
        )?,
        None => db.run("DELETE FROM default_integrations WHERE provider = $1", &[&of.as_str()])?,
    };
    Ok(())
}

fn key(name: &str) -> String {
    name.to_lowercase()
}

fn integration(row: &Row) -> Result<Integration, Fault> {
    Ok(Integration {
        id: IntegrationId::from_row(get(row, "id")?),
        name: get(row, "name")?,
        client_id: from_json(&serde_json::Value::String(get(row, "client_id")?).to_string())?,
        authority: from_json(get(row, "authority")?)?,
        scopes: get::<&str>(row, "scopes")?.split_whitespace().map(str::to_owned).collect(),
        redirect: from_json(get(row, "way_back")?)?,
        secret: word(get(row, "secret")?, StoredSecret::known)?,
        secret_expires_at: get::<Option<i64>>(row, "secret_expires_at")?.map(UnixMs),
        created_at: UnixMs(get(row, "created_at")?),
        check: match get::<Option<i64>>(row, "checked_at")? {
            Some(at) => Some(Check { at: UnixMs(at), problem: get(row, "check_problem")? }),
            None => None,
        },
    })
}

fn to_json(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::Unreadable(error.to_string()))
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::Unreadable(format!("a row can't be read: {error}")))
}

/// Ends every sign-in through an integration.
fn end_sign_ins(db: &Db<'_>, integration: &IntegrationId, problem: &str) -> Result<(), Fault> {
    db.run(
        "UPDATE connections SET state = 'needs_sign_in', problem = $2 WHERE integration_id = $1",
        &[&integration.as_str(), &problem],
    )
    .map(drop)
}

/// What another integration has already. A page passes answers on to one integration: shared by two, an
/// authority could pass an attempt of its own off as one of the other's.
fn taken(db: &Db<'_>, row: &Integration) -> Result<Option<IntegrationSaved>, Fault> {
    if named(db, &row.name)?.is_some_and(|other| other != row.id) {
        return Ok(Some(IntegrationSaved::NameTaken));
    }
    let has_page = matches!(row.redirect, Redirect::Page { .. });
    let shared = has_page && all(db)?.iter().any(|other| other.id != row.id && other.redirect == row.redirect);
    Ok(shared.then_some(IntegrationSaved::PageTaken))
}

impl IntegrationRows for Postgres {
    fn integrations(&self) -> Result<(Vec<Integration>, Vec<IntegrationId>), StoreError> {
        self.view(|db| Ok((all(db)?, defaults(db)?)))
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
        self.write(WITH_CONNECTIONS, |unit| {
            if let Some(taken) = taken(unit, row)? {
                return Ok(Some(taken));
            }
            if !unsettled::advance(unit, self.host().id(), step)? {
                return Ok(None);
            }
            let of = row.authority.provider();
            let is_first = default_if_first && all(unit)?.iter().all(|other| other.authority.provider() != of);
            save(unit, row)?;
            if let Some(problem) = ends {
                end_sign_ins(unit, &row.id, problem)?;
            }
            if is_first {
                set_default(unit, of, Some(&row.id))?;
            }
            unit.record(entry);
            Ok(Some(IntegrationSaved::Saved))
        })
    }

    fn record_preflight(&self, of: Option<(&IntegrationId, &Check)>, entry: &Entry<'_>) -> Result<(), StoreError> {
        self.write(&[Topic::Integrations], |unit| {
            if let Some((id, check)) = of {
                unit.run(
                    "UPDATE integrations SET checked_at = $2, check_problem = $3 WHERE id = $1",
                    &[&id.as_str(), &check.at.0, &check.problem],
                )?;
            }
            unit.record(entry);
            Ok(())
        })
    }

    fn set_secret(
        &self,
        id: &IntegrationId,
        secret: StoredSecret,
        entry: Option<&Entry<'_>>,
    ) -> Result<(), StoreError> {
        self.write(WITH_CONNECTIONS, |unit| {
            unit.run("UPDATE integrations SET secret = $2 WHERE id = $1", &[&id.as_str(), &secret.as_str()])?;
            if let Some(entry) = entry {
                unit.record(entry);
            }
            Ok(())
        })
    }

    fn delete_integration(
        &self,
        id: &IntegrationId,
        step: SecretStep<'_>,
        entry: &Entry<'_>,
    ) -> Result<bool, StoreError> {
        self.write(WITH_CONNECTIONS, |unit| {
            let was_there = unit.run("DELETE FROM integrations WHERE id = $1", &[&id.as_str()])? > 0;
            unsettled::deleted(unit, self.host().id(), was_there, step, entry)
        })
    }

    fn set_default(&self, of: Provider, id: Option<&IntegrationId>, entry: &Entry<'_>) -> Result<(), StoreError> {
        self.write(&[Topic::Integrations], |unit| {
            set_default(unit, of, id)?;
            unit.record(entry);
            Ok(())
        })
    }
}
