//! Queries on `sign_ins`.

use rusqlite::{Connection as Db, OptionalExtension, Row, params};

use atthene_core::UnixMs;
use atthene_core::connections::{ConnectionId, PersistedSignIn, SignInId, SignInRequest, Toolkit};
use atthene_core::integrations::IntegrationId;

pub(super) fn insert(db: &Db, state_hash: &[u8; 32], kept: &PersistedSignIn) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO sign_ins (state_hash, id, integration_id, toolkit, connection_id, switch_account, redirect_uri,
                               scopes, started_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            state_hash,
            kept.id.as_str(),
            kept.request.integration.as_str(),
            kept.request.toolkit.as_str(),
            kept.request.again.as_ref().map(ConnectionId::as_str),
            kept.request.switch_account,
            kept.redirect_uri,
            kept.scopes.join(" "),
            kept.started_at.0,
        ],
    )?;
    Ok(())
}

/// Takes the row that this state belongs to, where it is of this integration: the second who asks finds
/// nothing.
pub(super) fn take(
    db: &Db,
    state_hash: &[u8; 32],
    integration: &IntegrationId,
) -> rusqlite::Result<Option<PersistedSignIn>> {
    db.prepare_cached(
        "DELETE FROM sign_ins WHERE state_hash = ?1 AND integration_id = ?2
         RETURNING id, integration_id, toolkit, connection_id, switch_account, redirect_uri, scopes, started_at",
    )?
    .query_row(params![state_hash, integration.as_str()], kept)
    .optional()
}

pub(super) fn delete(db: &Db, id: &SignInId) -> rusqlite::Result<()> {
    db.execute("DELETE FROM sign_ins WHERE id = ?1", [id.as_str()])?;
    Ok(())
}

/// The ids of all that were started before then.
pub(super) fn started_before(db: &Db, then: UnixMs) -> rusqlite::Result<Vec<SignInId>> {
    db.prepare_cached("SELECT id FROM sign_ins WHERE started_at < ?1")?
        .query_map([then.0], |row| Ok(SignInId::from_row(row.get(0)?)))?
        .collect()
}

fn kept(row: &Row<'_>) -> rusqlite::Result<PersistedSignIn> {
    let scopes: String = row.get(6)?;
    Ok(PersistedSignIn {
        id: SignInId::from_row(row.get(0)?),
        request: SignInRequest {
            integration: IntegrationId::from_row(row.get(1)?),
            toolkit: super::error::word(2, &row.get::<_, String>(2)?, Toolkit::known)?,
            again: row.get::<_, Option<String>>(3)?.map(ConnectionId::from_row),
            switch_account: row.get(4)?,
        },
        redirect_uri: row.get(5)?,
        scopes: scopes.split_whitespace().map(str::to_owned).collect(),
        started_at: UnixMs(row.get(7)?),
    })
}
