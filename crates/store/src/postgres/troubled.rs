//! Queries on `troubled_calls`.

use atthene_core::UnixMs;
use atthene_core::keys::KeyId;
use atthene_core::limits::KEPT_TROUBLED;
use atthene_core::oversight::TroubledCall;
use atthene_core::port::KeptTrouble;
use atthene_core::problem::CallCheck;
use tokio_postgres::Row;

use super::db::{Db, get};
use super::fault::Fault;

pub(super) fn add(db: &Db<'_>, call: &KeptTrouble<'_>) -> Result<(), Fault> {
    let KeptTrouble { at, key, caller, trouble, is_refused } = call;
    db.run(
        "INSERT INTO troubled_calls (request_id, at, method, path, code, detail, key_id, program, user_agent,
                                     is_refused, failed_check)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        &[
            &&*trouble.request_id,
            &at.0,
            &trouble.method,
            &trouble.path,
            &trouble.code.as_str(),
            &trouble.detail,
            &key.map_or("", |key| &key.0),
            &&*caller.program,
            &&*caller.user_agent,
            is_refused,
            &trouble.check.as_str(),
        ],
    )
    .map(drop)
}

pub(super) fn forget_old(db: &Db<'_>) -> Result<(), Fault> {
    for is_refused in [false, true] {
        // What another host forgets just now is none of ours.
        db.run(
            "DELETE FROM troubled_calls WHERE n IN (
               SELECT n FROM troubled_calls WHERE is_refused = $1 AND n <= (
                 SELECT n FROM troubled_calls WHERE is_refused = $1 ORDER BY n DESC LIMIT 1 OFFSET $2)
               FOR UPDATE SKIP LOCKED)",
            &[&is_refused, &KEPT_TROUBLED],
        )?;
    }
    Ok(())
}

pub(super) fn latest(db: &Db<'_>, most: u32) -> Result<Vec<TroubledCall>, Fault> {
    let rows = db.rows("SELECT * FROM troubled_calls ORDER BY n DESC LIMIT $1", &[&i64::from(most)])?;
    rows.iter().map(call).collect()
}

pub(super) fn by_request_id(db: &Db<'_>, id: &str) -> Result<Option<TroubledCall>, Fault> {
    db.row("SELECT * FROM troubled_calls WHERE request_id = $1", &[&id])?.as_ref().map(call).transpose()
}

fn call(row: &Row) -> Result<TroubledCall, Fault> {
    let key: &str = get(row, "key_id")?;
    Ok(TroubledCall {
        request_id: get(row, "request_id")?,
        at: UnixMs(get(row, "at")?),
        method: get(row, "method")?,
        path: get(row, "path")?,
        code: get(row, "code")?,
        check: get::<Option<&str>>(row, "failed_check")?.and_then(CallCheck::known),
        detail: get(row, "detail")?,
        key_id: (!key.is_empty()).then(|| KeyId(key.into())),
        program: get(row, "program")?,
        user_agent: get(row, "user_agent")?,
    })
}
