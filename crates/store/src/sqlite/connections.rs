//! Queries on `connections`.

use rusqlite::{Connection as Db, OptionalExtension, Row, named_params, params};

use atthene_core::activity::Entry;
use atthene_core::bound::Recipient;
use atthene_core::connections::{
    Account, Connection, ConnectionId, ConnectionState, PersistedSignIn, Revision, SignInId, Standing, Toolkit,
};
use atthene_core::integrations::IntegrationId;
use atthene_core::permissions::{GraphReach, Permission, Permissions};
use atthene_core::port::{ConnectionRows, Refreshed, RenewedAccess, SecretStep, SignInKept, UnderLease};
use atthene_core::{StoreError, UnixMs};

use super::database::Sqlite;
use super::error::word;
use super::{activity, approvals, integrations, sign_ins, unsettled};

const COLUMNS: &str = "id, integration_id, toolkit, oid, tid, account, asked, granted, confidential, state, problem, \
                       signed_in_at, refreshed_at, used_at, revision, challenge, may_read, may_draft, \
                       may_send, may_delete, graph_reach, may_have_token";

pub(super) fn all(db: &Db) -> rusqlite::Result<Vec<Connection>> {
    let sql = format!("SELECT {COLUMNS} FROM connections ORDER BY toolkit, account, rowid");
    db.prepare_cached(&sql)?.query_map([], connection)?.collect()
}

fn by_id(db: &Db, id: &ConnectionId) -> rusqlite::Result<Option<Connection>> {
    let sql = format!("SELECT {COLUMNS} FROM connections WHERE id = ?1");
    db.prepare_cached(&sql)?.query_row([id.as_str()], connection).optional()
}

/// The connection of this account, where there is one already.
fn of_account(
    db: &Db,
    integration: &IntegrationId,
    toolkit: Toolkit,
    account: &Account,
) -> rusqlite::Result<Option<ConnectionId>> {
    db.prepare_cached(
        "SELECT id FROM connections WHERE integration_id = ?1 AND toolkit = ?2 AND oid = ?3 AND tid = ?4",
    )?
    .query_row(params![integration.as_str(), toolkit.as_str(), account.id, account.directory], |row| {
        Ok(ConnectionId::from_row(row.get(0)?))
    })
    .optional()
}

/// How many connections go through an integration, and whose they are.
fn accounts_of(db: &Db, integration: &IntegrationId) -> rusqlite::Result<Vec<(ConnectionId, String)>> {
    db.prepare_cached("SELECT id, account FROM connections WHERE integration_id = ?1 ORDER BY account")?
        .query_map([integration.as_str()], |row| Ok((ConnectionId::from_row(row.get(0)?), row.get(1)?)))?
        .collect()
}

/// Inserts the row, or changes the one of the same id.
pub(super) fn save(db: &Db, row: &Connection) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO connections (id, integration_id, toolkit, oid, tid, account, asked, granted, confidential, state,
                                  problem, signed_in_at, refreshed_at, used_at, may_read, may_draft, may_send,
                                  may_delete, graph_reach, may_have_token)
         VALUES (:id, :integration_id, :toolkit, :oid, :tid, :account, :asked, :granted, :confidential, :state,
                 :problem, :signed_in_at, :refreshed_at, :used_at, :may_read, :may_draft, :may_send,
                 :may_delete, :graph_reach, :may_have_token)
         -- Whoever signs in again changes nothing of what an administrator permits.
         ON CONFLICT (id) DO UPDATE SET
           integration_id = excluded.integration_id, oid = excluded.oid, tid = excluded.tid, account = excluded.account, asked = excluded.asked,
           granted = excluded.granted, confidential = excluded.confidential, state = excluded.state,
           problem = excluded.problem, signed_in_at = excluded.signed_in_at, refreshed_at = excluded.refreshed_at,
           challenge = NULL",
        named_params! {
            ":id": row.id.as_str(),
            ":integration_id": row.integration.as_str(),
            ":toolkit": row.toolkit.as_str(),
            ":oid": row.account.id,
            ":tid": row.account.directory,
            ":account": row.account.label,
            ":asked": row.asked.join(" "),
            ":granted": row.granted.join(" "),
            ":confidential": row.confidential,
            ":state": row.standing.state().as_str(),
            ":problem": row.standing.problem(),
            ":signed_in_at": row.signed_in_at.0,
            ":refreshed_at": row.refreshed_at.0,
            ":used_at": row.used_at.map(|at| at.0),
            ":may_read": row.permissions.read.as_str(),
            ":may_draft": row.permissions.draft.as_str(),
            ":may_send": row.permissions.send.as_str(),
            ":may_delete": row.permissions.delete.as_str(),
            ":graph_reach": row.permissions.graph.as_str(),
            ":may_have_token": row.permissions.token,
        },
    )?;
    Ok(())
}

