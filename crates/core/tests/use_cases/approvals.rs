//! Nothing is done that was not allowed, and nothing twice: whatever agents, people and the machine do, in whatever
//! order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use atthene_core::activity::{ActOutcome, ActivityFilter, Chain, Kind};
use atthene_core::approvals::{ActState, ApprovalId, ApprovalState, AskedAct, Edit, Editable, Shown, Yes, digest};
use atthene_core::connections::ConnectionId;
use atthene_core::keys::KeyId;
use atthene_core::permissions::{Act, Leave};
use atthene_core::{Change, Code, Core, UnixMs};
use atthene_test_support::hosts::Hosts;
use atthene_test_support::machine::Machine;
use atthene_test_support::{needs_server, sqlite_only};
use proptest::prelude::*;
use serde_json::json;

fn act(text: &str, to: &str) -> AskedAct {
    let connection = ConnectionId::from_row("outlook-abcdefgh".into());
    AskedAct {
        digest: digest(&connection, "mail_send", &json!({ "to": [to], "body": text })),
        connection,
        account: "ada@contoso.com".into(),
        act: Act::Send,
        tool: "mail_send".into(),
        program: "a test".into(),
        key: KeyId("AAAAAAAAAA".into()),
        shown: Shown {
            recipients: vec![to.to_owned()],
            are_addresses: true,
            body: text.to_owned(),
            editable: Editable { subject: None, body: Some(100) },
            ..Shown::default()
        },
    }
}

fn ask(core: &Core, text: &str) -> ActState {
    core.approvals.ask(&act(text, "grace@contoso.com"), Leave::Asked).expect("asks")
}

fn waiting(standing: &ActState) -> ApprovalId {
    let ActState::Waiting(id) = standing else { panic!("{standing:?}") };
    id.clone()
}

fn claimed(id: &ApprovalId) -> ActState {
    ActState::Claimed { id: id.clone(), edited: None }
}

fn instead(body: &str) -> Yes {
    Yes { edit: Edit { subject: None, body: Some(body.to_owned()) }, ..Yes::default() }
}

#[test]
fn what_a_person_writes_instead_is_what_is_done_and_the_question_stays_the_same() {
    let machine = Machine::new();
    let (window, gateway) = (machine.open(), machine.open());
    let id = waiting(&ask(&gateway, "Helo"));
    for refused in [instead(" "), instead(&"x".repeat(101)), instead("Hello\u{202e}")] {
        assert_eq!(window.approvals.approve(&id, &refused).expect_err("refused").code(), Code::EditRefused);
    }
    assert_eq!(waiting(&ask(&gateway, "Helo")), id, "it waits as before");
    window.approvals.approve(&id, &instead("Hello")).expect("says yes");
    assert_eq!(window.approvals.approve(&id, &instead("Bye")).expect_err("once").code(), Code::ApprovalEnded);
    // What the person wrote was not asked for by anybody.
    assert!(matches!(ask(&gateway, "Hello"), ActState::Waiting(_)));
    let ActState::Claimed { id: begun, edited } = ask(&gateway, "Helo") else { panic!("it may be done") };
    assert_eq!((begun, edited.expect("changed").body.as_str()), (id.clone(), "Hello"));
    gateway.approvals.end(&id, Some(&json!({}))).expect("ends");
    assert!(matches!(ask(&gateway, "Helo"), ActState::Done(_)), "a repeat of the agent's own words");
    assert_eq!(window.approvals.view(&id).expect("there").shown, None, "texts are not kept");
}

