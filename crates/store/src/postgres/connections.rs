//! Queries on `connections`.

use atthene_core::activity::Entry;
use atthene_core::bound::Recipient;
use atthene_core::connections::{
    Account, Connection, ConnectionId, ConnectionState, PersistedSignIn, Revision, SignInId, Standing, Toolkit,
};
use atthene_core::integrations::IntegrationId;
use atthene_core::permissions::{GraphReach, Permission, Permissions};
use atthene_core::port::{ConnectionRows, Refreshed, RenewedAccess, SecretStep, SignInKept, UnderLease};
use atthene_core::{StoreError, UnixMs};
use tokio_postgres::Row;

use super::database::Postgres;
use super::db::{Db, get};
use super::fault::{Fault, word};
use super::revisions::{self, Topic};
use super::{approvals, integrations, leases, sign_ins, unsettled};

const COLUMNS: &str = "id, integration_id, toolkit, oid, tid, account, asked, granted, confidential, state, problem, \
                       signed_in_at, refreshed_at, used_at, revision, challenge, may_read, may_draft, \
                       may_send, may_delete, graph_reach, may_have_token";

pub(super) fn all(db: &Db<'_>) -> Result<Vec<Connection>, Fault> {
    db.rows(&format!("SELECT {COLUMNS} FROM connections ORDER BY toolkit, account, n"), &[])?
        .iter()
        .map(connection)
        .collect()
}

fn by_id(db: &Db<'_>, id: &ConnectionId) -> Result<Option<Connection>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM connections WHERE id = $1");
    db.row(&sql, &[&id.as_str()])?.as_ref().map(connection).transpose()
}

/// Inserts the row, or changes the one of the same id.
pub(super) fn save(db: &Db<'_>, row: &Connection) -> Result<(), Fault> {
    db.run(
        "INSERT INTO connections (id, integration_id, toolkit, oid, tid, account, asked, granted, confidential, state,
                                  problem, signed_in_at, refreshed_at, used_at, may_read, may_draft, may_send,
                                  may_delete, graph_reach, may_have_token)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
         -- Whoever signs in again changes nothing of what an administrator permits.
         ON CONFLICT (id) DO UPDATE SET
           integration_id = excluded.integration_id, oid = excluded.oid, tid = excluded.tid,
           account = excluded.account, asked = excluded.asked, granted = excluded.granted,
           confidential = excluded.confidential, state = excluded.state, problem = excluded.problem,
           signed_in_at = excluded.signed_in_at, refreshed_at = excluded.refreshed_at, challenge = NULL",
        &[
            &row.id.as_str(),
            &row.integration.as_str(),
            &row.toolkit.as_str(),
            &row.account.id,
            &row.account.directory,
            &row.account.label,
            &row.asked.join(" "),
            &row.granted.join(" "),
            &row.confidential,
            &row.standing.state().as_str(),
            &row.standing.problem(),
            &row.signed_in_at.0,
            &row.refreshed_at.0,
            &row.used_at.map(|at| at.0),
            &row.permissions.read.as_str(),
            &row.permissions.draft.as_str(),
            &row.permissions.send.as_str(),
            &row.permissions.delete.as_str(),
            &row.permissions.graph.as_str(),
            &row.permissions.token,
        ],
    )
    .map(drop)
}

/// Gives it another revision: a sign-in ends what is held of the one before, however alike the two are.
fn turn(db: &Db<'_>, id: &ConnectionId) -> Result<(), Fault> {
    revisions::count(db, Topic::Connections)?;
    db.run(
        "UPDATE connections SET revision = (SELECT n FROM revisions WHERE topic = 'connections') WHERE id = $1",
        &[&id.as_str()],
    )
    .map(drop)
}

/// What it is known by from now on; `None`: it is gone.
fn revision(db: &Db<'_>, id: &ConnectionId) -> Result<Option<Revision>, Fault> {
    let row = db.row("SELECT revision FROM connections WHERE id = $1", &[&id.as_str()])?;
    row.map(|row| get(&row, "revision").map(Revision)).transpose()
}

