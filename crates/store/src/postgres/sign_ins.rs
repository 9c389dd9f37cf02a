//! Queries on `sign_ins`.

use atthene_core::UnixMs;
use atthene_core::connections::{ConnectionId, PersistedSignIn, SignInId, SignInRequest, Toolkit};
use atthene_core::integrations::IntegrationId;
use tokio_postgres::Row;

use super::db::{Db, get};
use super::fault::{Fault, word};

pub(super) fn insert(db: &Db<'_>, state_hash: &[u8; 32], kept: &PersistedSignIn) -> Result<(), Fault> {
    db.run(
        "INSERT INTO sign_ins (state_hash, id, integration_id, toolkit, connection_id, switch_account, redirect_uri,
                               scopes, started_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            &state_hash.as_slice(),
            &kept.id.as_str(),
            &kept.request.integration.as_str(),
            &kept.request.toolkit.as_str(),
            &kept.request.again.as_ref().map(ConnectionId::as_str),
            &kept.request.switch_account,
            &kept.redirect_uri,
            &kept.scopes.join(" "),
            &kept.started_at.0,
        ],
    )
    .map(drop)
}

/// Takes the row that this state belongs to, where it is of this integration: the second who asks finds
/// nothing.
pub(super) fn take(
    db: &Db<'_>,
    state_hash: &[u8; 32],
    integration: &IntegrationId,
) -> Result<Option<PersistedSignIn>, Fault> {
    let row = db.row(
        "DELETE FROM sign_ins WHERE state_hash = $1 AND integration_id = $2
         RETURNING id, integration_id, toolkit, connection_id, switch_account, redirect_uri, scopes, started_at",
        &[&state_hash.as_slice(), &integration.as_str()],
    )?;
    row.as_ref().map(kept).transpose()
}

pub(super) fn delete(db: &Db<'_>, id: &SignInId) -> Result<(), Fault> {
    db.run("DELETE FROM sign_ins WHERE id = $1", &[&id.as_str()]).map(drop)
}

/// The ids of all that were started before then.
pub(super) fn started_before(db: &Db<'_>, then: UnixMs) -> Result<Vec<SignInId>, Fault> {
    let rows = db.rows("SELECT id FROM sign_ins WHERE started_at < $1", &[&then.0])?;
    rows.iter().map(|row| Ok(SignInId::from_row(get(row, "id")?))).collect()
}

fn kept(row: &Row) -> Result<PersistedSignIn, Fault> {
    Ok(PersistedSignIn {
        id: SignInId::from_row(get(row, "id")?),
        request: SignInRequest {
            integration: IntegrationId::from_row(get(row, "integration_id")?),
            toolkit: word(get(row, "toolkit")?, Toolkit::known)?,
            again: get::<Option<String>>(row, "connection_id")?.map(ConnectionId::from_row),
            switch_account: get(row, "switch_account")?,
        },
        redirect_uri: get(row, "redirect_uri")?,
        scopes: get::<&str>(row, "scopes")?.split_whitespace().map(str::to_owned).collect(),
        started_at: UnixMs(get(row, "started_at")?),
    })
}
