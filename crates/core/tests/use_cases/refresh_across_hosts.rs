//! Several hosts on one profile: none spends a refresh token that another one may have spent.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use atthene_core::connections::{ConnectionId, ConnectionState};
use atthene_core::port::{LeaseFence, LeaseRows, SealedRows, TakenLease};
use atthene_core::{Clock, Code, Core, StoreError, UnixMs};
use atthene_test_support::hosts::{Hosts, Place};
use atthene_test_support::machine::START;
use atthene_test_support::needs_server;
use atthene_test_support::world::{PLANTED, tokens};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

/// As an authority that keeps count: what was spent twice.
#[derive(Clone, Default)]
struct Twice(Arc<Mutex<(HashSet<String>, Vec<String>)>>);

impl Twice {
    /// Every refresh token that was ever given is taken, each time rotated. Tells of each call before it is answered.
    fn watches(&self, hosts: &Hosts) -> Receiver<()> {
        let (tell, told) = channel();
        let (spent, mut n) = (self.0.clone(), 1);
        let drawn = rand::random::<u32>();
        hosts.world.authority.says(move |form| {
            let token = form["refresh_token"].clone();
            let mut spent = spent.lock().expect("not poisoned");
            if !spent.0.insert(token.clone()) {
                spent.1.push(token);
            }
            n += 1;
            let _ = tell.send(());
            tokens(&format!("access-{drawn}-{n}"), &format!("rotated-{drawn}-{n}"))
        });
        told
    }

    /// A sign-in gives the same token each time.
    fn forgets_the_planted(&self) {
        self.0.lock().expect("not poisoned").0.remove(PLANTED);
    }

    fn spent(&self) -> usize {
        self.0.lock().expect("not poisoned").0.len()
    }

    fn twice(&self) -> Vec<String> {
        self.0.lock().expect("not poisoned").1.clone()
    }
}