fn connection(row: &Row) -> Result<Connection, Fault> {
    let words = |column: &str| -> Result<Vec<String>, Fault> {
        Ok(get::<&str>(row, column)?.split_whitespace().map(str::to_owned).collect())
    };
    let permission = |column: &str| get::<&str>(row, column).map(Permission::known);
    Ok(Connection {
        id: ConnectionId::from_row(get(row, "id")?),
        integration: IntegrationId::from_row(get(row, "integration_id")?),
        toolkit: word(get(row, "toolkit")?, Toolkit::known)?,
        account: Account { id: get(row, "oid")?, directory: get(row, "tid")?, label: get(row, "account")? },
        asked: words("asked")?,
        granted: words("granted")?,
        confidential: get(row, "confidential")?,
        standing: Standing::of(word(get(row, "state")?, ConnectionState::known)?, get(row, "problem")?),
        signed_in_at: UnixMs(get(row, "signed_in_at")?),
        refreshed_at: UnixMs(get(row, "refreshed_at")?),
        used_at: get::<Option<i64>>(row, "used_at")?.map(UnixMs),
        revision: Revision(get(row, "revision")?),
        challenge: get(row, "challenge")?,
        permissions: Permissions {
            read: permission("may_read")?,
            draft: permission("may_draft")?,
            send: permission("may_send")?,
            delete: permission("may_delete")?,
            graph: GraphReach::known(get(row, "graph_reach")?),
            token: get(row, "may_have_token")?,
        },
    })
}

impl ConnectionRows for Postgres {
    fn connections(&self) -> Result<Vec<Connection>, StoreError> {
        self.read(all)
    }

    fn connection(&self, id: &ConnectionId) -> Result<Option<Connection>, StoreError> {
        self.read(|db| by_id(db, id))
    }

    fn connection_of(
        &self,
        integration: &IntegrationId,
        toolkit: Toolkit,
        account: &Account,
    ) -> Result<Option<ConnectionId>, StoreError> {
        self.read(|db| {
            let row = db.row(
                "SELECT id FROM connections WHERE integration_id = $1 AND toolkit = $2 AND oid = $3 AND tid = $4",
                &[&integration.as_str(), &toolkit.as_str(), &account.id, &account.directory],
            )?;
            row.map(|row| Ok(ConnectionId::from_row(get(&row, "id")?))).transpose()
        })
    }

    fn connections_through(&self, integration: &IntegrationId) -> Result<Vec<(ConnectionId, String)>, StoreError> {
        self.read(|db| {
            let sql = "SELECT id, account FROM connections WHERE integration_id = $1 ORDER BY account, n";
            let rows = db.rows(sql, &[&integration.as_str()])?;
            rows.iter().map(|row| Ok((ConnectionId::from_row(get(row, "id")?), get(row, "account")?))).collect()
        })
    }

    fn keep_connection(
        &self,
        row: &Connection,
        to: &Recipient,
        step: SecretStep<'_>,
    ) -> Result<Option<SignInKept>, StoreError> {
        // With the integrations: where this one leads stays so until the connection is there.
        self.write(&[Topic::Connections, Topic::Integrations], |unit| {
            // Changed while the tokens were asked for: they are for nobody any more. The built-in one has no row.
            match integrations::by_id(unit, &row.integration)? {
                Some(integration) if integration.recipient() != *to => return Ok(Some(SignInKept::Moved)),
                None if !row.integration.is_built_in() => return Ok(Some(SignInKept::Gone)),
                _ => {}
            }
            if !unsettled::advance(unit, self.host().id(), step)? {
                return Ok(None);
            }
            save(unit, row)?;
            turn(unit, &row.id)?;
            Ok(Some(revision(unit, &row.id)?.map_or(SignInKept::Gone, SignInKept::Kept)))
        })
    }

    fn set_standing(
        &self,
        id: &ConnectionId,
        standing: &Standing,
        challenge: Option<&str>,
        lease: Option<UnderLease<'_>>,
    ) -> Result<Option<Revision>, StoreError> {
        self.write(&[Topic::Connections], |unit| {
            leases::end_under(unit, lease)?;
            unit.run(
                "UPDATE connections SET state = $2, problem = $3, challenge = coalesce($4, challenge) WHERE id = $1",
                &[&id.as_str(), &standing.state().as_str(), &standing.problem(), &challenge],
            )?;
            revision(unit, id)
        })
    }

    fn set_challenge(&self, id: &ConnectionId, challenge: &str) -> Result<(), StoreError> {
        let sql = "UPDATE connections SET challenge = $2 WHERE id = $1";
        self.write(&[], |unit| unit.run(sql, &[&id.as_str(), &challenge]).map(drop))
    }