/// Gives it another revision: a sign-in ends what is held of the one before, however alike the two are.
fn turn(db: &Db, id: &ConnectionId) -> rusqlite::Result<()> {
    db.execute("UPDATE revisions SET n = n + 1 WHERE topic = 'connections'", [])?;
    db.execute(
        "UPDATE connections SET revision = (SELECT n FROM revisions WHERE topic = 'connections') WHERE id = ?1",
        [id.as_str()],
    )?;
    Ok(())
}

/// What it is known by from now on; `None`: it is gone.
fn revision(db: &Db, id: &ConnectionId) -> rusqlite::Result<Option<Revision>> {
    db.prepare_cached("SELECT revision FROM connections WHERE id = ?1")?
        .query_row([id.as_str()], |row| row.get(0).map(Revision))
        .optional()
}

fn set_standing(db: &Db, id: &ConnectionId, standing: &Standing, challenge: Option<&str>) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE connections SET state = ?2, problem = ?3, challenge = coalesce(?4, challenge) WHERE id = ?1",
        params![id.as_str(), standing.state().as_str(), standing.problem(), challenge],
    )?;
    Ok(())
}

fn refreshed(db: &Db, row: &Connection, new: &RenewedAccess<'_>) -> rusqlite::Result<()> {
    let RenewedAccess { at, granted, confidential } = *new;
    db.execute(
        "UPDATE connections SET refreshed_at = ?2, granted = coalesce(?3, granted), confidential = ?4,
                                state = 'connected', problem = NULL,
                                -- Asked for meanwhile is not met yet.
                                challenge = CASE WHEN challenge IS ?5 THEN NULL ELSE challenge END
         WHERE id = ?1",
        params![row.id.as_str(), at.0, granted.map(|scopes| scopes.join(" ")), confidential, row.challenge],
    )?;
    Ok(())
}

fn used(db: &Db, id: &ConnectionId, at: UnixMs) -> rusqlite::Result<()> {
    db.execute("UPDATE connections SET used_at = ?2 WHERE id = ?1", params![id.as_str(), at.0])?;
    Ok(())
}

/// Whether there was such a row.
fn delete(db: &Db, id: &ConnectionId) -> rusqlite::Result<bool> {
    Ok(db.execute("DELETE FROM connections WHERE id = ?1", [id.as_str()])? > 0)
}

fn connection(row: &Row<'_>) -> rusqlite::Result<Connection> {
    let words = |text: String| text.split_whitespace().map(str::to_owned).collect();
    Ok(Connection {
        id: ConnectionId::from_row(row.get(0)?),
        integration: IntegrationId::from_row(row.get(1)?),
        toolkit: word(2, &row.get::<_, String>(2)?, Toolkit::known)?,
        account: Account { id: row.get(3)?, directory: row.get(4)?, label: row.get(5)? },
        asked: words(row.get(6)?),
        granted: words(row.get(7)?),
        confidential: row.get(8)?,
        standing: Standing::of(word(9, &row.get::<_, String>(9)?, ConnectionState::known)?, row.get(10)?),
        signed_in_at: UnixMs(row.get(11)?),
        refreshed_at: UnixMs(row.get(12)?),
        used_at: row.get::<_, Option<i64>>(13)?.map(UnixMs),
        revision: Revision(row.get(14)?),
        challenge: row.get(15)?,
        permissions: Permissions {
            read: Permission::known(&row.get::<_, String>(16)?),
            draft: Permission::known(&row.get::<_, String>(17)?),
            send: Permission::known(&row.get::<_, String>(18)?),
            delete: Permission::known(&row.get::<_, String>(19)?),
            graph: GraphReach::known(&row.get::<_, String>(20)?),
            token: row.get(21)?,
        },
    })
}

