//! Queries on `connections`.

use rusqlite::{Connection as Db, OptionalExtension, Row, named_params, params};

use crate::clock::UnixMs;
use crate::connections::{Account, Connection, ConnectionId, ConnectionState, Toolkit};
use crate::integrations::IntegrationId;

const COLUMNS: &str = "id, integration_id, toolkit, oid, tid, account, asked, granted, confidential, state, problem, \
                       signed_in_at, refreshed_at, used_at";

pub(crate) fn all(db: &Db) -> rusqlite::Result<Vec<Connection>> {
    let sql = format!("SELECT {COLUMNS} FROM connections ORDER BY toolkit, account, rowid");
    db.prepare_cached(&sql)?.query_map([], connection)?.collect()
}

pub(crate) fn by_id(db: &Db, id: &ConnectionId) -> rusqlite::Result<Option<Connection>> {
    let sql = format!("SELECT {COLUMNS} FROM connections WHERE id = ?1");
    db.prepare_cached(&sql)?.query_row([id.as_str()], connection).optional()
}

/// The connection of this account, where there is one already.
pub(crate) fn of_account(
    db: &Db,
    integration: &IntegrationId,
    toolkit: Toolkit,
    account: &Account,
) -> rusqlite::Result<Option<ConnectionId>> {
    db.prepare_cached(
        "SELECT id FROM connections WHERE integration_id = ?1 AND toolkit = ?2 AND oid = ?3 AND tid = ?4",
    )?
    .query_row(params![integration.as_str(), toolkit.as_str(), account.oid, account.tid], |row| {
        Ok(ConnectionId::from_row(row.get(0)?))
    })
    .optional()
}

/// How many connections go through an integration, and whose they are.
pub(crate) fn accounts_of(db: &Db, integration: &IntegrationId) -> rusqlite::Result<Vec<(ConnectionId, String)>> {
    db.prepare_cached("SELECT id, account FROM connections WHERE integration_id = ?1 ORDER BY account")?
        .query_map([integration.as_str()], |row| Ok((ConnectionId::from_row(row.get(0)?), row.get(1)?)))?
        .collect()
}

/// Inserts the row, or changes the one of the same id.
pub(crate) fn save(db: &Db, row: &Connection) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO connections (id, integration_id, toolkit, oid, tid, account, asked, granted, confidential, state,
                                  problem, signed_in_at, refreshed_at, used_at)
         VALUES (:id, :integration_id, :toolkit, :oid, :tid, :account, :asked, :granted, :confidential, :state,
                 :problem, :signed_in_at, :refreshed_at, :used_at)
         ON CONFLICT (id) DO UPDATE SET
           integration_id = excluded.integration_id, oid = excluded.oid, tid = excluded.tid, account = excluded.account, asked = excluded.asked,
           granted = excluded.granted, confidential = excluded.confidential, state = excluded.state,
           problem = excluded.problem, signed_in_at = excluded.signed_in_at, refreshed_at = excluded.refreshed_at",
        named_params! {
            ":id": row.id.as_str(),
            ":integration_id": row.integration.as_str(),
            ":toolkit": row.toolkit.as_str(),
            ":oid": row.account.oid,
            ":tid": row.account.tid,
            ":account": row.account.label,
            ":asked": row.asked.join(" "),
            ":granted": row.granted.join(" "),
            ":confidential": row.confidential,
            ":state": row.state.as_str(),
            ":problem": row.problem,
            ":signed_in_at": row.signed_in_at.0,
            ":refreshed_at": row.refreshed_at.0,
            ":used_at": row.used_at.map(|at| at.0),
        },
    )?;
    Ok(())
}

pub(crate) fn set_state(
    db: &Db,
    id: &ConnectionId,
    state: ConnectionState,
    problem: Option<&str>,
) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE connections SET state = ?2, problem = ?3 WHERE id = ?1",
        params![id.as_str(), state.as_str(), problem],
    )?;
    Ok(())
}

/// A refresh of this sign-in succeeded. Whether that sign-in still stands.
pub(crate) fn refreshed(
    db: &Db,
    row: &Connection,
    at: UnixMs,
    granted: Option<&[String]>,
    confidential: bool,
) -> rusqlite::Result<bool> {
    let changed = db.execute(
        "UPDATE connections SET refreshed_at = ?2, granted = coalesce(?3, granted), confidential = ?4,
                                state = 'connected', problem = NULL
         WHERE id = ?1 AND signed_in_at = ?5 AND state <> 'needs_sign_in'",
        params![row.id.as_str(), at.0, granted.map(|scopes| scopes.join(" ")), confidential, row.signed_in_at.0,],
    )?;
    Ok(changed > 0)
}

/// Ends every sign-in through an integration.
pub(crate) fn end_through(db: &Db, integration: &IntegrationId, problem: &str) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE connections SET state = 'needs_sign_in', problem = ?2 WHERE integration_id = ?1",
        params![integration.as_str(), problem],
    )?;
    Ok(())
}

pub(crate) fn used(db: &Db, id: &ConnectionId, at: UnixMs) -> rusqlite::Result<()> {
    db.execute("UPDATE connections SET used_at = ?2 WHERE id = ?1", params![id.as_str(), at.0])?;
    Ok(())
}

/// Whether there was such a row.
pub(crate) fn delete(db: &Db, id: &ConnectionId) -> rusqlite::Result<bool> {
    Ok(db.execute("DELETE FROM connections WHERE id = ?1", [id.as_str()])? > 0)
}

fn connection(row: &Row<'_>) -> rusqlite::Result<Connection> {
    let words = |text: String| text.split_whitespace().map(str::to_owned).collect();
    Ok(Connection {
        id: ConnectionId::from_row(row.get(0)?),
        integration: IntegrationId::from_row(row.get(1)?),
        toolkit: Toolkit::from_str(&row.get::<_, String>(2)?),
        account: Account { oid: row.get(3)?, tid: row.get(4)?, label: row.get(5)? },
        asked: words(row.get(6)?),
        granted: words(row.get(7)?),
        confidential: row.get(8)?,
        state: ConnectionState::from_str(&row.get::<_, String>(9)?),
        problem: row.get(10)?,
        signed_in_at: UnixMs(row.get(11)?),
        refreshed_at: UnixMs(row.get(12)?),
        used_at: row.get::<_, Option<i64>>(13)?.map(UnixMs),
    })
}
