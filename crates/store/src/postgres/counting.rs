//! Adds up what one host counted: a handful of questions, however many calls and callers there were. Each question is a
//! way to the database and back, several times a second and by every host.

use std::collections::{BTreeMap, HashSet};

use atthene_core::activity::{CallOutcome, Caller, OTHERS};
use atthene_core::keys::Use;
use atthene_core::limits::MOST_CALLERS;
use atthene_core::port::backup::RawCounter;
use atthene_core::port::{CountedCalls, CountedTimes};

use super::db::{Db, get};
use super::fault::Fault;
use super::keys;

/// Program and user agent.
type Name<'a> = (&'a str, &'a str);

pub(super) fn add_calls(db: &Db<'_>, host: &str, calls: &[CountedCalls<'_>]) -> Result<(), Fault> {
    let names = named(db, calls)?;
    let column = |of: fn(&CountedCalls<'_>) -> i64| calls.iter().map(of).collect::<Vec<_>>();
    let (programs, user_agents): (Vec<_>, Vec<_>) = names.into_iter().unzip();
    // Callers that share one name are one row.
    db.run(
        "INSERT INTO usage_hours (hour, key_id, caller_id, outcome, host, requests, bytes_in, bytes_out, last_at)
         SELECT hour, key_id, callers.id, outcome, $1, sum(requests)::bigint, sum(bytes_in)::bigint,
                sum(bytes_out)::bigint, max(last_at)
         FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
                     $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[])
              AS counted (hour, key_id, program, user_agent, outcome, requests, bytes_in, bytes_out, last_at)
         JOIN callers USING (program, user_agent)
         GROUP BY hour, key_id, callers.id, outcome
         ON CONFLICT (hour, key_id, caller_id, outcome, host) DO UPDATE SET
           requests = usage_hours.requests + excluded.requests,
           bytes_in = usage_hours.bytes_in + excluded.bytes_in,
           bytes_out = usage_hours.bytes_out + excluded.bytes_out,
           last_at = greatest(usage_hours.last_at, excluded.last_at)",
        &[
            &host,
            &column(|calls| calls.hour.0),
            &calls.iter().map(|calls| keys::id_or_none(calls.key)).collect::<Vec<_>>(),
            &programs,
            &user_agents,
            &calls.iter().map(|calls| calls.outcome.as_str()).collect::<Vec<_>>(),
            &column(|calls| calls.requests.cast_signed()),
            &column(|calls| calls.bytes_in.cast_signed()),
            &column(|calls| calls.bytes_out.cast_signed()),
            &column(|calls| calls.last_at.0),
        ],
    )?;
    add_to_keys(db, host, calls)
}

/// Under which name each is counted. Gives names that are new a number.
fn named<'a>(db: &Db<'_>, calls: &'a [CountedCalls<'_>]) -> Result<Vec<Name<'a>>, Fault> {
    let own = |caller: &'a Caller| -> Name<'a> { (&caller.program, &caller.user_agent) };
    let (programs, user_agents): (Vec<_>, Vec<_>) = calls.iter().map(|calls| own(calls.caller)).unzip();
    let rows = db.rows(
        "SELECT program, user_agent FROM callers WHERE (program, user_agent) IN (SELECT * FROM unnest($1::text[], $2::text[]))",
        &[&programs, &user_agents],
    )?;
    let known = rows.iter().map(|row| Ok((get(row, "program")?, get(row, "user_agent")?)));
    let mut known: HashSet<Name<'_>> = known.collect::<Result<_, Fault>>()?;
    let mut names = Vec::with_capacity(calls.len());
    for calls in calls {
        let mut name = own(calls.caller);
        // Whoever makes refused calls is given no name without end.
        let is_refused = matches!(calls.outcome, CallOutcome::Refused(_));
        if !known.contains(&name) {
            if give(db, name, !is_refused)? {
                known.insert(name);
            } else {
                name = ("", OTHERS);
                give(db, name, true)?;
            }
        }
        names.push(name);
    }
    Ok(names)
}

/// Gives a caller a number, where it has none and there is room for one more (`anyway`: also where there is not).
/// Whether it has one now.
fn give(db: &Db<'_>, (program, user_agent): Name<'_>, anyway: bool) -> Result<bool, Fault> {
    let has_one = || -> Result<bool, Fault> {
        let sql = "SELECT 1 FROM callers WHERE program = $1 AND user_agent = $2";
        Ok(db.row(sql, &[&program, &user_agent])?.is_some())
    };
    // Asked before: an attempt that meets a row would use a number up each time.
    if has_one()? {
        return Ok(true);
    }
    let given = db.run(
        "INSERT INTO callers (program, user_agent)
         SELECT $1, $2 WHERE $3 OR (SELECT count(*) FROM callers) < $4 ON CONFLICT DO NOTHING",
        &[&program, &user_agent, &anyway, &i64::from(MOST_CALLERS)],
    )?;
    // Another host may have given it one meanwhile.
    Ok(given > 0 || has_one()?)
}

/// Adds answered calls to their keys.
fn add_to_keys(db: &Db<'_>, host: &str, calls: &[CountedCalls<'_>]) -> Result<(), Fault> {
    let mut uses: BTreeMap<&str, (u64, Use, Use)> = BTreeMap::new();
    for calls in calls.iter().filter(|calls| calls.outcome == CallOutcome::Answered) {
        let used = |at| Use { at, by: calls.caller.label().to_owned() };
        let (requests, first, last) =
            uses.entry(keys::id_or_none(calls.key)).or_insert_with(|| (0, used(calls.first_at), used(calls.last_at)));
        *requests += calls.requests;
        if calls.first_at < first.at {
            *first = used(calls.first_at);
        }
        if calls.last_at > last.at {
            *last = used(calls.last_at);
        }
    }
    uses.iter().try_for_each(|(id, (requests, first, last))| keys::add_uses(db, host, id, *requests, first, last))
}

pub(super) fn add_times(db: &Db<'_>, host: &str, times: &[CountedTimes<'_>]) -> Result<(), Fault> {
    let column = |of: fn(&CountedTimes<'_>) -> i64| times.iter().map(of).collect::<Vec<_>>();
    db.run(
        "INSERT INTO latency_hours (hour, key_id, part, bucket, host, requests)
         SELECT hour, key_id, part, bucket, $1, requests
         FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
              AS counted (hour, key_id, part, bucket, requests)
         ON CONFLICT (hour, key_id, part, bucket, host)
         DO UPDATE SET requests = latency_hours.requests + excluded.requests",
        &[
            &host,
            &column(|times| times.hour.0),
            &times.iter().map(|times| keys::id_or_none(times.key)).collect::<Vec<_>>(),
            &times.iter().map(|times| times.part).collect::<Vec<_>>(),
            &column(|times| i64::from(times.bucket.0)),
            &column(|times| times.requests.cast_signed()),
        ],
    )
    .map(drop)
}

/// Adds a counter of a backup that was checked.
pub(super) fn put_back(db: &Db<'_>, host: &str, table: &'static str, row: &RawCounter) -> Result<(), Fault> {
    give(db, (&row.program, &row.user_agent), true)?;
    db.run(
        &format!(
            "INSERT INTO {table} SELECT $1, $2, id, $3, $4, $5, $6, $7, $8 FROM callers
             WHERE program = $9 AND user_agent = $10 ON CONFLICT DO NOTHING"
        ),
        &[
            &row.since,
            &row.key,
            &row.outcome,
            &host,
            &row.requests,
            &row.bytes_in,
            &row.bytes_out,
            &row.last_at,
            &row.program,
            &row.user_agent,
        ],
    )
    .map(drop)
}
