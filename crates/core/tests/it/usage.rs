//! Counters: complete, bounded, and kept when they can't be written.

use std::time::Duration;

use crate::common::{Machine, new_key};
use atthene_core::UnixMs;
use atthene_core::activity::{Call, Caller, Outcome};
use atthene_core::keys::KeyId;

fn call(key: &KeyId, program: &str, user_agent: &str, outcome: Outcome) -> Call {
    Call {
        key: Some(key.clone()),
        caller: Caller { program: program.into(), user_agent: user_agent.into() },
        outcome,
        bytes_in: 10,
        bytes_out: 20,
        gateway_time: Duration::from_micros(80),
        runtime_time: None,
    }
}

#[test]
fn calls_are_counted_per_key_hour_and_program() {
    let machine = Machine::new();
    let core = machine.open();
    let (key, _) = core.keys.create(new_key("k", 30, None)).expect("creates");
    for _ in 0..3 {
        core.usage.record(call(&key.id, "node server.js", "undici", Outcome::Answered));
    }
    core.usage.record(call(&key.id, "", "curl/8.5.0", Outcome::Answered));
    core.usage.record(call(&key.id, "", "curl/8.5.0", Outcome::Refused("revoked_key")));
    core.usage.flush().expect("flushes");
    machine.step(2 * UnixMs::HOUR);
    core.usage.record(call(&key.id, "node server.js", "undici", Outcome::Answered));
    core.usage.flush().expect("flushes");

    let shown = core.keys.list().expect("lists").remove(0);
    assert_eq!(shown.requests, 5);
    assert_eq!(shown.last_used.expect("used").by, "node server.js");
    let day = core.usage.last_day().expect("reads");
    assert_eq!(day.keys[0].hours[21..], [4, 0, 1]);
    assert_eq!(day.refusals[0].reason, "revoked_key");
    assert_eq!(day.refusals[0].key_id, Some(key.id.clone()));
    let callers = core.usage.recent_callers(&key.id).expect("reads");
    assert_eq!(
        callers.iter().map(|caller| (&*caller.program, caller.requests)).collect::<Vec<_>>(),
        [("node server.js", 4), ("", 1)]
    );
}

#[test]
fn the_first_call_is_named_once_and_stays() {
    let machine = Machine::new();
    let core = machine.open();
    let (key, _) = core.keys.create(new_key("k", 30, None)).expect("creates");
    core.usage.record(call(&key.id, "", "curl/8.5.0", Outcome::Answered));
    core.usage.flush().expect("flushes");
    machine.step(1000);
    core.usage.record(call(&key.id, "node", "", Outcome::Answered));
    core.usage.flush().expect("flushes");
    let first = core.keys.list().expect("lists").remove(0).first_used.expect("used");
    assert_eq!((first.by.as_str(), first.at.0), ("curl/8.5.0", crate::common::START));
}

#[test]
fn what_can_not_be_written_is_kept_for_the_next_time() {
    let machine = Machine::new();
    let core = machine.open();
    let (key, _) = core.keys.create(new_key("k", 30, None)).expect("creates");
    let other = rusqlite::Connection::open(machine.dir.path().join(atthene_core::DATABASE_FILE)).expect("opens");
    other.execute_batch("BEGIN EXCLUSIVE").expect("locks");
    core.usage.record(call(&key.id, "a", "", Outcome::Answered));
    core.usage.flush().expect_err("locked");
    core.usage.record(call(&key.id, "a", "", Outcome::Answered));
    other.execute_batch("ROLLBACK").expect("unlocks");
    core.usage.flush().expect("flushes");
    assert_eq!(core.keys.list().expect("lists")[0].requests, 2);
}

#[test]
fn a_caller_that_changes_its_name_at_every_call_fills_nothing() {
    let machine = Machine::new();
    let core = machine.open();
    let (key, _) = core.keys.create(new_key("k", 30, None)).expect("creates");
    for n in 0..5_000 {
        core.usage.record(call(&key.id, "", &format!("agent/{n}"), Outcome::Answered));
    }
    core.usage.flush().expect("flushes");
    assert_eq!(core.keys.list().expect("lists")[0].requests, 5_000);
    assert!(core.usage.recent_callers(&key.id).expect("reads").len() <= 257);
}
