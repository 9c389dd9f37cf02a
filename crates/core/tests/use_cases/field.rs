//! Connections in the field: what another process did (k1), what is spent before it can be kept (k4), what passes and
//! what is measured by a stopwatch (k5), what authorities write (k8), and the record that grows (k9).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use atthene_core::activity::{ActivityFilter, Chain};
use atthene_core::connections::{Answer, ConnectionState, Progress, SignInRequest};
use atthene_core::integrations::Draft;
use atthene_core::{Clock, Code, Core, Error, SecretChange, Settings, UnixMs};
use atthene_test_support::raw_rows::RawRows;
use secrecy::ExposeSecret;
use serde_json::json;

use atthene_test_support::authority::{ok, refused};
use atthene_test_support::world::{World, open, parameter, rotates, tokens};

async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain for {what}");
}

#[tokio::test]
async fn k1_whatever_another_process_ends_ends_here() {
    for what in ["removed", "integration removed", "secret replaced", "scopes changed", "signed in anew"] {
        let world = World::new(SecretChange::Replace("not-a-real-secret-value".into())).await;
        let id = world.connect("ada").await;
        let other = open(&world.machine, &world.vault);
        world.core.connections.fresh(&id).await.expect("access");
        let form = || other.integrations.draft(&world.integration).expect("a form");
        match what {
            "removed" => other.connections.disconnect(&id).await.expect("disconnects"),
            "integration removed" => other.delete_integration(&world.integration).await.expect("deletes"),
            "secret replaced" => {
                let secret = SecretChange::Replace("another-secret-value".into());
                other.save_integration(form(), secret).await.map(drop).expect("saves");
            }
            "scopes changed" => {
                let draft = Draft { scopes: vec!["Mail.Read".into()], ..form() };
                other.save_integration(draft, SecretChange::Keep).await.map(drop).expect("saves");
            }
            _ => {
                let begun = other.connections.begin(world.request(), Some(4711)).await.expect("begins");
                world.signs_in(&begun.link, "ada");
                let answer = format!("code=c&state={}", parameter(&begun.link, "state"));
                let answer = Answer::from_form(&answer).expect("an answer");
                let done = other.connections.answer(answer, &world.door()).await.expect("is waited for");
                assert!(matches!(done, Progress::Done { .. }), "{done:?}");
            }
        }
        let removed = what.ends_with("removed");
        world.authority.says(|_| tokens("access-9", "rotated-9"));
        let mut told = None;
        for _ in 0..100 {
            told = Some(world.core.connections.fresh(&id).await);
            match &told {
                Some(Ok(fresh)) if !removed && fresh.token.expose_secret() == "access-9" => break,
                Some(Err(error)) if removed && error.code() == Code::ConnectionNotFound => break,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        match told.expect("asked") {
            Ok(fresh) => assert!(!removed && fresh.token.expose_secret() == "access-9", "{what}"),
            Err(error) => assert!(removed && error.code() == Code::ConnectionNotFound, "{what}: {error}"),
        }
    }
}

#[tokio::test]
async fn k1_what_another_process_repairs_is_repaired_here() {
    for (reply, code) in [
        (refused(400, "invalid_grant", "message_only", 53003), Code::ConnectionFailing),
        (refused(400, "temporarily_unavailable", "", 90033), Code::ConnectionWaiting),
        (refused(400, "invalid_grant", "basic_action", 50076), Code::NeedsSignIn),
    ] {
        let world = World::new(SecretChange::Keep).await;
        let id = world.connect("ada").await;
        let other = open(&world.machine, &world.vault);
        world.machine.step(2 * UnixMs::HOUR);
        world.authority.says(move |_| reply.clone());
        assert_eq!(world.core.connections.fresh(&id).await.map(drop).expect_err("refused").code(), code);
        if code == Code::NeedsSignIn {
            let begun = other.connections.begin(world.request(), Some(4711)).await.expect("begins");
            world.signs_in(&begun.link, "ada");
            let answer = Answer::from_form(&format!("code=c&state={}", parameter(&begun.link, "state"))).expect("one");
            other.connections.answer(answer, &world.door()).await.expect("is waited for");
        } else {
            world.authority.says(|_| tokens("access-2", "rotated-2"));
            other.connections.fresh(&id).await.expect("repaired there");
        }
        world.authority.says(|_| tokens("access-3", "rotated-3"));
        let mut last = None;
        for _ in 0..100 {
            last = Some(world.core.connections.fresh(&id).await.map(drop));
            if matches!(last, Some(Ok(()))) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(matches!(last, Some(Ok(()))), "{code:?}: {last:?}");
    }
}

#[tokio::test]
async fn k4_nothing_is_spent_that_can_not_be_replaced() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    world.machine.step(2 * UnixMs::HOUR);
    rotates(&world.authority);
    let calls = world.authority.calls().len();
    // Somebody holds the database.
    let held = RawRows::of(world.machine.dir.path()).hold();
    let refused = world.core.connections.fresh(&id).await.map(drop).expect_err("can't be kept");
    assert_eq!(refused.code(), Code::DatabaseLocked, "{refused}");
    drop(held);
    // The vault can be read, and not be written.
    *world.vault.is_read_only.lock().expect("not poisoned") = true;
    let refused = world.core.connections.fresh(&id).await.map(drop).expect_err("can't be kept");
    assert_eq!(refused.code(), Code::KeychainRefused, "{refused}");
    *world.vault.is_read_only.lock().expect("not poisoned") = false;
    assert_eq!(world.authority.calls().len(), calls, "the authority was not asked");
    assert_eq!(world.core.connections.fresh(&id).await.expect("access").token.expose_secret(), "access-2");
    assert_eq!(world.only().state, ConnectionState::Connected);
}

#[tokio::test]
async fn k4_what_was_given_for_a_spent_token_is_kept_as_soon_as_it_can_be() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    let other = open(&world.machine, &world.vault);
    world.machine.step(2 * UnixMs::HOUR);
    rotates(&world.authority);
    // The look before shows nothing; the write fails all the same.
    *world.vault.breaks_at_write.lock().expect("not poisoned") = true;
    let fresh = world.core.connections.fresh(&id).await.expect("it is good all the same");
    assert_eq!(fresh.token.expose_secret(), "access-2");
    *world.vault.breaks_at_write.lock().expect("not poisoned") = false;
    // Another process waits for it, and goes on from there.
    world.machine.step(2 * UnixMs::HOUR);
    assert_eq!(other.connections.fresh(&id).await.expect("access").token.expose_secret(), "access-3");
    assert_eq!(world.only().state, ConnectionState::Connected);
}

#[tokio::test]
async fn k4_a_browser_that_hangs_up_while_the_code_is_redeemed_ends_nothing() {
    let world = World::new(SecretChange::Keep).await;
    world.authority.takes(300);
    let begun = world.begin(world.request()).await;
    world.signs_in(&begun.link, "ada");
    let answer = Answer::from_form(&format!("code=c&state={}", parameter(&begun.link, "state"))).expect("an answer");
    let asked = {
        let (core, door) = (world.core.clone(), world.door());
        tokio::spawn(async move { core.connections.answer(answer, &door).await })
    };
    eventually("the code to be sent", || !world.authority.calls().is_empty()).await;
    asked.abort();
    eventually("the sign-in to end", || {
        let progress = world.core.connections.sign_in(&begun.id).expect("it is known").progress;
        matches!(progress, Progress::Confirm { .. })
    })
    .await;
}

#[tokio::test]
async fn k5_a_sign_in_that_was_missing_and_is_there_again_works_again() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    let kept = world.vault.entries.lock().expect("not poisoned").clone();
    world.machine.step(2 * UnixMs::HOUR);
    world.vault.clear();
    for _ in 0..2 {
        assert_eq!(world.core.connections.fresh(&id).await.map(drop).expect_err("missing").code(), Code::NeedsSignIn);
    }
    assert_eq!(world.only().state, ConnectionState::NeedsSignIn, "it is said");
    let other = open(&world.machine, &world.vault);
    assert_eq!(other.connections.list().expect("lists")[0].state, ConnectionState::Connected, "and written nowhere");
    // An unlocked keychain, a mounted folder: whatever it was, it has passed.
    *world.vault.entries.lock().expect("not poisoned") = kept;
    world.authority.says(|_| tokens("access-2", "rotated"));
    world.core.connections.fresh(&id).await.expect("it works again");
    assert_eq!(world.only().state, ConnectionState::Connected);
}

