//! Connections that break, stall or lose an answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use atthene_core::port::{KeyRows, Store};
use atthene_core::{Code, Error, StoreError};
use atthene_test_support::machine::{live, new_key};
use atthene_test_support::{databases, postgres_only};

use crate::fleet::Fleet;
use crate::proxy::{Mood, Proxy};

const TERMINATE: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                         WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[test]
fn connections_that_were_ended_are_made_anew_unasked() {
    postgres_only!();
    let fleet = Fleet::new(1);
    let core = fleet.core(0);
    for round in 0..5 {
        assert!(fleet.number(TERMINATE) > 0, "round {round}");
        let (_, text) = core.keys.create(new_key("k", 7, live(&core))).expect("creates");
        assert_eq!(live(&core), Some(text.id()));
    }
    assert_eq!(fleet.number("SELECT count(*) FROM api_keys"), 5);
}

#[test]
fn a_change_whose_confirmation_was_lost_is_done_once() {
    postgres_only!();
    let fleet = Fleet::new(1);
    let proxy = Proxy::to(&fleet.url);
    let core = fleet.core_on(0, Arc::new(fleet.open_at(0, &proxy.url)));
    for (round, mood) in [Mood::SwallowConfirmation, Mood::SwallowCommit].into_iter().cycle().take(6).enumerate() {
        let before = live(&core);
        proxy.set(mood);
        let (_, text) = core.keys.create(new_key("k", 7, before)).expect("creates");
        assert_eq!(proxy.swallowed.load(Ordering::SeqCst), round + 1);
        assert_eq!(live(&core), Some(text.id()));
        assert_eq!(fleet.number("SELECT count(*) FROM api_keys"), i64::try_from(round).expect("few") + 1);
    }
    assert_eq!(fleet.number("SELECT count(*) FROM activity WHERE kind = 'key_created'"), 6);
}

#[test]
fn a_change_that_nobody_can_be_asked_about_says_so() {
    postgres_only!();
    let fleet = Fleet::new(1);
    let proxy = Proxy::to(&fleet.url);
    let core = fleet.core_on(0, Arc::new(fleet.open_at(0, &proxy.url)));
    core.keys.create(new_key("k", 7, None)).expect("creates");
    let before = live(&core);
    proxy.set(Mood::SwallowConfirmation);
    // Nobody is let in any more.
    let name = fleet.url.rsplit('/').next().expect("a name");
    databases::run(&databases::url_of("postgres"), &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
    let unknown = core.keys.create(new_key("k", 7, before)).map(drop).expect_err("is not known");
    assert_eq!(unknown.code(), Code::DatabaseOutcomeUnknown, "{unknown}");
    // Nor goes on with a connection that something else had in hand meanwhile.
    databases::run(
        &databases::url_of("postgres"),
        &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
    );
    let away = core.keys.create(new_key("k", 7, None)).map(drop).expect_err("can't be reached");
    assert_eq!(away.code(), Code::DatabaseUnreachable, "{away}");
    databases::run(&databases::url_of("postgres"), &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    core.keys.create(new_key("k", 7, live(&core))).expect("works again");
}

#[test]
fn what_stalls_is_given_up_in_time_and_heals_by_itself() {
    postgres_only!();
    let fleet = Fleet::new(1);
    let proxy = Proxy::to(&fleet.url);
    let store = fleet.open_at(0, &proxy.url);
    let mut watcher = store.watch().expect("watches");
    store.keys().expect("reads");
    proxy.set(Mood::Stall);
    let began = Instant::now();
    assert!(matches!(store.keys(), Err(StoreError::Unreachable { .. })));
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    assert!(matches!(watcher.poll(), Err(StoreError::Unreachable { .. })), "nothing is heard, and that is said");
    proxy.set(Mood::PassOn);
    store.keys().expect("reads again");
    while watcher.poll().is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn it_is_used_and_dropped_inside_of_other_runtimes() {
    postgres_only!();
    let fleet = Fleet::new(1);
    let one = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    one.block_on(async {
        let store = fleet.open(0);
        // Far more than a task may do before tokio holds it back.
        for _ in 0..300 {
            store.keys().expect("reads");
        }
    });
    let many = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let store = Arc::new(fleet.open(0));
    many.block_on(async {
        let asked: Vec<_> = (0..16)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.keys().map(drop) })
            })
            .collect();
        for one in asked {
            one.await.expect("ends").expect("reads");
        }
        drop(store);
    });
}

#[test]
fn an_address_where_nobody_is_and_a_wrong_name_are_said() {
    postgres_only!();
    let folder = tempfile::tempdir().expect("a folder");
    let host = atthene_core::Host::of(folder.path(), "host").expect("a host");
    let open = |url: &str| match databases::open_as(url, folder.path(), &host) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    };
    for url in ["postgres://a:hunter2@127.0.0.1:1/x", &databases::url_of("not_there"), "hunter2"] {
        let error = open(url);
        assert!(matches!(error, Error::Store(StoreError::Unreachable { .. })), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}