fn rounds(usual: usize) -> usize {
    std::env::var("ATTHENE_TEST_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn sealed(hosts: &Hosts, id: &ConnectionId) -> String {
    let bytes = hosts.place(9).store.get(&format!("Sign-in of {}", id.as_str())).expect("reads").expect("there");
    String::from_utf8(bytes).expect("a text")
}

fn state(core: &Core) -> ConnectionState {
    core.connections.list().expect("lists")[0].state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_hosts_spend_each_refresh_token_once() {
    needs_server!();
    let hosts = Hosts::new().await;
    let id = hosts.world.connect("ada").await;
    let all: Vec<_> = (1..8).map(|number| hosts.place(number).open()).chain([hosts.world.core.clone()]).collect();
    let authority = Twice::default();
    let _calls = authority.watches(&hosts);
    hosts.world.authority.hurry();
    let (rounds, mut longest) = (rounds(12), Duration::ZERO);
    for round in 0..rounds {
        // Every other time some of the access at hand is left.
        hosts.world.machine.step(if round % 2 == 0 { UnixMs::HOUR + 1000 } else { 57 * UnixMs::MINUTE });
        let began = Instant::now();
        let asking: Vec<_> = all
            .iter()
            .flat_map(|core| [core.clone(), core.clone()])
            .map(|core| {
                let id = id.clone();
                tokio::spawn(async move { core.connections.fresh(&id).await.map(drop) })
            })
            .collect();
        for asked in asking {
            asked.await.expect("no panic").expect("access");
        }
        longest = longest.max(began.elapsed());
    }
    eprintln!("8 hosts, {rounds} expiries: {} tokens spent, the slowest {longest:?}", authority.spent());
    assert_eq!(authority.twice(), Vec::<String>::new());
    assert_eq!(state(&all[0]), ConnectionState::Connected);
    // Nobody is kept out by what is left of it.
    let all_given = "SELECT count(*) FROM leases WHERE holder IS NOT NULL OR begun";
    let left = atthene_test_support::databases::asked(&hosts.url, async |client| {
        for _ in 0..100 {
            let left: i64 = client.query_one(all_given, &[]).await.expect("reads").get(0);
            if left == 0 {
                return 0;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        1
    });
    assert_eq!(left, 0, "a lease was not given back");
}

const CHILD: &str = "ATTHENE_TEST_HOST";

/// Not a test of its own: a host that others kill or hold up. It finds access ended whenever it looks.
#[tokio::test]
async fn child_that_refreshes() {
    let Ok(text) = std::env::var(CHILD) else { return };
    let told: Value = serde_json::from_str(&text).expect("as written");
    let of = |name: &str| told[name].as_str().expect("a text").to_owned();
    let now = AtomicI64::new(START);
    let clock = Clock::from_fn(move || UnixMs(now.fetch_add(UnixMs::HOUR, Ordering::Relaxed)));
    let place = Place::at(&of("url"), Path::new(&of("folder")), clock);
    let core = Place { is_lenient: told["is_lenient"] == true, ..place }.open();
    let id = core.connections.list().expect("lists").remove(0).id;
    loop {
        match core.connections.fresh(&id).await {
            Ok(_) => println!("\nrefreshed"),
            Err(error) => {
                println!("\n{:?}", error.code());
                return;
            }
        }
    }
}

fn child(hosts: &Hosts, number: usize, is_lenient: bool) -> Child {
    let told = json!({ "url": hosts.url, "folder": hosts.folder(number), "is_lenient": is_lenient });
    Command::new(std::env::current_exe().expect("this test"))
        .args(["refresh_across_hosts::child_that_refreshes", "--nocapture", "--exact"])
        .env(CHILD, told.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts")
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("runs");
    assert!(sent.success());
}

async fn told(calls: Receiver<()>) -> Receiver<()> {
    let wait = move || calls.recv_timeout(Duration::from_mins(1)).map(|()| calls).expect("a call");
    tokio::task::spawn_blocking(wait).await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_host_may_have_spent_is_sent_again_only_where_that_does_no_harm() {
    needs_server!();
    for is_lenient in [false, true] {
        let hosts = Hosts::new().await;
        let id = hosts.world.connect("ada").await;
        let second = Place { is_lenient, ..hosts.place(2) }.open();
        let authority = Twice::default();
        let calls = authority.watches(&hosts);
        hosts.world.authority.takes(60_000);
        let mut killed = child(&hosts, 1, is_lenient);
        let _calls = told(calls).await;
        // Spent, and nobody has heard what for.
        killed.kill().expect("kills");
        killed.wait().expect("ends");
        hosts.world.authority.hurry();
        hosts.world.machine.step(2 * UnixMs::HOUR);
        let began = Instant::now();
        let fresh = second.connections.fresh(&id).await;
        let waited = began.elapsed();
        eprintln!("after a host was killed, the next one went on after {waited:?}");
        assert!(waited < Duration::from_secs(8), "stuck for {waited:?}");
        if is_lenient {
            fresh.expect("access");
            assert_eq!(authority.twice(), [PLANTED], "once more, at an authority that takes it for nothing");
            continue;
        }
        assert_eq!(fresh.map(drop).expect_err("nobody knows").code(), Code::NeedsSignIn);
        assert_eq!(authority.twice(), Vec::<String>::new());
        assert_eq!(state(&second), ConnectionState::NeedsSignIn);
        let why = second.connections.list().expect("lists").remove(0).problem.expect("a reason");
        assert!(why.contains("ended before it could say"), "{why}");
        let third = hosts.place(3).open();
        assert_eq!(third.connections.fresh(&id).await.map(drop).expect_err("the same").code(), Code::NeedsSignIn);
        assert_eq!(authority.spent(), 1);
        // A person signs in, and all of them go on.
        assert_eq!(hosts.world.connect("ada").await, id);
        authority.forgets_the_planted();
        let _calls = authority.watches(&hosts);
        hosts.world.machine.step(2 * UnixMs::HOUR);
        for core in [&second, &third, &hosts.world.core] {
            core.connections.fresh(&id).await.expect("access");
        }
        assert_eq!(authority.twice(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_killed_at_any_moment_leave_no_token_that_is_spent_twice() {
    needs_server!();
    let hosts = Hosts::new().await;
    let id = hosts.world.connect("ada").await;
    let authority = Twice::default();
    let mut calls = authority.watches(&hosts);
    let (rounds, mut worked, mut signed_in) = (rounds(8), 0, 0);
    for round in 0..rounds {
        let mut killed = child(&hosts, 1 + round % 2, false);
        let mut lines = BufReader::new(killed.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        lines.by_ref().find(|line| line == "refreshed").expect("it refreshes");
        std::thread::sleep(Duration::from_millis(u64::try_from(round * 7 % 60).expect("small")));
        killed.kill().expect("kills");
        killed.wait().expect("ends");
        hosts.world.machine.step(2 * UnixMs::HOUR);
        let began = Instant::now();
        match hosts.world.core.connections.fresh(&id).await {
            Ok(_) => worked += 1,
            Err(error) => {
                assert_eq!(error.code(), Code::NeedsSignIn, "round {round}: {error}");
                hosts.world.connect("ada").await;
                authority.forgets_the_planted();
                calls = authority.watches(&hosts);
                signed_in += 1;
            }
        }
        assert!(began.elapsed() < Duration::from_secs(10), "round {round} was stuck for {:?}", began.elapsed());
        assert_eq!(authority.twice(), Vec::<String>::new(), "round {round}");
    }
    drop(calls);
    eprintln!("{rounds} hosts killed: {worked} connections went on, {signed_in} had to be signed in again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_was_held_up_writes_nothing_after_another_one_went_on() {
    needs_server!();
    for is_lenient in [true, false] {
        let hosts = Hosts::new().await;
        let id = hosts.world.connect("ada").await;
        let second = Place { is_lenient, ..hosts.place(2) }.open();
        let authority = Twice::default();
        let calls = authority.watches(&hosts);
        hosts.world.authority.takes(1500);
        let mut held_up = child(&hosts, 1, is_lenient);
        let _calls = told(calls).await;
        signal(&held_up, "-STOP");
        hosts.world.authority.hurry();
        hosts.world.machine.step(2 * UnixMs::HOUR);
        let fresh = second.connections.fresh(&id).await.map(|fresh| fresh.token.expose_secret().to_owned());
        assert_eq!(fresh.is_ok(), is_lenient);
        let (kept, row) = (sealed(&hosts, &id), second.connections.list().expect("lists").remove(0));
        signal(&held_up, "-CONT");
        let lines = BufReader::new(held_up.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let said: Vec<_> =
            lines.filter(|line| !line.is_empty()).take_while(|line| !line.starts_with("test ")).collect();
        held_up.kill().expect("kills");
        held_up.wait().expect("ends");
        assert!(!said.iter().any(|line| line == "refreshed"), "{said:?}");
        assert_eq!(sealed(&hosts, &id), kept, "the secret of the other one was overwritten");
        let now = second.connections.list().expect("lists").remove(0);
        assert_eq!((now.state, now.refreshed_at, now.problem), (row.state, row.refreshed_at, row.problem));
    }
}

/// Leases that can't be asked, as long as that is wanted.
struct Unasked(Arc<dyn LeaseRows>, Arc<AtomicBool>);

impl LeaseRows for Unasked {
    fn take(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<TakenLease>, StoreError> {
        if self.1.load(Ordering::Relaxed) {
            return Err(StoreError::Unreachable { reason: "a test has cut the line".to_owned() });
        }
        self.0.take(name, holder, ttl)
    }

    fn renew(&self, name: &str, holder: &str, fence: LeaseFence, ttl: Duration) -> Result<bool, StoreError> {
        self.0.renew(name, holder, fence, ttl)
    }

    fn begin(&self, name: &str, holder: &str, fence: LeaseFence, ttl: Duration) -> Result<bool, StoreError> {
        self.0.begin(name, holder, fence, ttl)
    }

    fn give_back(&self, name: &str, holder: &str, fence: LeaseFence, is_ended: bool) -> Result<(), StoreError> {
        self.0.give_back(name, holder, fence, is_ended)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_could_not_be_asked_is_none() {
    needs_server!();
    let hosts = Hosts::new().await;
    let id = hosts.world.connect("ada").await;
    let is_cut = Arc::new(AtomicBool::new(true));
    let place = hosts.place(1);
    let leases = Arc::new(Unasked(place.leases.clone(), is_cut.clone()));
    let core = Place { leases, ..place }.open();
    let authority = Twice::default();
    let _calls = authority.watches(&hosts);
    hosts.world.machine.step(2 * UnixMs::HOUR);
    let error = core.connections.fresh(&id).await.map(drop).expect_err("no lease");
    assert_eq!(error.code(), Code::DatabaseUnreachable);
    assert_eq!(authority.spent(), 0, "the authority was asked without a lease");
    is_cut.store(false, Ordering::Relaxed);
    core.connections.fresh(&id).await.expect("access");
    is_cut.store(true, Ordering::Relaxed);
    // Three minutes are left: enough while nobody can ask.
    hosts.world.machine.step(57 * UnixMs::MINUTE);
    core.connections.fresh(&id).await.expect("what is at hand");
    assert_eq!(authority.spent(), 1);
}