/// A profile whose wall clock and stopwatch go their own ways.
struct Clocks {
    wall: Arc<AtomicI64>,
    stopwatch: Arc<AtomicU64>,
}

impl Clocks {
    fn new() -> Self {
        let wall = Arc::new(AtomicI64::new(atthene_test_support::machine::START));
        Self { wall, stopwatch: Arc::default() }
    }

    fn open(&self, world: &World) -> Arc<Core> {
        let (wall, stopwatch) = (self.wall.clone(), self.stopwatch.clone());
        let clock = Clock::with_stopwatch(
            move || UnixMs(wall.load(Ordering::Relaxed)),
            move || Duration::from_millis(stopwatch.load(Ordering::Relaxed)),
        );
        atthene_test_support::open(world.machine.dir.path(), clock, world.vault.clone()).expect("opens")
    }

    /// Time passes.
    fn pass(&self, ms: u64) {
        self.wall.fetch_add(i64::try_from(ms).expect("fits"), Ordering::Relaxed);
        self.stopwatch.fetch_add(ms, Ordering::Relaxed);
    }

    /// Somebody sets the clock.
    fn set_by(&self, ms: i64) {
        self.wall.fetch_add(ms, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn k5_a_clock_that_is_set_changes_no_span_of_time() {
    const MINUTE: u64 = 60_000;
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    for set_by in [-UnixMs::HOUR, -30_000, UnixMs::HOUR] {
        let clocks = Clocks::new();
        let core = clocks.open(&world);
        // The person is at the browser.
        let begun = core.connections.begin(world.request(), Some(4711)).await.expect("begins");
        clocks.set_by(set_by);
        clocks.pass(9 * MINUTE);
        let progress = core.connections.sign_in(&begun.id).expect("is known").progress;
        assert_eq!(progress, Progress::Waiting, "{set_by}");
        clocks.pass(MINUTE);
        let progress = core.connections.sign_in(&begun.id).expect("is known").progress;
        assert!(matches!(progress, Progress::Failed { .. }), "{set_by}: {progress:?}");

        // A pause lasts as long as it was said.
        world.authority.says(|_| refused(400, "temporarily_unavailable", "", 90033));
        let waiting = core.connections.fresh(&id).await.map(drop).expect_err("waits");
        assert!(matches!(waiting, Error::Waiting { left, .. } if left == Duration::from_mins(1)), "{waiting:?}");
        clocks.set_by(-set_by);
        clocks.pass(59_000);
        let waiting = core.connections.fresh(&id).await.map(drop).expect_err("waits");
        assert!(matches!(waiting, Error::Waiting { left, .. } if left == Duration::from_secs(1)), "{waiting:?}");
        clocks.pass(1000);
        world.authority.says(|_| ok(&json!({ "token_type": "Bearer", "expires_in": 600, "access_token": "access-2" })));
        core.connections.fresh(&id).await.expect("is asked again");
    }
}

#[tokio::test]
async fn k5_access_ends_by_whichever_of_clock_and_stopwatch_is_first() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    let clocks = Clocks::new();
    let core = clocks.open(&world);
    // Twenty minutes ahead, and set right afterwards.
    clocks.set_by(20 * 60_000);
    world.authority.says(|_| ok(&json!({ "token_type": "Bearer", "expires_in": 600, "access_token": "access-2" })));
    core.connections.fresh(&id).await.expect("access");
    clocks.set_by(-20 * 60_000);
    clocks.pass(100_000);
    let fresh = core.connections.fresh(&id).await.expect("access");
    let left = fresh.expires_at.0 - clocks.wall.load(Ordering::Relaxed);
    assert_eq!((fresh.token.expose_secret(), left), ("access-2", 500_000), "told in truth");
    world.authority.says(|_| ok(&json!({ "token_type": "Bearer", "expires_in": 600, "access_token": "access-3" })));
    clocks.pass(500_000);
    assert_eq!(core.connections.fresh(&id).await.expect("access").token.expose_secret(), "access-3");
    // Asleep, the stopwatch stands still and the clock does not.
    world.authority.says(|_| ok(&json!({ "token_type": "Bearer", "expires_in": 600, "access_token": "access-4" })));
    clocks.set_by(11 * 60_000);
    assert_eq!(core.connections.fresh(&id).await.expect("access").token.expose_secret(), "access-4");
}

#[tokio::test]
async fn k5_short_lived_access_is_used_and_not_renewed_at_each_call() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    world.machine.step(2 * UnixMs::HOUR);
    world.authority.says(|_| ok(&json!({ "token_type": "Bearer", "expires_in": "120.0", "access_token": "short" })));
    let calls = world.authority.calls().len();
    for _ in 0..20 {
        world.core.connections.fresh(&id).await.expect("access");
        world.machine.step(1000);
    }
    assert_eq!(world.authority.calls().len() - calls, 1);
}

#[tokio::test]
async fn k10_what_the_provider_asks_for_goes_along_with_the_next_sign_in_whichever_face_begins_it() {
    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    world.machine.step(2 * UnixMs::HOUR);
    world.authority.says(move |_| {
        let body = json!({ "error": "interaction_required", "suberror": "basic_action", "error_codes": [50076], "claims": claims });
        (400, "", body.to_string())
    });
    assert_eq!(world.core.connections.fresh(&id).await.map(drop).expect_err("refused").code(), Code::NeedsSignIn);
    // Another process, such as the command.
    let other = open(&world.machine, &world.vault);
    let (toolkit, integration) = other.connections.way_in(&id).expect("is there");
    let again = SignInRequest { toolkit, integration, again: Some(id.clone()), switch_account: false };
    let begun = other.connections.begin(again.clone(), Some(4711)).await.expect("begins");
    assert_eq!(parameter(&begun.link, "claims"), claims);
    assert_eq!(parameter(&begun.link, "login_hint"), "ada@contoso.com");
    world.signs_in(&begun.link, "ada");
    let answer = Answer::from_form(&format!("code=c&state={}", parameter(&begun.link, "state"))).expect("an answer");
    other.connections.answer(answer, &world.door()).await.expect("is waited for");
    // Met, it is not asked for any more.
    let next = other.connections.begin(again, Some(4711)).await.expect("begins");
    assert_eq!(parameter(&next.link, "claims"), "");
}

#[tokio::test]
async fn k9_a_record_that_is_cut_still_proves_itself() {
    let world = World::new(SecretChange::Keep).await;
    let core = &world.core;
    let settings = |days: u16| Settings { record_days: days, ..Settings::clone(&core.settings.current()) };
    for day in 0..30 {
        core.settings
            .save(Settings { clipboard_seconds: 10 + day, ..Settings::clone(&core.settings.current()) })
            .expect("saves");
        world.machine.step(UnixMs::DAY);
    }
    let rows = || core.activity.page(&ActivityFilter::default(), None).expect("reads").rows;
    let before = rows().len();
    core.cut_record().expect("cuts");
    assert_eq!(rows().len(), before, "a year has not passed");
    core.settings.save(settings(10)).expect("saves");
    core.cut_record().expect("cuts");
    let left = rows();
    assert!(left.len() < 15 && left.iter().any(|row| row.kind == "record_cut"), "{} rows", left.len());
    assert!(matches!(core.activity.verify().expect("walks"), Chain::Sound { rows } if rows == left.len() as u64));
    // Nothing is left to cut; and what is cut by hand shows.
    core.cut_record().expect("cuts");
    assert_eq!(rows().len(), left.len());
    RawRows::of(world.machine.dir.path()).run("DELETE FROM activity WHERE id = (SELECT min(id) FROM activity)");
    assert!(matches!(core.activity.verify().expect("walks"), Chain::Broken { .. }));
    // For ever, if an admin says so.
    core.settings.save(settings(0)).expect("saves");
    world.machine.step(5000 * UnixMs::DAY);
    let kept = rows().len();
    core.cut_record().expect("leaves it");
    assert_eq!(rows().len(), kept);
}

#[tokio::test]
async fn k9_a_clock_that_was_set_far_cuts_nothing_also_when_it_is_set_right_again() {
    let world = World::new(SecretChange::Keep).await;
    let core = &world.core;
    core.settings.save(Settings { record_days: 1, ..Settings::clone(&core.settings.current()) }).expect("saves");
    core.cut_record().expect("nothing is old");
    let rows = || core.activity.page(&ActivityFilter::default(), None).expect("reads").rows.len();
    let is_cut = || {
        let rows = core.activity.page(&ActivityFilter::default(), None).expect("reads").rows;
        rows.iter().any(|row| row.kind == "record_cut")
    };
    let kept = rows();
    for step in [-40, 42] {
        world.machine.step(step * UnixMs::DAY);
        core.cut_record().expect("leaves it");
        assert!(!is_cut(), "cut after {step} days");
        assert_eq!(rows(), kept, "cut after {step} days");
    }
}

#[tokio::test]
async fn k9_a_row_that_a_wrong_clock_dated_ahead_does_not_keep_the_rest() {
    let world = World::new(SecretChange::Keep).await;
    let core = &world.core;
    let save = |seconds: u16, days: u16| {
        let now = Settings::clone(&core.settings.current());
        core.settings.save(Settings { clipboard_seconds: seconds, record_days: days, ..now }).expect("saves");
    };
    world.machine.step(20 * UnixMs::DAY);
    save(10, 5);
    world.machine.step(-20 * UnixMs::DAY);
    for seconds in 11..15 {
        save(seconds, 5);
    }
    world.machine.step(10 * UnixMs::DAY);
    save(15, 5);
    let before = core.activity.page(&ActivityFilter::default(), None).expect("reads").rows.len();
    core.cut_record().expect("cuts");
    let left = core.activity.page(&ActivityFilter::default(), None).expect("reads").rows.len();
    assert!(left <= before - 5 + 1, "{left} of {before} are left");
}
