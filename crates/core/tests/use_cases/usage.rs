//! Counters: complete, bounded, and kept when they can't be written.

use std::time::Duration;

use atthene_core::Format;
use atthene_core::UnixMs;
use atthene_core::activity::{Call, CallOutcome, Caller, Span, Trouble};
use atthene_core::keys::KeyId;
use atthene_core::problem::{CallCheck, ProblemCode};
use atthene_test_support::databases;
use atthene_test_support::hosts::Hosts;
use atthene_test_support::machine::{Machine, new_key};
use atthene_test_support::needs_server;
use atthene_test_support::raw_rows::RawRows;

fn call(key: &KeyId, program: &str, user_agent: &str, outcome: CallOutcome) -> Call {
    Call {
        key: Some(key.clone()),
        caller: Caller { program: program.into(), user_agent: user_agent.into() },
        outcome,
        bytes_in: 10,
        bytes_out: 20,
        gateway_time: Some(Duration::from_micros(80)),
        runtime_time: None,
        trouble: None,
    }
}

#[test]
fn calls_are_counted_per_key_hour_and_program() {
    let machine = Machine::new();
    let core = machine.open();
    let (key, _) = core.keys.create(new_key("k", 30, None)).expect("creates");
    for _ in 0..3 {
        core.usage.record(call(&key.id, "node server.js", "undici", CallOutcome::Answered));
    }
    core.usage.record(call(&key.id, "", "curl/8.5.0", CallOutcome::Answered));
    core.usage.record(call(&key.id, "", "curl/8.5.0", CallOutcome::Refused(ProblemCode::RevokedKey)));
    core.usage.flush().expect("flushes");
    machine.step(2 * UnixMs::HOUR);
    core.usage.record(call(&key.id, "node server.js", "undici", CallOutcome::Answered));
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
    core.usage.record(call(&key.id, "", "curl/8.5.0", CallOutcome::Answered));
    core.usage.flush().expect("flushes");
    machine.step(1000);
    core.usage.record(call(&key.id, "node", "", CallOutcome::Answered));
    core.usage.flush().expect("flushes");
    let first = core.keys.list().expect("lists").remove(0).first_used.expect("used");
    assert_eq!((first.by.as_str(), first.at.0), ("curl/8.5.0", atthene_test_support::machine::START));
}

#[test]
fn the_first_and_the_last_call_are_told_also_when_they_are_written_at_once() {
    let machine = Machine::new();
    let core = machine.open();
    let (key, _) = core.keys.create(new_key("k", 30, None)).expect("creates");
    let by = ["curl/8.5.0", "node/22", "python/3.13"];
    for agent in by {
        machine.step(1000);
        core.usage.record(call(&key.id, "", agent, CallOutcome::Answered));
    }
    core.usage.flush().expect("flushes");
    let shown = core.keys.list().expect("lists").remove(0);
    assert_eq!(shown.requests, 3);
    let (first, last) = (shown.first_used.expect("used"), shown.last_used.expect("used"));
    assert_eq!((first.by.as_str(), last.by.as_str()), (by[0], by[2]));
    assert_eq!(last.at.0 - first.at.0, 2000);
}

#[test]
fn remembered_refusals_are_bounded_and_push_out_no_other_calls() {
    let machine = Machine::new();
    let core = machine.open();
    let (key, _) = core.keys.create(new_key("k", 30, None)).expect("creates");
    let troubled = |id: &str, code, outcome| Call {
        trouble: Some(Box::new(Trouble {
            request_id: id.into(),
            method: "POST".into(),
            path: "/".into(),
            code,
            check: CallCheck::Form,
            detail: String::new(),
        })),
        ..call(&key.id, "node", "", outcome)
    };
    core.usage.record(troubled("failed", ProblemCode::RuntimeUnreachable, CallOutcome::Failed));
    for at in 0..2_400 {
        let code = ProblemCode::InvalidKey;
        core.usage.record(troubled(&format!("refused-{at}"), code, CallOutcome::Refused(code)));
        if at % 40 == 39 {
            core.usage.flush().expect("flushes");
        }
    }
    let kept = core.troubled_calls(5_000).expect("reads");
    // A server is asked to forget once for many that are added.
    let spare = if databases::server().is_some() { 100 } else { 0 };
    assert!((1_001..=1_001 + spare).contains(&kept.len()), "{} are kept", kept.len());
    assert_eq!(&*kept[0].request_id, "refused-2399");
    assert_eq!(&*kept[kept.len() - 1].request_id, "failed");
}

#[test]
fn what_can_not_be_written_is_kept_for_the_next_time() {
    let machine = Machine::new();
    let core = machine.open();
    let (key, _) = core.keys.create(new_key("k", 30, None)).expect("creates");
    let held = RawRows::of(machine.dir.path()).hold();
    core.usage.record(call(&key.id, "a", "", CallOutcome::Answered));
    core.usage.flush().expect_err("locked");
    core.usage.record(call(&key.id, "a", "", CallOutcome::Answered));
    drop(held);
    core.usage.flush().expect("flushes");
    assert_eq!(core.keys.list().expect("lists")[0].requests, 2);
}