impl ConnectionRows for Sqlite {
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
        self.read(|db| of_account(db, integration, toolkit, account))
    }

    fn connections_through(&self, integration: &IntegrationId) -> Result<Vec<(ConnectionId, String)>, StoreError> {
        self.read(|db| accounts_of(db, integration))
    }

    fn keep_connection(
        &self,
        row: &Connection,
        to: &Recipient,
        step: SecretStep<'_>,
    ) -> Result<Option<SignInKept>, StoreError> {
        self.write(|tx| {
            // Changed while the tokens were asked for: they are for nobody any more. The built-in one has no row.
            match integrations::by_id(tx, &row.integration)? {
                Some(integration) if integration.recipient() != *to => return Ok(Some(SignInKept::Moved)),
                None if !row.integration.is_built_in() => return Ok(Some(SignInKept::Gone)),
                _ => {}
            }
            if !unsettled::advance(tx, step)? {
                return Ok(None);
            }
            save(tx, row)?;
            turn(tx, &row.id)?;
            Ok(Some(revision(tx, &row.id)?.map_or(SignInKept::Gone, SignInKept::Kept)))
        })
    }

    fn set_standing(
        &self,
        id: &ConnectionId,
        standing: &Standing,
        challenge: Option<&str>,
        // One machine has no leases: a lock file keeps its processes apart.
        _lease: Option<UnderLease<'_>>,
    ) -> Result<Option<Revision>, StoreError> {
        self.write(|tx| {
            set_standing(tx, id, standing, challenge)?;
            revision(tx, id)
        })
    }

    fn set_challenge(&self, id: &ConnectionId, challenge: &str) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.execute("UPDATE connections SET challenge = ?2 WHERE id = ?1", params![id.as_str(), challenge]).map(drop)
        })
    }

    fn refreshed(
        &self,
        row: &Connection,
        new: &RenewedAccess<'_>,
        step: SecretStep<'_>,
        _lease: Option<UnderLease<'_>>,
        entry: &Entry<'_>,
    ) -> Result<Option<Refreshed>, StoreError> {
        self.write(|tx| {
            // Ended while the tokens were asked for: they are for nobody any more.
            match by_id(tx, &row.id)? {
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
            if !unsettled::advance(tx, step)? {
                return Ok(None);
            }
            refreshed(tx, row, new)?;
            activity::append(tx, entry)?;
            Ok(Some(revision(tx, &row.id)?.map_or(Refreshed::Gone, Refreshed::Kept)))
        })
    }

    fn used(&self, id: &ConnectionId, at: UnixMs, entry: &Entry<'_>) -> Result<(), StoreError> {
        self.write(|tx| {
            used(tx, id, at)?;
            activity::append(tx, entry)
        })
    }

    fn set_permissions(
        &self,
        id: &ConnectionId,
        permissions: &Permissions,
        entry: &Entry<'_>,
    ) -> Result<bool, StoreError> {
        self.write_ending(|tx| {
            let changed = tx.execute(
                "UPDATE connections SET may_read = ?2, may_draft = ?3, may_send = ?4, may_delete = ?5, graph_reach = ?6,
                                        may_have_token = ?7
                 WHERE id = ?1",
                params![
                    id.as_str(),
                    permissions.read.as_str(),
                    permissions.draft.as_str(),
                    permissions.send.as_str(),
                    permissions.delete.as_str(),
                    permissions.graph.as_str(),
                    permissions.token,
                ],
            )?;
            if changed > 0 {
                approvals::forget_recipients(tx, id)?;
                activity::append(tx, entry)?;
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
        self.write_ending(|tx| {
            approvals::forget(tx, id)?;
            unsettled::deleted(tx, delete(tx, id)?, step, entry)
        })
    }

    fn keep_sign_in(
        &self,
        state_hash: &[u8; 32],
        kept: &PersistedSignIn,
        step: SecretStep<'_>,
    ) -> Result<bool, StoreError> {
        self.write(|tx| {
            let is_there = unsettled::advance(tx, step)?;
            if is_there {
                sign_ins::insert(tx, state_hash, kept)?;
            }
            Ok(is_there)
        })
    }

    fn take_sign_in(
        &self,
        state_hash: &[u8; 32],
        integration: &IntegrationId,
    ) -> Result<Option<PersistedSignIn>, StoreError> {
        self.write(|tx| sign_ins::take(tx, state_hash, integration))
    }

    fn delete_sign_in(&self, id: &SignInId, step: SecretStep<'_>) -> Result<(), StoreError> {
        self.write(|tx| {
            unsettled::advance(tx, step)?;
            sign_ins::delete(tx, id)
        })
    }

    fn sign_ins_before(&self, then: UnixMs) -> Result<Vec<SignInId>, StoreError> {
        self.read(|db| sign_ins::started_before(db, then))
    }
}
