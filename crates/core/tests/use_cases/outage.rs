//! A host whose database is away: it serves by what it knows for the trust period, then not at all, and comes back by
//! itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use atthene_core::activity::{Call, CallOutcome, Caller};
use atthene_core::keys::{KeyText, Verdict};
use atthene_core::{Clock, Code, Core, Settings, UnixMs};
use atthene_test_cluster::Cluster;
use atthene_test_support::hosts::{Hosts, Place};
use atthene_test_support::line::{Flow, Line};
use atthene_test_support::machine::new_key;
use atthene_test_support::{databases, needs_server};

/// Longer than anything here may take.
const LONG: Duration = Duration::from_secs(20);

/// Waits until that is so, looking whenever something is told, and often enough to say when.
async fn until(core: &Core, is_so: impl Fn(&Core) -> bool) -> Instant {
    let mut news = core.changes().subscribe();
    let awaited = async {
        while !is_so(core) {
            let _ = tokio::time::timeout(Duration::from_millis(10), news.recv()).await;
        }
    };
    tokio::time::timeout(LONG, awaited).await.expect("comes to be so");
    Instant::now()
}

/// As the gateway asks: first whether what is known may be relied on.
async fn opens(core: &Core, text: &KeyText) -> Option<bool> {
    if core.signals.is_store_lost() {
        return None;
    }
    Some(matches!(core.keys.verify(text.expose()).await, Verdict::Valid(_)))
}

/// A host at the end of a line, with this clock, and the key that the first host has made.
async fn far_host(hosts: &Hosts, line: &Line, clock: Clock) -> (Arc<Core>, KeyText) {
    let core = Place::at(&line.url, &hosts.folder(1), clock).open();
    let text = renewed_key(hosts);
    until(&core, |core| core.keys.live().is_ok_and(|key| key.is_some_and(|key| text.id() == key.id))).await;
    while opens(&core, &text).await != Some(true) {
        tokio::task::yield_now().await;
    }
    (core, text)
}

fn renewed_key(hosts: &Hosts) -> KeyText {
    let keys = &hosts.world.core.keys;
    let live = keys.live().expect("reads").map(|key| key.id);
    keys.create(new_key("agents", 365, live)).expect("creates").1
}