#[test]
fn a_caller_that_changes_its_name_at_every_call_fills_nothing() {
    let machine = Machine::new();
    let core = machine.open();
    let (key, _) = core.keys.create(new_key("k", 30, None)).expect("creates");
    for n in 0..5_000 {
        core.usage.record(call(&key.id, "", &format!("agent/{n}"), CallOutcome::Answered));
    }
    core.usage.flush().expect("flushes");
    assert_eq!(core.keys.list().expect("lists")[0].requests, 5_000);
    assert!(core.usage.recent_callers(&key.id).expect("reads").len() <= 257);
}

#[test]
fn a_report_counts_every_call_once_and_its_export_holds_the_same() {
    let machine = Machine::new();
    let core = machine.open();
    let (key, _) = core.keys.create(new_key("k", 365, None)).expect("creates");
    // Two a day for 100 days, the last of them now.
    for day in (0..100).rev() {
        core.usage.record(call(&key.id, "node", "", CallOutcome::Answered));
        core.usage.record(call(&key.id, "", "curl/8", CallOutcome::Refused(ProblemCode::ReplacedKey)));
        core.usage.flush().expect("flushes");
        if day > 0 {
            machine.step(UnixMs::DAY);
        }
    }
    for (span, steps) in [(Span::Day, 24), (Span::Week, 7), (Span::Month, 30), (Span::Quarter, 90)] {
        let report = core.usage.report(span).expect("reports");
        let days = u64::try_from(span.days()).expect("positive");
        assert_eq!((report.steps.len(), report.answered.len(), report.refused.len()), (steps, steps, steps));
        assert_eq!((report.total.answered, report.total.refused, report.total.failed), (days, days, 0), "{span:?}");
        assert_eq!(report.answered.iter().sum::<u64>(), days);
        assert_eq!(report.programs.iter().map(|program| program.steps.iter().sum::<u64>()).sum::<u64>(), 2 * days);
        assert!(report.gateway.expect("measured").p99_us < 200.0);
        let mut json = Vec::new();
        core.usage.export(span, Format::Json, &mut json).expect("exports");
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&json).expect("JSON");
        let answered = rows.iter().filter(|row| row["outcome"] == "answered");
        assert_eq!(answered.map(|row| row["requests"].as_u64().expect("a number")).sum::<u64>(), days);
    }
    // The week before the last one, too.
    assert_eq!(core.usage.report(Span::Week).expect("reports").before.answered, 7);
}

#[test]
fn hours_become_days_and_days_go_after_two_years() {
    let machine = Machine::new();
    let core = machine.open();
    let (key, _) = core.keys.create(new_key("k", 365, None)).expect("creates");
    let count = |sql: &str| RawRows::of(machine.dir.path()).number(sql);
    for _ in 0..3 {
        core.usage.record(call(&key.id, "node", "", CallOutcome::Answered));
        core.usage.flush().expect("flushes");
        machine.step(UnixMs::HOUR);
    }
    core.usage.roll_up().expect("rolls up");
    assert_eq!(count("SELECT count(*) FROM usage_hours"), 3);
    machine.step(94 * UnixMs::DAY);
    core.usage.roll_up().expect("rolls up");
    core.usage.roll_up().expect("twice is once");
    assert_eq!(count("SELECT count(*) FROM usage_hours"), 0);
    assert_eq!(count("SELECT CAST(sum(requests) AS bigint) FROM usage_days"), 3);
    assert_eq!(count("SELECT CAST(sum(requests) AS bigint) FROM latency_days"), 3);
    assert_eq!(count("SELECT count(*) FROM callers"), 1);
    machine.step(700 * UnixMs::DAY);
    core.usage.roll_up().expect("rolls up");
    assert_eq!(count("SELECT count(*) FROM usage_days"), 0);
    assert_eq!(count("SELECT count(*) FROM callers"), 0);
}

