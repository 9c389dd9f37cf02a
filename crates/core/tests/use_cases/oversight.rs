//! The record and its chain, what needs attention, and why a call was refused.

use std::time::Duration;

use atthene_core::activity::{ActOutcome, ActivityFilter, Call, CallOutcome, Caller, Chain, Kind, Trouble};
use atthene_core::keys::{KeyId, RevokeReason};
use atthene_core::oversight::{FindingState, Fix, GatewayState, Harm, Keeper, RungState};
use atthene_core::problem::ProblemCode;
use atthene_core::{Code, Core, Format, SecretChange, Settings, UnixMs};

use atthene_test_support::machine::{Machine, new_key};
use atthene_test_support::raw_rows::RawRows;

fn refused(key: Option<&KeyId>, request_id: &str, code: ProblemCode, detail: &str) -> Call {
    Call {
        key: key.cloned(),
        caller: Caller { program: "".into(), user_agent: "curl/8.5.0".into() },
        outcome: CallOutcome::Refused(code),
        bytes_in: 0,
        bytes_out: 0,
        gateway_time: Some(Duration::from_micros(50)),
        runtime_time: None,
        trouble: Some(Box::new(Trouble {
            request_id: request_id.into(),
            method: "POST".into(),
            path: "/api/amas/conversations/execute".into(),
            code,
            check: code.check(),
            detail: detail.to_owned(),
        })),
    }
}

fn kinds(core: &Core, filter: &ActivityFilter) -> Vec<String> {
    core.activity.page(filter, None).expect("reads").rows.into_iter().map(|row| row.kind).collect()
}

fn titles(core: &Core) -> Vec<String> {
    core.attention().expect("looks").into_iter().map(|attention| attention.title).collect()
}

#[test]
fn d10_what_needs_attention_comes_in_the_order_of_harm() {
    let machine = Machine::new();
    let core = machine.open();
    let (key, _) = core.keys.create(new_key("CI", 2, None)).expect("creates");
    core.signals.runtime_seen(Err("no route".into()));
    let harms = || core.attention().expect("looks").into_iter().map(|it| it.harm).collect::<Vec<_>>();
    assert_eq!(harms(), [Harm::RuntimeAway, Harm::KeyEnds]);
    core.keys.revoke(&key.id, None).expect("revokes");
    assert_eq!(titles(&core)[0], "No key is live");
    core.signals.gateway_seen(Some("Port 8765 is taken by node.".into()));
    assert_eq!(harms(), [Harm::EverythingRefused, Harm::EverythingRefused, Harm::RuntimeAway]);
    core.signals.gateway_seen(None);
    core.signals.runtime_seen(Ok(()));
    assert_eq!(harms(), [Harm::EverythingRefused]);
}

#[tokio::test]
async fn keys_that_come_in_clear_text_are_told_for_as_long_as_they_do() {
    let machine = Machine::new();
    let core = machine.open();
    let way_in = async || {
        let findings = core.self_check().await.expect("looks");
        findings.into_iter().find(|finding| finding.id == "way_in")
    };
    let tell = |in_clear: &[std::net::SocketAddr]| {
        let state = GatewayState::Listening { url: "http://127.0.0.1:8765".into() };
        core.tell_service_status(state, Keeper::Other, in_clear).expect("tells");
    };
    let lease = core.become_service().expect("asks").expect("nobody else is");
    tell(&[]);
    assert_eq!(way_in().await, None);
    tell(&["10.0.0.5:9000".parse().expect("an address")]);
    let finding = way_in().await.expect("is told");
    assert_eq!(finding.state, FindingState::Warning);
    assert!(finding.found.contains("10.0.0.5:9000") && finding.found.contains("without a certificate"), "{finding:?}");
    assert!(finding.remedy.is_some_and(|remedy| remedy.contains("--tls-cert")));
    let trusting = Settings { trust_front_proxy: true, ..Settings::clone(&core.settings.current()) };
    core.save_settings(trusting, SecretChange::Keep).await.expect("saves");
    assert_eq!(way_in().await, None);
    let not = Settings { trust_front_proxy: false, ..Settings::clone(&core.settings.current()) };
    core.save_settings(not, SecretChange::Keep).await.expect("saves");
    assert!(way_in().await.is_some());
    drop(lease);
    assert_eq!(way_in().await, None, "nobody serves");
}