#[test]
fn a_yes_is_for_what_was_shown_and_used_once() {
    let machine = Machine::new();
    let (window, gateway) = (machine.open(), machine.open());
    let id = waiting(&ask(&gateway, "Hello"));
    assert_eq!(waiting(&ask(&gateway, "Hello")), id, "the same question");
    let other = waiting(&ask(&gateway, "Hello!"));
    assert_ne!(other, id);
    let seen = window.approvals.waiting().expect("lists");
    assert_eq!(seen.iter().map(|one| &one.id).collect::<Vec<_>>(), [&id, &other]);
    assert_eq!(seen[0].shown.as_ref().expect("shown").body, "Hello");
    assert_eq!(window.attention().expect("looks").len(), 1, "both are one thing");

    window.approvals.approve(&id, &Yes::default()).expect("says yes");
    assert!(matches!(ask(&gateway, "Hello!"), ActState::Waiting(_)), "that was not what was shown");
    assert_eq!(ask(&gateway, "Hello"), claimed(&id));
    assert_eq!(ask(&gateway, "Hello"), ActState::UnderWay(id.clone()), "two at once");
    assert_eq!(ask(&window, "Hello"), ActState::Begun, "another process can't know");
    assert_eq!(window.approvals.deny(&id).expect_err("begun").code(), Code::ApprovalEnded);
    gateway.approvals.end(&id, Some(&json!({ "id": "m1" }))).expect("ends");
    assert_eq!(ask(&gateway, "Hello"), ActState::Done(json!({ "id": "m1" })));
    assert_eq!(window.approvals.view(&id).expect("there").shown, None, "texts are not kept");

    window.approvals.deny(&other).expect("says no");
    assert_eq!(ask(&gateway, "Hello!"), ActState::Denied);
    machine.step(11 * UnixMs::MINUTE);
    assert!(matches!(ask(&gateway, "Hello!"), ActState::Waiting(_)), "later, it is a question again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_seen_and_answered_at_any_host_and_notified_on_each() {
    needs_server!();
    let hosts = Hosts::new().await;
    let gateway = &hosts.world.core;
    let windows = [hosts.place(1).open(), hosts.place(2).open()];
    let mut news = windows[0].changes().subscribe();
    let id = waiting(&ask(gateway, "Hello"));
    let told = async { while news.recv().await.expect("news") != Change::Approvals {} };
    tokio::time::timeout(Duration::from_secs(20), told).await.expect("told");
    for window in &windows {
        let seen = window.approvals.waiting().expect("lists");
        assert_eq!(seen.iter().map(|one| &one.id).collect::<Vec<_>>(), [&id]);
        assert_eq!(window.due_notices().expect("claims").len(), 1, "whoever is here is told here");
        assert!(window.due_notices().expect("claims").is_empty(), "once");
    }
    windows[1].approvals.approve(&id, &instead("Hello, Grace")).expect("says yes");
    assert_eq!(windows[0].approvals.deny(&id).map(drop).err().map(|error| error.code()), None, "taken back in time");
    assert_eq!(ask(gateway, "Hello"), ActState::Denied);

    let id = waiting(&ask(gateway, "Goodbye"));
    windows[0].approvals.approve(&id, &Yes::default()).expect("says yes");
    assert_eq!(windows[1].approvals.approve(&id, &Yes::default()).expect_err("once").code(), Code::ApprovalEnded);
    assert_eq!(ask(gateway, "Goodbye"), claimed(&id));
    assert_eq!(windows[1].approvals.deny(&id).expect_err("begun").code(), Code::ApprovalEnded);
    gateway.approvals.end(&id, Some(&json!({}))).expect("ends");
    assert_eq!(ask(&windows[1], "Goodbye"), ActState::Done(json!({})), "whichever gateway the repeat comes to");
}

#[test]
fn a_yes_that_was_not_used_can_be_taken_back_and_questions_have_an_end() {
    let machine = Machine::new();
    let core = machine.open();
    let id = waiting(&ask(&core, "Hello"));
    core.approvals.approve(&id, &Yes::default()).expect("says yes");
    core.approvals.deny(&id).expect("takes it back");
    assert_eq!(ask(&core, "Hello"), ActState::Denied);
    let open: Vec<_> = (0..50).map(|n| waiting(&ask(&core, &n.to_string()))).collect();
    let more = core.approvals.ask(&act("one more", "grace@contoso.com"), Leave::Asked);
    assert_eq!(more.expect_err("too many").code(), Code::TooManyQuestions);
    assert_eq!(waiting(&ask(&core, "0")), open[0], "one that waits is found all the same");
    assert_eq!(core.approvals.waiting().expect("lists").len(), 50);
    core.approvals.deny(&open[0]).expect("says no");
    waiting(&ask(&core, "one more"));
}

#[test]
fn the_text_of_an_answered_question_is_in_no_file_any_more() {
    sqlite_only!("its files are another machine's");
    let machine = Machine::new();
    let (window, gateway) = (machine.open(), machine.open());
    let holds = |text: &str| {
        let files = std::fs::read_dir(machine.dir.path()).expect("a folder").flatten();
        files
            .filter_map(|file| std::fs::read(file.path()).ok())
            .any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
    };
    let (denied, done) = (waiting(&ask(&gateway, "the words of one")), waiting(&ask(&gateway, "the words of two")));
    assert!(holds("the words of one") && holds("the words of two"), "they wait");
    window.approvals.deny(&denied).expect("says no");
    assert!(!holds("the words of one"));
    window.approvals.approve(&done, &Yes::default()).expect("says yes");
    assert_eq!(ask(&gateway, "the words of two"), claimed(&done));
    gateway.approvals.end(&done, Some(&json!({}))).expect("ends");
    assert!(!holds("the words of two"));
}

#[test]
fn answers_lapse_and_clocks_that_were_set_back_do_not_prolong_them() {
    let machine = Machine::new();
    let core = machine.open();
    let id = waiting(&ask(&core, "Hello"));
    core.approvals.approve(&id, &Yes::default()).expect("says yes");
    machine.step(10 * UnixMs::MINUTE);
    assert_eq!(core.approvals.view(&id).expect("there").state, ApprovalState::Lapsed);
    let again = waiting(&ask(&core, "Hello"));
    assert_ne!(again, id);
    core.approvals.approve(&again, &Yes::default()).expect("says yes");
    machine.step(-UnixMs::HOUR);
    assert_ne!(waiting(&ask(&core, "Hello")), again);

    let old = waiting(&ask(&core, "Old"));
    machine.step(25 * UnixMs::HOUR);
    assert_eq!(core.approvals.approve(&old, &Yes::default()).expect_err("too late").code(), Code::ApprovalEnded);
}

#[test]
fn recipients_that_were_allowed_are_allowed_for_an_hour_and_no_others() {
    let machine = Machine::new();
    let core = machine.open();
    let id = waiting(&ask(&core, "One"));
    core.approvals.approve(&id, &Yes { recipients_too: true, ..Yes::default() }).expect("says yes");
    assert!(matches!(ask(&core, "Two"), ActState::Claimed { .. }));
    let to_other = core.approvals.ask(&act("Three", "eve@evil.example"), Leave::Asked).expect("asks");
    assert!(matches!(to_other, ActState::Waiting(_)));
    // The same name, where it is not known to be all of the addresses.
    let mut named = act("Name", "grace@contoso.com");
    named.shown.are_addresses = false;
    let id = waiting(&core.approvals.ask(&named, Leave::Asked).expect("asks"));
    assert_eq!(
        core.approvals.approve(&id, &Yes { recipients_too: true, ..Yes::default() }).expect_err("not ahead").code(),
        Code::RecipientsNotKnown
    );
    core.approvals.approve(&id, &Yes::default()).expect("once");
    machine.step(61 * UnixMs::MINUTE);
    assert!(matches!(ask(&core, "Four"), ActState::Waiting(_)));
}

#[tokio::test]
async fn whoever_waits_hears_of_the_answer_from_another_process() {
    let machine = Machine::new();
    let (window, gateway) = (machine.open(), machine.open());
    let id = waiting(&ask(&gateway, "Hello"));
    let waits = {
        let (gateway, id) = (gateway.clone(), id.clone());
        tokio::spawn(async move { gateway.approvals.answered(&id, Duration::from_secs(10)).await })
    };
    window.approvals.approve(&id, &Yes::default()).expect("says yes");
    let started = std::time::Instant::now();
    waits.await.expect("no panic").expect("waits");
    assert!(started.elapsed() < Duration::from_secs(9), "it was told, and did not run out of time");
    assert_eq!(ask(&gateway, "Hello"), claimed(&id));
}

#[test]
fn what_a_crash_left_begun_is_on_record_from_the_next_start_on() {
    let machine = Machine::new();
    let crashed = machine.open();
    let claimed = |core: &Core, text: &str| {
        let told = core.approvals.ask(&act(text, "grace@contoso.com"), Leave::Given).expect("asks");
        assert!(matches!(told, ActState::Claimed { .. }), "{told:?}");
        told
    };
    claimed(&crashed, "Hello");
    let core = machine.open();
    claimed(&core, "Under way");
    let acts = || {
        let filter = ActivityFilter { kinds: vec![Kind::ActPerformed], ..ActivityFilter::default() };
        core.activity.page(&filter, None).expect("reads").rows
    };
    assert!(acts().is_empty());
    for _ in 0..2 {
        core.approvals.give_up_left_over().expect("looks");
        let [only] = &acts()[..] else { panic!("{:?}", acts()) };
        assert_eq!((only.outcome.as_str(), only.actor.as_str()), ("unknown", "gateway"));
        assert_eq!((&only.detail["account"], &only.detail["tool"]), (&json!("ada@contoso.com"), &json!("mail_send")));
    }
    assert_eq!(ask(&core, "Hello"), ActState::Begun, "it is not done again");
    let unknown = ActivityFilter { outcome: Some(ActOutcome::Unknown), ..ActivityFilter::default() };
    assert_eq!(core.activity.page(&unknown, None).expect("reads").rows.len(), 1);
    assert!(matches!(core.activity.verify().expect("reads"), Chain::Sound { .. }));
}

#[derive(Debug, Clone)]
enum Step {
    Ask {
        what: u8,
        leave: Leave,
    },
    Answer {
        what: u8,
        yes: bool,
        edits: bool,
    },
    End {
        what: u8,
        done: bool,
    },
    /// The process dies in whatever it does, and another one begins.
    Crash,
    Pass {
        minutes: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let what = 0..3_u8;
    prop_oneof![
        6 => (what.clone(), prop_oneof![4 => Just(Leave::Asked), 1 => Just(Leave::Given)])
            .prop_map(|(what, leave)| Step::Ask { what, leave }),
        4 => (what.clone(), prop::bool::weighted(0.7), any::<bool>()).prop_map(|(what, yes, edits)| Step::Answer { what, yes, edits }),
        3 => (what, any::<bool>()).prop_map(|(what, done)| Step::End { what, done }),
        1 => Just(Step::Crash),
        2 => prop_oneof![Just(1_i64), Just(9), Just(30), Just(61), Just(24 * 60), Just(-30)]
            .prop_map(|minutes| Step::Pass { minutes }),
    ]
}

/// What a test remembers of one act.
#[derive(Default)]
struct Known {
    /// A person's yes that was not used yet.
    yes: usize,
    /// The last time that it was begun, and by what.
    begun: Option<(ApprovalId, i64)>,
    /// The last time that it was done.
    done: Option<i64>,
    is_open: bool,
    /// What a person wrote with the last yes.
    edited: Option<String>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn no_order_of_events_does_what_was_not_allowed_or_does_it_twice(steps in prop::collection::vec(step(), 1..40)) {
        let machine = Machine::new();
        let mut core: Arc<Core> = machine.open();
        let mut now = 0_i64;
        let mut known: HashMap<u8, Known> = HashMap::new();
        for step in steps {
            match step {
                Step::Ask { what, leave } => {
                    let it = known.entry(what).or_default();
                    let told = core.approvals.ask(&act(&what.to_string(), "g@contoso.com"), leave).expect("asks");
                    if let ActState::Claimed { id, edited } = told {
                        let (told, written) = (edited.map(|shown| shown.body), it.edited.take());
                        prop_assert!(told == written || (leave == Leave::Given && told.is_none()), "{told:?} {written:?}");
                        prop_assert!(leave == Leave::Given || it.yes > 0, "nobody allowed it");
                        it.yes = 0;
                        if let Some((_, at)) = &it.begun {
                            // It may have been done then.
                            prop_assert!(!it.is_open || now - at >= 24 * 60, "it was begun before");
                        }
                        if let Some(at) = it.done {
                            prop_assert!(now - at >= 60, "it was done before");
                        }
                        it.begun = Some((id, now));
                        it.is_open = true;
                    }
                }
                Step::Answer { what, yes, edits } => {
                    let text = what.to_string();
                    let open = core.approvals.waiting().expect("lists");
                    let found = open.into_iter().find(|one| one.shown.as_ref().is_some_and(|shown| shown.body == text));
                    if let Some(one) = found {
                        if yes {
                            let edited = edits.then(|| format!("{what}, edited"));
                            let yes = edited.as_deref().map(instead).unwrap_or_default();
                            core.approvals.approve(&one.id, &yes).expect("says yes");
                            let it = known.entry(what).or_default();
                            (it.yes, it.edited) = (1, edited);
                        } else {
                            core.approvals.deny(&one.id).expect("says no");
                        }
                    }
                }
                Step::End { what, done } => {
                    let it = known.entry(what).or_default();
                    if let Some((id, _)) = it.begun.clone().filter(|_| it.is_open) {
                        core.approvals.end(&id, done.then(|| json!({})).as_ref()).expect("ends");
                        it.is_open = false;
                        if done {
                            it.done = Some(now);
                        }
                    }
                }
                Step::Crash => core = machine.open(),
                Step::Pass { minutes } => {
                    now += minutes;
                    machine.step(minutes * UnixMs::MINUTE);
                }
            }
        }
    }
}