#[test]
fn s7_names_of_refused_callers_are_bounded_over_hours_and_restarts() {
    let machine = Machine::new();
    let (key, _) = machine.open().keys.create(new_key("k", 30, None)).expect("creates");
    for hour in 0..60 {
        let core = machine.open();
        for at in 0..200 {
            let keyless = Call {
                key: None,
                ..call(&key.id, "", &format!("agent-{hour}-{at}"), CallOutcome::Refused(ProblemCode::MissingKey))
            };
            core.usage.record(keyless);
        }
        core.usage.record(call(&key.id, "node server.js", &format!("app-{hour}"), CallOutcome::Answered));
        core.usage.flush().expect("flushes");
        machine.step(UnixMs::HOUR);
    }
    let count = |sql: &str| RawRows::of(machine.dir.path()).number(sql);
    assert!(count("SELECT count(*) FROM callers") <= 1024 + 60 + 1, "names grow with whoever calls");
    assert!(count("SELECT count(*) FROM usage_hours WHERE key_id = ''") <= 60 * 33);
    assert_eq!(
        count("SELECT CAST(sum(requests) AS bigint) FROM usage_hours WHERE key_id = ''"),
        60 * 200,
        "none is forgotten"
    );
    assert_eq!(
        count("SELECT count(DISTINCT user_agent) FROM callers WHERE user_agent LIKE 'app-%'"),
        60,
        "the key's holder has a name"
    );
    // Old hours become days of everybody together.
    machine.step(100 * UnixMs::DAY);
    machine.open().usage.roll_up().expect("rolls up");
    assert!(count("SELECT count(*) FROM usage_days WHERE key_id = ''") <= 4);
    assert!(count("SELECT count(*) FROM callers") <= 61);
}

#[test]
fn s7_whoever_holds_no_key_does_not_hide_who_still_sends_an_ended_one() {
    let machine = Machine::new();
    let core = machine.open();
    let (key, _) = core.keys.create(new_key("k", 30, None)).expect("creates");
    for at in 0..100 {
        let keyless = Call {
            key: None,
            ..call(&key.id, "", &format!("agent-{at}"), CallOutcome::Refused(ProblemCode::MissingKey))
        };
        core.usage.record(keyless);
    }
    core.usage.record(call(
        &key.id,
        "python3 old_job.py",
        "requests/2.32",
        CallOutcome::Refused(ProblemCode::ReplacedKey),
    ));
    core.usage.flush().expect("flushes");
    let named = "SELECT count(*) FROM usage_hours JOIN callers ON id = caller_id WHERE program = 'python3 old_job.py'";
    assert_eq!(RawRows::of(machine.dir.path()).number(named), 1);
}

#[test]
fn s7_bursts_on_record_are_bounded_whatever_callers_say_of_themselves() {
    let machine = Machine::new();
    let core = machine.open();
    let (key, _) = core.keys.create(new_key("k", 30, None)).expect("creates");
    for at in 0..500 {
        for _ in 0..25 {
            let keyless = Call {
                key: None,
                ..call(&key.id, "", &format!("agent-{at}/1"), CallOutcome::Refused(ProblemCode::InvalidKey))
            };
            core.usage.record(keyless);
        }
        core.usage.flush().expect("flushes");
    }
    let filter = atthene_core::activity::ActivityFilter {
        kinds: vec![atthene_core::activity::Kind::RefusalBurst],
        ..Default::default()
    };
    let told = core.activity.page(&filter, None).expect("reads").rows;
    assert!((2..=9).contains(&told.len()), "{} bursts on record", told.len());
    assert!(told.iter().any(|row| row.detail["program"] == "many callers together"), "the whole of it is seen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_on_hosts_that_share_a_profile_are_told_for_each_and_in_all() {
    needs_server!();
    let hosts = Hosts::new().await;
    let first = &hosts.world.core;
    let (key, _) = first.keys.create(new_key("k", 30, None)).expect("creates");
    let second = hosts.place(1).open();
    let answered = || call(&key.id, "node", "", CallOutcome::Answered);
    for _ in 0..3 {
        first.usage.record(answered());
    }
    second.usage.record(answered());
    second.usage.record(call(&key.id, "node", "", CallOutcome::Refused(ProblemCode::ReplacedKey)));
    first.usage.flush().expect("flushes");
    hosts.world.machine.step(2 * UnixMs::HOUR);
    second.usage.record(answered());
    second.usage.flush().expect("flushes");
    for core in [first, &second] {
        let report = core.usage.report(Span::Day).expect("reports");
        assert_eq!((report.total.answered, report.total.refused, report.programs.len()), (5, 1, 1));
        let of = |name: &str| report.hosts.iter().find(|host| host.name == name).expect("there");
        assert_eq!((of("0").totals.answered, of("0").totals.refused), (3, 0));
        assert_eq!((of("1").totals.answered, of("1").totals.refused), (2, 1));
        assert_eq!((of("0").steps[21..].to_vec(), of("1").steps[21..].to_vec()), (vec![3, 0, 0], vec![2, 0, 1]));
        assert!(of("1").last_at > of("0").last_at);
        let mut csv = Vec::new();
        core.usage.export(Span::Day, Format::Csv, &mut csv).expect("exports");
        let csv = String::from_utf8(csv).expect("text");
        assert!(csv.lines().next().is_some_and(|names| names.ends_with("host")), "{csv}");
        assert_eq!(csv.lines().filter(|line| line.ends_with(",1")).count(), 3, "{csv}");
    }
}