    fn refreshed(
        &self,
        row: &Connection,
        new: &RenewedAccess<'_>,
        step: SecretStep<'_>,
        lease: Option<UnderLease<'_>>,
        entry: &Entry<'_>,
    ) -> Result<Option<Refreshed>, StoreError> {
        let RenewedAccess { at, granted, confidential } = *new;
        self.write(&[Topic::Connections], |unit| {
            leases::end_under(unit, lease)?;
            // Ended while the tokens were asked for: they are for nobody any more.
            match by_id(unit, &row.id)? {
                None => return Ok(Some(Refreshed::Gone)),
                Some(Connection { standing: Standing::NeedsSignIn(why), .. }) => {
                    return Ok(Some(Refreshed::Ended(why)));
                }
                // Somebody signed in anew meanwhile: these tokens are of the sign-in before.
                Some(now) if now.signed_in_at != row.signed_in_at => {
                    return Ok(Some(Refreshed::Ended("Another sign-in took its place.".into())));
                }
                Some(_) => {}
            }
            if !unsettled::advance(unit, self.host().id(), step)? {
                return Ok(None);
            }
            unit.run(
                "UPDATE connections SET refreshed_at = $2, granted = coalesce($3, granted), confidential = $4,
                                        state = 'connected', problem = NULL,
                                        -- Asked for meanwhile is not met yet.
                                        challenge = CASE WHEN challenge IS NOT DISTINCT FROM $5 THEN NULL
                                                    ELSE challenge END
                 WHERE id = $1",
                &[&row.id.as_str(), &at.0, &granted.map(|scopes| scopes.join(" ")), &confidential, &row.challenge],
            )?;
            unit.record(entry);
            Ok(Some(revision(unit, &row.id)?.map_or(Refreshed::Gone, Refreshed::Kept)))
        })
    }

    fn used(&self, id: &ConnectionId, at: UnixMs, entry: &Entry<'_>) -> Result<(), StoreError> {
        self.write(&[], |unit| {
            unit.run("UPDATE connections SET used_at = $2 WHERE id = $1", &[&id.as_str(), &at.0])?;
            unit.record(entry);
            Ok(())
        })
    }

    fn set_permissions(
        &self,
        id: &ConnectionId,
        permissions: &Permissions,
        entry: &Entry<'_>,
    ) -> Result<bool, StoreError> {
        self.write(&[Topic::Connections], |unit| {
            let changed = unit.run(
                "UPDATE connections SET may_read = $2, may_draft = $3, may_send = $4, may_delete = $5, graph_reach = $6,
                                        may_have_token = $7
                 WHERE id = $1",
                &[
                    &id.as_str(),
                    &permissions.read.as_str(),
                    &permissions.draft.as_str(),
                    &permissions.send.as_str(),
                    &permissions.delete.as_str(),
                    &permissions.graph.as_str(),
                    &permissions.token,
                ],
            )?;
            if changed > 0 {
                approvals::forget_recipients(unit, id)?;
                unit.record(entry);
            }
            Ok(changed > 0)
        })
    }

    fn delete_connection(
        &self,
        id: &ConnectionId,
        step: SecretStep<'_>,
        entry: &Entry<'_>,
    ) -> Result<bool, StoreError> {
        self.write(&[Topic::Approvals, Topic::Connections], |unit| {
            approvals::forget(unit, id)?;
            let was_there = unit.run("DELETE FROM connections WHERE id = $1", &[&id.as_str()])? > 0;
            unsettled::deleted(unit, self.host().id(), was_there, step, entry)
        })
    }

    fn keep_sign_in(
        &self,
        state_hash: &[u8; 32],
        kept: &PersistedSignIn,
        step: SecretStep<'_>,
    ) -> Result<bool, StoreError> {
        self.write(&[], |unit| {
            let is_there = unsettled::advance(unit, self.host().id(), step)?;
            if is_there {
                sign_ins::insert(unit, state_hash, kept)?;
            }
            Ok(is_there)
        })
    }

    fn take_sign_in(
        &self,
        state_hash: &[u8; 32],
        integration: &IntegrationId,
    ) -> Result<Option<PersistedSignIn>, StoreError> {
        self.write(&[], |unit| sign_ins::take(unit, state_hash, integration))
    }

    fn delete_sign_in(&self, id: &SignInId, step: SecretStep<'_>) -> Result<(), StoreError> {
        self.write(&[], |unit| {
            unsettled::advance(unit, self.host().id(), step)?;
            sign_ins::delete(unit, id)
        })
    }

    fn sign_ins_before(&self, then: UnixMs) -> Result<Vec<SignInId>, StoreError> {
        self.read(|db| sign_ins::started_before(db, then))
    }
}