fn set_period(hosts: &Hosts, seconds: u16) {
    let settings = &hosts.world.core.settings;
    settings.save(Settings { trust_period: seconds, ..Settings::clone(&settings.current()) }).expect("saves");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_is_bridged_for_the_trust_period_and_no_longer() {
    needs_server!();
    let hosts = Hosts::new().await;
    let line = Line::to(&hosts.url);
    let (far, text) = far_host(&hosts, &line, hosts.world.machine.clock()).await;
    assert_eq!(far.store_away(), None);
    line.set(Flow::Cut);
    until(&far, |core| core.store_away().is_some()).await;
    let away = far.store_away().expect("is away");
    let trusted = away.trusted_until.expect("is trusted").0 - away.since.0;
    assert!((59_900..=60_100).contains(&trusted), "trusted for {trusted} ms");
    assert_eq!(opens(&far, &text).await, Some(true));
    let told = far.attention().expect("needs no rows").remove(0);
    assert!(told.text.contains("serves by what it knows until"), "{}", told.text);
    // What changes something fails, and soon.
    let began = Instant::now();
    let (core, id) = (far.clone(), text.id());
    let made = tokio::task::spawn_blocking(move || core.keys.create(new_key("more", 30, Some(id))).map(drop));
    assert_eq!(made.await.expect("no panic").expect_err("nobody keeps it").code(), Code::DatabaseUnreachable);
    assert!(began.elapsed() < LONG, "took {:?}", began.elapsed());
    // The clock goes on, as while a machine sleeps.
    hosts.world.machine.step(57 * 1000);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(opens(&far, &text).await, Some(true), "closed too early");
    // Set back, it lengthens nothing.
    hosts.world.machine.step(-30 * 1000);
    hosts.world.machine.step(33 * 1000);
    until(&far, |core| core.signals.is_store_lost()).await;
    assert_eq!(far.store_away().expect("is away").trusted_until, None);
    assert!(far.store_trouble().expect("is lost").contains("can't be reached"));
    // Revoked elsewhere meanwhile: refused at the first answer after.
    hosts.world.core.keys.revoke(&text.id(), None).expect("revokes");
    line.set(Flow::Open);
    let first = loop {
        if let Some(opened) = opens(&far, &text).await {
            break opened;
        }
        tokio::task::yield_now().await;
    };
    assert!(!first, "a key that was revoked opened after the database was back");
    until(&far, |core| core.store_away().is_none()).await;
    let next = renewed_key(&hosts);
    until(&far, |core| core.keys.live().is_ok_and(|key| key.is_some_and(|key| next.id() == key.id))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trust_period_is_kept_to_the_second_whatever_becomes_of_the_line() {
    needs_server!();
    for (flow, seconds) in [(Flow::Stalled, 4), (Flow::Cut, 4), (Flow::Cut, 0)] {
        let hosts = Hosts::new().await;
        let line = Line::to(&hosts.url);
        set_period(&hosts, seconds);
        let (far, text) = far_host(&hosts, &line, Clock::system()).await;
        until(&far, |core| core.settings.current().trust_period == seconds).await;
        let cut = Instant::now();
        line.set(flow);
        let closed = until(&far, |core| core.signals.is_store_lost()).await;
        let now = Clock::system().now();
        let away = far.store_away();
        eprintln!("{flow:?}, {seconds} s: closed {:?} after the line was", closed - cut);
        if seconds == 0 {
            assert!(closed - cut < LONG, "closed after {:?}", closed - cut);
        } else {
            let lasted = now.0 - away.expect("is away").since.0;
            // No shorter; how much longer it takes to be seen is the machine's. That it is no longer, a clock that is
            // moved says above, and each call is held against the same moment.
            assert!(lasted >= 3_990, "{flow:?}: served for {lasted} ms");
            eprintln!("{flow:?}: served for {lasted} ms");
        }
        assert_eq!(opens(&far, &text).await, None);
        line.set(Flow::Open);
        let open = Instant::now();
        let back = until(&far, |core| !core.signals.is_store_lost()).await;
        eprintln!("{flow:?}: back {:?} after the line was", back - open);
        assert_eq!(opens(&far, &text).await, Some(true));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_revoked_while_a_host_heard_nothing_never_opens_again() {
    needs_server!();
    let hosts = Hosts::new().await;
    let line = Line::to(&hosts.url);
    let (far, mut text) = far_host(&hosts, &line, hosts.world.machine.clock()).await;
    let rounds = std::env::var("ATTHENE_TEST_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    let mut longest = Duration::ZERO;
    for round in 0..rounds {
        match round % 4 {
            0 => line.set(Flow::Cut),
            1 => line.set(Flow::Stalled),
            2 => databases::run(
                &databases::url_of("postgres"),
                &format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
                    hosts.url.rsplit('/').next().expect("a name")
                ),
            ),
            _ => {
                line.set(Flow::Cut);
                until(&far, |core| core.store_away().is_some()).await;
                hosts.world.machine.step(UnixMs::MINUTE);
                until(&far, |core| core.signals.is_store_lost()).await;
            }
        }
        let next = renewed_key(&hosts);
        line.set(Flow::Open);
        let open = Instant::now();
        // Until it knows the new one, the old one may open where it is trusted; from then on it never does.
        loop {
            if round % 4 == 3 {
                // Closed before: whatever it answers first, it has read everything again.
                assert_ne!(opens(&far, &text).await, Some(true), "round {round}: an ended key opened after a re-read");
            }
            if opens(&far, &next).await == Some(true) {
                break;
            }
            assert!(open.elapsed() < LONG, "round {round}: it does not come back");
            tokio::task::yield_now().await;
        }
        longest = longest.max(open.elapsed());
        for _ in 0..50 {
            assert_eq!(opens(&far, &text).await, Some(false), "round {round}: an ended key opened again");
        }
        text = next;
    }
    eprintln!("{rounds} outages: back by itself, the slowest {longest:?} after the line was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_that_needs_the_database_hangs_while_it_is_away() {
    needs_server!();
    let hosts = Hosts::new().await;
    let id = hosts.world.connect("ada").await;
    let line = Line::to(&hosts.url);
    let (far, text) = far_host(&hosts, &line, hosts.world.machine.clock()).await;
    hosts.world.machine.step(2 * UnixMs::HOUR);
    line.set(Flow::Stalled);
    let calls = hosts.world.authority.calls().len();
    let began = Instant::now();
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let (core, id) = (far.clone(), id.clone());
            tokio::spawn(async move { core.connections.fresh(&id).await.map(drop) })
        })
        .collect();
    // Who has a key is answered meanwhile, before any of them.
    let _ = opens(&far, &text).await;
    assert!(asking.iter().all(|asked| !asked.is_finished()), "a call waited for the database");
    for asked in asking {
        assert_eq!(asked.await.expect("no panic").expect_err("no lease").code(), Code::DatabaseUnreachable);
    }
    assert!(began.elapsed() < LONG, "took {:?}", began.elapsed());
    assert_eq!(hosts.world.authority.calls().len(), calls, "the authority was asked without a lease");
    line.set(Flow::Open);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_in_the_middle_is_bridged_and_nothing_is_lost() {
    needs_server!();
    // One of its own: others are at work on the server of all tests.
    let cluster = Cluster::start().expect("a server");
    let hosts = Hosts::at(databases::empty_on(&cluster.url())).await;
    let near = hosts.world.core.clone();
    let far = hosts.place(1).open();
    for round in 0..3 {
        let text = renewed_key(&hosts);
        for core in [&near, &far] {
            while opens(core, &text).await != Some(true) {
                tokio::task::yield_now().await;
            }
        }
        cluster.stop_now().expect("stops");
        for core in [&near, &far] {
            until(core, |core| core.store_away().is_some()).await;
            assert_eq!(opens(core, &text).await, Some(true), "round {round}");
        }
        let began = Instant::now();
        let (core, id) = (near.clone(), text.id());
        let ended = tokio::task::spawn_blocking(move || core.keys.revoke(&id, None).map(drop)).await.expect("no panic");
        assert_eq!(ended.expect_err("nobody keeps it").code(), Code::DatabaseUnreachable);
        assert!(began.elapsed() < LONG, "took {:?}", began.elapsed());
        hosts.world.machine.step(61 * 1000);
        for core in [&near, &far] {
            until(core, |core| core.signals.is_store_lost()).await;
        }
        cluster.start_again().expect("starts");
        let started = Instant::now();
        for core in [&near, &far] {
            until(core, |core| !core.signals.is_store_lost()).await;
            assert_eq!(opens(core, &text).await, Some(true), "round {round}: an acknowledged key is gone");
        }
        eprintln!("round {round}: both hosts back {:?} after the server was", started.elapsed());
        near.keys.revoke(&text.id(), None).expect("revokes");
        until(&far, |core| core.keys.live().is_ok_and(|key| key.is_none())).await;
        while opens(&far, &text).await == Some(true) {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_the_server_is_told_as_such_and_closes_nobody_out() {
    needs_server!();
    let hosts = Hosts::new().await;
    let core = hosts.world.core.clone();
    let text = renewed_key(&hosts);
    // As the server says it where a table has no room to grow; a disk that is really full ends it by its log as often.
    let full = "CREATE FUNCTION is_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                  RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
                END $$;
                CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION is_full()";
    databases::run(&hosts.url, full);
    let refused = core.keys.create(new_key("more", 30, Some(text.id()))).map(drop).expect_err("no room").view();
    assert_eq!(refused.code, Code::DiskFull);
    assert!(
        refused.message.contains("database's server") && refused.remedy.contains("database's server"),
        "{refused:?}"
    );
    assert_eq!(core.keys.revoke(&text.id(), None).map(drop).expect_err("no room").code(), Code::DiskFull);
    assert_eq!((opens(&core, &text).await, core.store_away()), (Some(true), None));
    databases::run(&hosts.url, "DROP TRIGGER full_disk ON api_keys");
    core.keys.revoke(&text.id(), None).expect("revokes");
    assert_eq!(opens(&core, &text).await, Some(false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_whose_writing_was_in_doubt_are_counted_once() {
    needs_server!();
    for is_done in [true, false] {
        let hosts = Hosts::new().await;
        let line = Line::to(&hosts.url);
        let (far, text) = far_host(&hosts, &line, hosts.world.machine.clock()).await;
        // The confirmation takes so long that the line can break meanwhile; where it is not to be done, it fails then.
        let end = if is_done { "" } else { "RAISE EXCEPTION 'not this time';" };
        let slow = format!(
            "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               PERFORM pg_sleep(0.5); {end} RETURN NULL;
             END $$;
             CREATE CONSTRAINT TRIGGER lingers AFTER INSERT ON usage_hours DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION linger()"
        );
        databases::run(&hosts.url, &slow);
        far.usage.record(answered_call(&text));
        let flushing = tokio::task::spawn_blocking({
            let far = far.clone();
            move || far.usage.flush().map_err(|error| error.code())
        });
        let confirming = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query = 'COMMIT'
                          AND wait_event = 'PgSleep'";
        while databases::count(&hosts.url, confirming) == 0 {
            tokio::task::yield_now().await;
        }
        line.set(Flow::Cut);
        assert_eq!(flushing.await.expect("no panic"), Err(Code::DatabaseOutcomeUnknown));
        far.usage.record(answered_call(&text));
        far.usage.flush().expect_err("it is still away");
        line.set(Flow::Open);
        databases::run(&hosts.url, "DROP TRIGGER lingers ON usage_hours");
        until(&far, |core| core.usage.flush().is_ok()).await;
        let shown = far.keys.list().expect("lists").into_iter().find(|key| key.id == text.id()).expect("is there");
        assert_eq!(shown.requests, 2, "done: {is_done}");
    }
}

fn answered_call(text: &KeyText) -> Call {
    Call {
        key: Some(text.id()),
        caller: Caller { program: "".into(), user_agent: "curl/8.5.0".into() },
        outcome: CallOutcome::Answered,
        bytes_in: 10,
        bytes_out: 20,
        gateway_time: None,
        runtime_time: None,
        trouble: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_integration_that_is_deleted_is_told_as_deleted_whatever_fails_after() {
    needs_server!();
    let hosts = Hosts::new().await;
    let core = hosts.world.core.clone();
    let fails = "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full';
                 END $$;
                 CREATE TRIGGER fails BEFORE DELETE ON unsettled_secrets FOR EACH ROW EXECUTE FUNCTION fails()";
    databases::run(&hosts.url, fails);
    core.delete_integration(&hosts.world.integration).await.expect("it is deleted");
    assert!(core.integrations.list().expect("lists").iter().all(|view| view.id != hosts.world.integration));
}
