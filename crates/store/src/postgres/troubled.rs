//! Queries on `troubled_calls`.

use atthene_core::UnixMs;
use atthene_core::activity::Trouble;
use atthene_core::keys::KeyId;
use atthene_core::limits::KEPT_TROUBLED;
use atthene_core::oversight::TroubledCall;
use atthene_core::port::KeptTrouble;
use atthene_core::problem::CallCheck;
use tokio_postgres::Row;

use super::db::{Db, get};
use super::fault::Fault;
use super::keys;

/// How many are added, by all hosts, until the old ones are forgotten once more: to look for them costs as much as to
/// read those that are kept.
const FORGET_EVERY: i64 = 100;

pub(super) fn add(db: &Db<'_>, calls: &[KeptTrouble<'_>]) -> Result<(), Fault> {
    if calls.is_empty() {
        return Ok(());
    }
    let trouble = |of: fn(&Trouble) -> &str| calls.iter().map(|call| of(call.trouble)).collect::<Vec<_>>();
    let added = db.rows(
        "INSERT INTO troubled_calls (request_id, at, method, path, code, detail, key_id, program, user_agent,
                                     is_refused, failed_check)
         SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                              $8::text[], $9::text[], $10::boolean[], $11::text[])
         ON CONFLICT DO NOTHING RETURNING n",
        &[
            &trouble(|trouble| &trouble.request_id),
            &calls.iter().map(|call| call.at.0).collect::<Vec<_>>(),
            &trouble(|trouble| &trouble.method),
            &trouble(|trouble| &trouble.path),
            &trouble(|trouble| trouble.code.as_str()),
            &trouble(|trouble| &trouble.detail),
            &calls.iter().map(|call| keys::id_or_none(call.key)).collect::<Vec<_>>(),
            &calls.iter().map(|call| &*call.caller.program).collect::<Vec<_>>(),
            &calls.iter().map(|call| &*call.caller.user_agent).collect::<Vec<_>>(),
            &calls.iter().map(|call| call.is_refused).collect::<Vec<_>>(),
            &trouble(|trouble| trouble.check.as_str()),
        ],
    )?;
    for row in &added {
        // Whichever host adds this one forgets for all.
        if get::<i64>(row, "n")? % FORGET_EVERY == 0 {
            return forget_old(db);
        }
    }
    Ok(())
}

fn forget_old(db: &Db<'_>) -> Result<(), Fault> {
    for is_refused in [false, true] {
        // What another host forgets just now is none of ours.
        db.run(
            "DELETE FROM troubled_calls WHERE n = ANY(ARRAY(
               SELECT n FROM troubled_calls WHERE is_refused = $1 AND n <= (
                 SELECT n FROM troubled_calls WHERE is_refused = $1 ORDER BY n DESC LIMIT 1 OFFSET $2)
               FOR UPDATE SKIP LOCKED))",
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
