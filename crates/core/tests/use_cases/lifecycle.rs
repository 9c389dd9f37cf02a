//! The rules of a key's life, over random sequences and over several processes.

use std::time::{Duration, Instant};

use atthene_core::activity::ActivityFilter;
use atthene_core::identity::Profile;
use atthene_core::keys::{Ending, KeyText, Refusal, Verdict};
use atthene_core::{Code, Core, Environment, SecretChange, Settings, UnixMs};
use atthene_test_support::machine::{Machine, live, new_key};
use atthene_test_support::raw_rows::RawRows;
use atthene_test_support::{environment, sqlite_only};
use atthene_vault::MemoryVault;
use proptest::prelude::*;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[derive(Debug, Clone)]
enum Step {
    Create { days: u16 },
    Revoke,
    Clock { hours: i64 },
    Verify,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..10_u16).prop_map(|days| Step::Create { days }),
        1 => Just(Step::Revoke),
        3 => (-200..300_i64).prop_map(|hours| Step::Clock { hours }),
        3 => Just(Step::Verify),
        1 => Just(Step::Restart),
    ]
}

#[test]
fn d1_a_prepared_key_opens_nothing_and_ends_nothing_until_it_is_issued() {
    let machine = Machine::new();
    let (core, runtime) = (machine.open(), runtime());
    let opens = |text: &KeyText| matches!(runtime.block_on(core.keys.verify(text.expose())), Verdict::Valid(_));
    let (old, old_text) = core.keys.create(new_key("Old", 7, None)).expect("creates");
    let prepared = core.keys.prepare(new_key("New", 7, Some(old.id.clone()))).expect("prepares");
    assert!(opens(&old_text) && !opens(prepared.text()));
    assert_eq!(core.keys.list().expect("lists").len(), 1, "nothing is written of it");
    // Another process sees nothing of it, and a dropped one was never there.
    drop(core.keys.prepare(new_key("Dropped", 7, Some(old.id.clone()))).expect("prepares"));
    assert_eq!(live(&machine.open()), Some(old.id.clone()));
    core.keys.issue(&prepared).expect("issues");
    assert!(!opens(&old_text) && opens(prepared.text()));

    // Whoever was told of another live key ends none.
    let late = core.keys.prepare(new_key("Late", 7, live(&core))).expect("prepares");
    let (_, newest) = core.keys.create(new_key("Newest", 7, live(&core))).expect("creates");
    assert_eq!(core.keys.issue(&late).expect_err("another is live").code(), Code::LiveKeyChanged);
    assert!(opens(&newest) && !opens(late.text()));
}

proptest! {
    // Each case hashes with argon2 a few dozen times.
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn at_most_one_key_is_valid_and_an_ended_key_never_verifies_again(steps in prop::collection::vec(step(), 1..16)) {
        let machine = Machine::new();
        let mut core = machine.open();
        let runtime = runtime();
        let mut texts: Vec<KeyText> = Vec::new();
        let mut seen_ended = std::collections::HashSet::new();
        for step in steps {
            match step {
                Step::Create { days } => {
                    let (_, text) = core.keys.create(new_key("k", days, live(&core))).expect("creates");
                    texts.push(text);
                }
                Step::Revoke => {
                    if let Some(id) = live(&core) {
                        core.keys.revoke(&id, None).expect("revokes");
                    }
                }
                Step::Clock { hours } => machine.step(hours * UnixMs::HOUR),
                Step::Restart => core = machine.open(),
                Step::Verify => {}
            }
            let verdicts: Vec<Verdict> =
                texts.iter().map(|text| runtime.block_on(core.keys.verify(text.expose()))).collect();
            prop_assert!(verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Valid(_))).count() <= 1);
            for (text, verdict) in texts.iter().zip(&verdicts) {
                match verdict {
                    Verdict::Valid(id) => {
                        prop_assert_eq!(id, &text.id());
                        prop_assert!(!seen_ended.contains(id), "a key that had ended verifies again");
                    }
                    Verdict::Refused(Refusal::Ended(_), id) => {
                        prop_assert_eq!(id.as_ref(), Some(&text.id()));
                        seen_ended.insert(text.id());
                    }
                    other @ Verdict::Refused(..) => prop_assert!(false, "the holder of a real key hears {:?}", other),
                }
            }
            let listed_live = core.keys.list().expect("lists").iter().filter(|key| key.ended_at.is_none()).count();
            prop_assert!(listed_live <= 1);
        }
    }
}