#[test]
fn every_act_on_keys_and_settings_is_recorded_and_can_be_found() {
    let machine = Machine::new();
    let core = machine.open();
    let (first, _) = core.keys.create(new_key("CI", 7, None)).expect("creates");
    let (second, _) = core.keys.create(new_key("Production", 7, Some(first.id.clone()))).expect("creates");
    core.keys.revoke(&second.id, Some(RevokeReason::Leaked)).expect("revokes");
    core.settings.save(Settings { clipboard_seconds: 60, ..Settings::default() }).expect("saves");
    core.settings.save(Settings { clipboard_seconds: 60, ..Settings::default() }).expect("changes nothing");
    let all = ActivityFilter::default();
    assert_eq!(kinds(&core, &all), ["settings_changed", "key_revoked", "key_created", "key_created"]);
    let of = |filter: ActivityFilter| kinds(&core, &filter).len();
    assert_eq!(of(ActivityFilter { kinds: vec![Kind::KeyCreated], ..all.clone() }), 2);
    assert_eq!(of(ActivityFilter { subject: Some(second.id.0.to_string()), ..all.clone() }), 2);
    assert_eq!(of(ActivityFilter { search: Some("LEAKED".into()), ..all.clone() }), 1);
    assert_eq!(of(ActivityFilter { search: Some("%".into()), ..all.clone() }), 0, "no wildcard");
    assert_eq!(of(ActivityFilter { outcome: Some(ActOutcome::Failed), ..all.clone() }), 0);
    assert_eq!(of(ActivityFilter { since: Some(UnixMs(atthene_test_support::machine::START + 1)), ..all.clone() }), 0);
    let mut csv = Vec::new();
    assert_eq!(core.activity.export(&all, Format::Csv, &mut csv).expect("exports"), 4);
    assert_eq!(String::from_utf8(csv).expect("text").lines().count(), 5);
}

#[test]
fn pages_follow_one_another_without_a_gap() {
    let machine = Machine::new();
    let core = machine.open();
    for n in 0..450 {
        core.settings.save(Settings { clipboard_seconds: 10 + n, ..Settings::default() }).expect("saves");
    }
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = core.activity.page(&ActivityFilter::default(), before).expect("reads");
        seen.extend(page.rows.into_iter().map(|row| row.id));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=450).rev().collect::<Vec<i64>>());
    assert_eq!(core.activity.after(448).expect("reads").len(), 2);
}

#[test]
fn a_row_that_was_changed_removed_or_cut_off_shows() {
    let machine = Machine::new();
    let core = machine.open();
    let tamper = |sql: &str| RawRows::of(machine.dir.path()).run(sql);
    for seconds in 10..20 {
        core.settings.save(Settings { clipboard_seconds: seconds, ..Settings::default() }).expect("saves");
    }
    assert_eq!(core.activity.verify().expect("walks"), Chain::Sound { rows: 10 });
    tamper("CREATE TABLE kept AS SELECT * FROM activity");
    let back = "DELETE FROM activity; INSERT INTO activity SELECT * FROM kept;";
    for (sql, id) in [
        ("UPDATE activity SET actor = 'gateway' WHERE id = 4", 4),
        ("UPDATE activity SET at = at + 1 WHERE id = 1", 1),
        ("DELETE FROM activity WHERE id = 4", 5),
        ("DELETE FROM activity WHERE id = 1", 2),
    ] {
        tamper(sql);
        let found = core.activity.verify().expect("walks");
        assert!(matches!(found, Chain::Broken { id: broken, .. } if broken == id), "{sql}: {found:?}");
        tamper(back);
    }
    tamper("DELETE FROM activity WHERE id > 8");
    assert_eq!(core.activity.verify().expect("walks"), Chain::CutOff { intact: 8, missing_after: 8 });
}

