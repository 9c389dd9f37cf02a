//! Hearing of what other hosts do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use atthene_core::Change;
use atthene_core::UnixMs;
use atthene_core::activity::{ActOutcome, Actor, Entry, Kind};
use atthene_core::port::{KeyRows, SettingRows, Store, Watcher};
use atthene_store::Postgres;
use atthene_test_support::postgres_only;
use serde_json::json;

use crate::fleet::Fleet;
use crate::proxy::{Mood, Proxy};

/// Waits for this change, as the core does; how long that took.
fn hears(watcher: &mut dyn Watcher, what: Change) -> Duration {
    let began = Instant::now();
    loop {
        watcher.wait(Duration::from_millis(50));
        if watcher.poll().is_ok_and(|changes| changes.contains(&what)) {
            return began.elapsed();
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{what:?} was never heard");
    }
}

fn save(store: &Postgres, value: &str) {
    let entry = Entry {
        at: UnixMs(1),
        actor: Actor::Window,
        kind: Kind::SettingsChanged,
        subject: "settings",
        outcome: ActOutcome::Done,
        detail: json!({}),
    };
    store.save_settings(&[("gateway_port", Some(value.to_owned()))], &entry).expect("saves");
}

#[test]
fn what_another_host_does_is_heard_at_once() {
    postgres_only!();
    let fleet = Fleet::new(2);
    let (here, there) = (fleet.open(0), fleet.open(1));
    let mut watcher = here.watch().expect("watches");
    save(&there, "0");
    hears(watcher.as_mut(), Change::Settings);
    let took: Vec<Duration> = (1..40)
        .map(|value| {
            save(&there, &value.to_string());
            hears(watcher.as_mut(), Change::Settings)
        })
        .collect();
    // How long it takes is for a benchmark to say; here, that it was not the poll that told it each time.
    eprintln!("heard after {:?} on average", took.iter().sum::<Duration>() / 39);
    assert!(took.iter().sum::<Duration>() < Duration::from_secs(20), "{took:?}");
    assert!(watcher.poll().expect("hears").is_empty(), "told once");
}

#[test]
fn without_notifications_the_rows_are_read_all_the_same() {
    postgres_only!();
    let fleet = Fleet::new(2);
    let (here, there) = (fleet.open(0), fleet.open(1));
    let mut watcher = here.watch().expect("watches");
    fleet.run("ALTER TABLE revisions DISABLE TRIGGER hint");
    for value in 0..3 {
        save(&there, &value.to_string());
        hears(watcher.as_mut(), Change::Settings);
    }
    // Nobody is told of these in the first place.
    fleet.run("UPDATE hosts SET counted = counted + 1");
    hears(watcher.as_mut(), Change::Usage);
}

#[test]
fn one_host_asks_for_all_whether_they_still_hear() {
    const HOSTS: usize = 12;
    postgres_only!();
    let fleet = Fleet::new(HOSTS);
    let hosts: Vec<_> = (0..HOSTS).map(|number| fleet.open(number)).collect();
    let _watchers: Vec<_> = hosts.iter().map(|host| host.watch().expect("watches")).collect();
    // What wakes everybody: if each asked for itself, there would be as many in five seconds as there are hosts.
    let heard = fleet.notifications("atthene_beat", Duration::from_secs(11));
    assert!((1..HOSTS).contains(&heard), "asked {heard} times");
    let listening =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%revisions%'
                     AND backend_start > now() - interval '10 seconds' AND pid <> pg_backend_pid()";
    assert_eq!(fleet.number(listening), 0, "nobody took itself for deaf");
}

#[test]
fn a_listener_that_hears_nothing_any_more_is_made_anew() {
    postgres_only!();
    let fleet = Fleet::new(1);
    let proxy = Proxy::to(&fleet.url);
    let here = fleet.open_at(0, &proxy.url);
    let _watcher = here.watch().expect("watches");
    let listener = "SELECT coalesce(max(pid), 0)::bigint FROM pg_stat_activity
                    WHERE datname = current_database() AND query LIKE '%revisions%' AND pid <> pg_backend_pid()";
    let until = |is_it: &dyn Fn(i64) -> bool| {
        let began = Instant::now();
        loop {
            match fleet.number(listener) {
                found if is_it(found) => return found,
                found => assert!(began.elapsed() < Duration::from_secs(30), "{found} goes on"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let first = until(&|pid| pid != 0);
    // Every question is answered all the while.
    proxy.set(Mood::Deafen);
    until(&|pid| pid != 0 && pid != first);
}

#[test]
fn a_listener_that_is_ended_again_and_again_misses_nothing() {
    postgres_only!();
    let fleet = Fleet::new(2);
    let (here, there) = (fleet.open(0), fleet.open(1));
    let mut watcher = here.watch().expect("watches");
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::SeqCst) {
                fleet.number(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                     WHERE datname = current_database() AND query LIKE '%revisions%' AND pid <> pg_backend_pid()",
                );
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        for value in 0..10 {
            save(&there, &value.to_string());
            hears(watcher.as_mut(), Change::Settings);
        }
        is_done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_key_that_another_host_ends_is_ended_here() {
    postgres_only!();
    let fleet = Fleet::new(2);
    let (here, there) = (fleet.core(0), fleet.core(1));
    let (_, text) = here.keys.create(atthene_test_support::machine::new_key("k", 7, None)).expect("creates");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let is_valid = |core: &atthene_core::Core| {
        matches!(runtime.block_on(core.keys.verify(text.expose())), atthene_core::keys::Verdict::Valid(_))
    };
    let began = Instant::now();
    while !is_valid(&there) {
        assert!(began.elapsed() < Duration::from_secs(30), "it is never heard of");
    }
    assert!(is_valid(&here));
    there.keys.revoke(&text.id(), None).expect("revokes");
    let began = Instant::now();
    while is_valid(&here) {
        assert!(began.elapsed() < Duration::from_secs(30), "it is never heard of");
    }
    eprintln!("refused after {:?}", began.elapsed());
    assert_eq!(fleet.open(0).keys().expect("reads").len(), 1);
}