#[test]
fn each_ending_is_told_to_the_holder_and_to_nobody_else() {
    let machine = Machine::new();
    let core = machine.open();
    let runtime = runtime();
    let verdict = |text: &str| runtime.block_on(core.keys.verify(text));
    let ended = |text: &KeyText, ending| Verdict::Refused(Refusal::Ended(ending), Some(text.id()));

    let (_, first) = core.keys.create(new_key("first", 7, None)).expect("creates");
    assert_eq!(verdict(first.expose()), Verdict::Valid(first.id()));
    let (_, second) = core.keys.create(new_key("second", 7, Some(first.id()))).expect("creates");
    assert_eq!(verdict(first.expose()), ended(&first, Ending::Replaced));
    core.keys.revoke(&second.id(), None).expect("revokes");
    assert_eq!(verdict(second.expose()), ended(&second, Ending::Revoked));
    let (_, third) = core.keys.create(new_key("third", 7, None)).expect("creates");
    machine.step(7 * UnixMs::DAY);
    assert_eq!(verdict(third.expose()), ended(&third, Ending::Expired));

    // Another secret under a known id is just not a key.
    let stranger = KeyText::generate(core.profile_secret());
    assert_eq!(verdict(stranger.expose()), Verdict::Refused(Refusal::Unknown, None));
}

#[test]
fn a_key_that_was_not_announced_is_not_replaced() {
    let machine = Machine::new();
    let (one, two) = (machine.open(), machine.open());
    let (_, first) = one.keys.create(new_key("first", 7, None)).expect("creates");
    let unaware = two.keys.create(new_key("second", 7, None)).expect_err("refused");
    assert_eq!(unaware.code(), Code::LiveKeyChanged);
    assert_eq!(live(&two), Some(first.id()));
    two.keys.create(new_key("second", 7, Some(first.id()))).expect("creates");
}

#[test]
fn two_windows_creating_at_once_leave_one_live_key() {
    let machine = Machine::new();
    let cores = [machine.open(), machine.open()];
    let barrier = std::sync::Barrier::new(2);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = cores
            .iter()
            .map(|core| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    core.keys.create(new_key("mine", 7, None))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("joins")).collect()
    });
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(won, 1, "one wins, the other is told");
    let lost = outcomes.iter().find_map(|outcome| outcome.as_ref().err()).expect("one lost");
    assert_eq!(lost.code(), Code::LiveKeyChanged);
    assert_eq!(cores[0].keys.list().expect("lists").len(), 1);
}

#[test]
fn a_key_revoked_by_another_process_is_refused_within_100_ms() {
    let machine = Machine::new();
    let (gateway, window) = (machine.open(), machine.open());
    let runtime = runtime();
    let (_, text) = window.keys.create(new_key("k", 7, None)).expect("creates");
    // The gateway hears of the new key by itself.
    let heard = Instant::now();
    while runtime.block_on(gateway.keys.verify(text.expose())) != Verdict::Valid(text.id()) {
        assert!(heard.elapsed() < Duration::from_secs(5), "the new key was never heard of");
    }
    window.keys.revoke(&text.id(), None).expect("revokes");
    let revoked = Instant::now();
    while matches!(runtime.block_on(gateway.keys.verify(text.expose())), Verdict::Valid(_)) {
        assert!(revoked.elapsed() < Duration::from_secs(5), "the revocation was never heard of");
    }
    // The watch looks every 50 ms; the rest is room for a busy machine.
    assert!(revoked.elapsed() < Duration::from_millis(500), "{:?}", revoked.elapsed());
}

#[test]
fn revoking_twice_or_the_unknown_is_said() {
    let machine = Machine::new();
    let core = machine.open();
    let (_, text) = core.keys.create(new_key("k", 7, None)).expect("creates");
    core.keys.revoke(&text.id(), None).expect("revokes");
    assert_eq!(core.keys.revoke(&text.id(), None).expect_err("refused").code(), Code::KeyAlreadyEnded);
    assert_eq!(
        core.keys.revoke(&KeyText::generate(core.profile_secret()).id(), None).expect_err("refused").code(),
        Code::KeyNotFound
    );
}

#[test]
fn names_and_expiries_that_can_not_be_are_refused_before_the_live_key_ends() {
    let machine = Machine::new();
    let core = machine.open();
    let (_, text) = core.keys.create(new_key("k", 7, None)).expect("creates");
    assert_eq!(
        core.keys.create(new_key("a\u{202e}b", 7, Some(text.id()))).expect_err("refused").code(),
        Code::InvalidName
    );
    assert_eq!(core.keys.create(new_key("b", 0, Some(text.id()))).expect_err("refused").code(), Code::InvalidExpiry);
    assert_eq!(live(&core), Some(text.id()));
}