#[test]
fn a_key_is_told_of_before_and_when_it_ends_and_each_time_once() {
    let machine = Machine::new();
    let core = machine.open();
    core.keys.create(new_key("CI", 30, None)).expect("creates");
    let due = || core.due_notices().expect("claims").into_iter().map(|due| due.title).collect::<Vec<_>>();
    assert_eq!((titles(&core), due()), (vec![], vec![]));
    for (days, title) in [
        (24, "The key “CI” expires in 7 days"),
        (1, ""),
        (3, "The key “CI” expires in 3 days"),
        (2, "The key “CI” expires within a day"),
        (1, "The key “CI” has expired"),
    ] {
        machine.step(days * UnixMs::DAY - i64::from(days == 24));
        let expected: Vec<&str> = [title].into_iter().filter(|title| !title.is_empty()).collect();
        assert_eq!(due(), expected, "after {days} more days");
        assert_eq!(due(), [""; 0], "told once");
        // Another process on the same data does not tell again.
        assert!(machine.open().due_notices().expect("claims").is_empty());
    }
    let attention = core.attention().expect("looks");
    assert_eq!(attention[0].fix, Fix::CreateKey);
}

#[test]
fn an_old_key_and_a_runtime_that_is_away_are_told() {
    let machine = Machine::new();
    let core = machine.open();
    core.keys.create(new_key("CI", 365, None)).expect("creates");
    machine.step(91 * UnixMs::DAY);
    assert_eq!(titles(&core), ["The key “CI” is 91 days old"]);
    core.signals.runtime_seen(Err("connection refused".into()));
    assert_eq!(titles(&core)[0], "The agent runtime can’t be reached");
    core.signals.runtime_seen(Ok(()));
    assert_eq!(titles(&core).len(), 1);
}

#[test]
fn many_refused_calls_of_one_program_are_one_burst() {
    let machine = Machine::new();
    let core = machine.open();
    let (first, _) = core.keys.create(new_key("CI", 30, None)).expect("creates");
    core.keys.create(new_key("CI 2", 30, Some(first.id.clone()))).expect("creates");
    for n in 0..19 {
        core.usage.record(refused(Some(&first.id), &format!("r-{n}"), ProblemCode::ReplacedKey, ""));
    }
    core.usage.flush().expect("flushes");
    assert_eq!(titles(&core), [""; 0]);
    for n in 19..500 {
        core.usage.record(refused(Some(&first.id), &format!("r-{n}"), ProblemCode::ReplacedKey, ""));
    }
    core.usage.flush().expect("flushes");
    assert_eq!(titles(&core), ["Many calls of curl/8.5.0 were refused"]);
    let bursts = ActivityFilter { kinds: vec![Kind::RefusalBurst], ..ActivityFilter::default() };
    assert_eq!(kinds(&core, &bursts).len(), 1);
    machine.step(25 * UnixMs::HOUR);
    assert_eq!(titles(&core), [""; 0]);
}

#[test]
fn a_refused_call_is_explained_rung_by_rung_also_after_a_restart() {
    let machine = Machine::new();
    let core = machine.open();
    let (first, _) = core.keys.create(new_key("CI", 7, None)).expect("creates");
    core.keys.create(new_key("CI 2", 7, Some(first.id.clone()))).expect("creates");
    core.usage.record(refused(Some(&first.id), "abc-1", ProblemCode::ReplacedKey, "This key was replaced"));
    core.usage.record(refused(None, "abc-2", ProblemCode::MissingKey, "Send the key"));
    core.usage.flush().expect("flushes");
    drop(core);
    let core = machine.open();
    let explained = core.explain(" abc-1 ").expect("explains");
    let states: Vec<_> = explained.rungs.iter().map(|rung| rung.state).collect();
    assert_eq!(states[..6], [RungState::Passed; 6]);
    assert_eq!(states[6..], [RungState::Failed, RungState::NotReached]);
    let found = explained.rungs[6].found.as_deref().expect("found");
    assert_eq!(found, "\"CI\" was replaced");
    assert!(explained.rungs[6].at.is_some(), "when");
    assert_eq!(core.explain("abc-2").expect("explains").rungs[2].state, RungState::Failed);
    assert_eq!(core.explain("no such").expect_err("unknown").code(), Code::UnknownRequest);
    assert_eq!(core.troubled_calls(10).expect("lists")[0].request_id, "abc-2");
}