#[test]
fn a_key_is_given_another_name_and_note_and_stays_the_key_that_it_is() {
    let machine = Machine::new();
    let (core, beside, runtime) = (machine.open(), machine.open(), runtime());
    let (key, text) = core.keys.create(new_key("CI", 7, None)).expect("creates");
    let described =
        core.keys.describe(&key.id, " Build server ", "Ask Grace before it is revoked.").expect("described");
    assert_eq!((described.name.as_str(), described.expires_at), ("Build server", key.expires_at));
    assert!(matches!(runtime.block_on(core.keys.verify(text.expose())), Verdict::Valid(_)));
    let seen = beside.keys.live().expect("reads").expect("a live key");
    assert_eq!((seen.name.as_str(), seen.note.as_str()), ("Build server", "Ask Grace before it is revoked."));

    let rows = || core.activity.page(&ActivityFilter::default(), None).expect("reads").rows;
    assert_eq!((rows()[0].kind.as_str(), &rows()[0].detail["was"]), ("key_described", &serde_json::json!("CI")));
    let before = rows().len();
    core.keys.describe(&key.id, "Build server", "Ask Grace before it is revoked.").expect("nothing to do");
    assert_eq!(rows().len(), before, "what changes nothing is no act");

    let refused = |name: &str, note: &str| core.keys.describe(&key.id, name, note).expect_err("refused").code();
    assert_eq!(refused(" ", ""), Code::InvalidName);
    assert_eq!(refused("CI", "a\u{202e}b"), Code::InvalidNote);
    assert_eq!(refused("CI", &"x".repeat(201)), Code::InvalidNote);
    let other = KeyText::generate(core.profile_secret()).id();
    assert_eq!(core.keys.describe(&other, "CI", "").expect_err("refused").code(), Code::KeyNotFound);

    // One that has ended is found again by what is noted of it, and does not come back.
    core.keys.revoke(&key.id, None).expect("revokes");
    core.keys.describe(&key.id, "Build server", "Was in the old image.").expect("described");
    assert_eq!(live(&core), None);
}

#[test]
fn the_record_says_which_account_of_the_machine_acted_and_not_for_the_gateway() {
    let machine = Machine::new();
    let folder = machine.dir.path();
    let environment = environment(folder, machine.clock(), MemoryVault::default()).expect("opens");
    let environment = Environment { os_user: Some("grace".into()), ..environment };
    let core = Core::open(&Profile::at(folder), environment).expect("opens");
    let (key, text) = core.keys.create(new_key("CI", 1, None)).expect("creates");
    machine.step(2 * UnixMs::DAY);
    let verdict = runtime().block_on(core.keys.verify(text.expose()));
    assert!(matches!(verdict, Verdict::Refused(..)), "it has run out");
    let rows = core.activity.page(&ActivityFilter::default(), None).expect("reads").rows;
    let user = |kind: &str| rows.iter().find(|row| row.kind == kind).expect("a row").detail.get("os_user").cloned();
    assert_eq!(user("key_created"), Some("grace".into()));
    assert_eq!(user("key_expired"), None, "{} ran out by itself", key.name);
}

/// No text of a language: whoever reads it fails.
const UNREADABLE: &str = "CAST(x'ff' AS TEXT)";

#[tokio::test]
async fn what_is_done_is_told_as_done_and_holds_though_nothing_can_be_read_after_it() {
    sqlite_only!("a database on the network takes no such text");
    let machine = Machine::new();
    let core = machine.open();
    let (first, first_text) = core.keys.create(new_key("first", 30, None)).expect("creates");
    let rows = RawRows::of(machine.dir.path());
    let spoils = |event: &str| {
        rows.run(&format!(
            "UPDATE api_keys SET hash = 'x'; DROP TRIGGER IF EXISTS spoils;
             CREATE TRIGGER spoils AFTER {event} ON api_keys WHEN NEW.name <> 'spoilt'
             BEGIN UPDATE api_keys SET hash = {UNREADABLE} WHERE id <> NEW.id; END;"
        ));
    };
    let worth = async |text: &KeyText| core.keys.verify(text.expose()).await;

    spoils("INSERT");
    let (second, second_text) = core.keys.create(new_key("second", 30, Some(first.id))).expect("is done");
    assert!(core.keys.reload().is_err(), "nothing can be read");
    assert!(matches!(worth(&second_text).await, Verdict::Valid(_)));
    assert!(matches!(worth(&first_text).await, Verdict::Refused(Refusal::Ended(Ending::Replaced), _)));

    spoils("UPDATE OF ended_at");
    core.keys.revoke(&second.id, None).expect("is done");
    assert!(core.keys.reload().is_err(), "nothing can be read");
    assert!(matches!(worth(&second_text).await, Verdict::Refused(Refusal::Ended(Ending::Revoked), _)));

    core.save_settings(Settings { record_days: 7, ..Settings::default() }, SecretChange::Keep).await.expect("saves");
    rows.run(&format!(
        "CREATE TRIGGER spoils_settings AFTER INSERT ON settings
         BEGIN UPDATE settings SET value = {UNREADABLE} WHERE name <> NEW.name; END;"
    ));
    core.stop_everything().expect("is done");
    assert!(core.settings.reload().is_err(), "nothing can be read");
    assert!(core.settings.stopped_at().is_some());
    assert_eq!(core.settings.current().record_days, 7);
}
