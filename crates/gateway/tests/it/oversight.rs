//! Stopping everything, explaining a refusal, and what a killed gateway leaves behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use atthene_core::activity::{Chain, Span};
use atthene_core::keys::{Expiry, NewKey};
use atthene_core::oversight::{GatewayState, PortOwner, RungState};
use atthene_core::{Clock, Core, Settings};
use atthene_gateway::Limits;
use atthene_service::Service;

use crate::common::{EXECUTE, Running, block_on, connect, eventually, free_port};
use crate::forwarding::runtime;

#[test]
fn stopping_everything_cuts_open_streams_and_refuses_until_it_is_resumed() {
    let running = Running::start();
    let key = running.key(None);
    let (told, ended) = mpsc::channel();
    let url = runtime(move |mut stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n").expect("answers");
        let mut byte = [0];
        told.send(matches!(stream.read(&mut byte), Ok(0))).expect("heard");
    });
    running.set_runtime(&url, None);
    let mut stream = running.connect();
    let call = format!(
        "POST {EXECUTE} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: 0\r\n\r\n",
        key.expose()
    );
    stream.write_all(call.as_bytes()).expect("sends");
    let mut read = [0; 4096];
    assert!(stream.read(&mut read).expect("reads") > 0);

    running.core.stop_everything().expect("stops");
    let state = running.wait_for(|state| matches!(state, GatewayState::Refusing { .. }));
    assert!(matches!(state, GatewayState::Refusing { cut: 1, .. }), "{state:?}");
    assert!(ended.recv_timeout(Duration::from_secs(10)).expect("the call ended"), "the runtime hears of it");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("0\r\n\r\n"), "the stream broke off, it did not end");

    let refused = running.execute_with(&key);
    assert_eq!((refused.status, refused.code().as_str()), (503, "stopped"));
    let verified = running.send(&format!("GET /auth/verify HTTP/1.1\r\nauthorization: Bearer {}", key.expose()), b"");
    assert_eq!(verified.code(), "stopped");
    // A guesser learns nothing of it.
    assert_eq!(running.execute("Bearer nonsense").code(), "invalid_key");

    running.core.resume().expect("goes on");
    running.wait_for(|state| matches!(state, GatewayState::Listening { .. }));
    running
        .core
        .settings
        .save(Settings { runtime_url: None, ..Settings::clone(&running.core.settings.current()) })
        .expect("saves");
    eventually("an answer", || (running.execute_with(&key).status == 200).then_some(()));
}

#[test]
fn a_gateway_that_is_turned_off_listens_nowhere() {
    let running = Running::start();
    let on = Settings::clone(&running.core.settings.current());
    running.core.settings.save(Settings { gateway_on: false, ..on.clone() }).expect("saves");
    running.wait_for(|state| *state == GatewayState::Off);
    eventually("a closed port", || std::net::TcpStream::connect(("127.0.0.1", running.port)).is_err().then_some(()));
    running.core.settings.save(on).expect("saves");
    running.wait_for(|state| matches!(state, GatewayState::Listening { .. }));
}

#[test]
fn the_request_id_that_a_refused_caller_got_explains_the_refusal() {
    let running = Running::start();
    let first = running.key(None);
    let second = running.key(Some(&first));
    for (authorization, rung) in [
        (format!("Bearer {}", first.expose()), 6),
        ("Basic abc".to_owned(), 3),
        (format!("Bearer {}x", &second.expose()[..63]), 4),
    ] {
        let refused = running.execute(&authorization);
        let id = refused.json()["request_id"].as_str().expect("an id").to_owned();
        let explained = eventually("an explanation", || running.core.explain(&id).ok());
        let broken = explained.rungs.iter().position(|it| it.state == RungState::Failed);
        assert_eq!(broken, Some(rung), "{explained:?}");
        assert!(!format!("{explained:?}").contains(&first.expose()[15..]));
    }
    // A path may hold anything, also a key.
    let refused = running.send(&format!("GET /api/amas/{} HTTP/1.1", second.expose()), b"");
    let id = refused.json()["request_id"].as_str().expect("an id").to_owned();
    let explained = eventually("an explanation", || running.core.explain(&id).ok());
    assert!(!explained.call.path.contains("atk_"), "{}", explained.call.path);
}

const CHILD: &str = "ATTHENE_TEST_GATEWAY";
/// The most that a crash may lose.
const LOST: Duration = Duration::from_millis(250);

fn open(dir: &std::path::Path) -> Arc<Core> {
    atthene_test_support::open(dir, Clock::system(), atthene_vault::MemoryVault::default()).expect("opens")
}

/// Not a test of its own: the process that the next test kills.
#[test]
fn child_that_serves_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let core = open(std::path::Path::new(&dir));
    let live = core.keys.list().expect("lists").first().map(|key| key.id.clone());
    let (_, text) = core
        .keys
        .create(NewKey { name: "k".into(), expiry: Expiry::Days { days: 30 }, replaces: live })
        .expect("creates");
    let service = Service::start(core, Limits::default()).expect("starts");
    eventually("listening", || matches!(service.state(), GatewayState::Listening { .. }).then_some(()));
    println!("\nserves {}", text.expose());
    loop {
        std::thread::park();
    }
}

/// How long this machine left a thread waiting that had only to wake up: what it did not run, it did not write either.
struct Stalls {
    longest: Arc<Mutex<Duration>>,
    ended: Arc<AtomicBool>,
}

impl Stalls {
    fn watch() -> Self {
        let stalls = Self { longest: Arc::default(), ended: Arc::default() };
        let (longest, ended) = (stalls.longest.clone(), stalls.ended.clone());
        std::thread::spawn(move || {
            const NAP: Duration = Duration::from_millis(5);
            while !ended.load(Ordering::Relaxed) {
                let asleep = Instant::now();
                std::thread::sleep(NAP);
                let mut longest = longest.lock().expect("not poisoned");
                *longest = (*longest).max(asleep.elapsed().saturating_sub(NAP));
            }
        });
        stalls
    }

    /// The longest since the last time.
    fn take(&self) -> Duration {
        std::mem::take(&mut *self.longest.lock().expect("not poisoned"))
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

#[test]
fn killed_fifty_times_under_load_it_loses_at_most_the_last_batch() {
    let dir = tempfile::tempdir().expect("a folder");
    let port = free_port();
    open(dir.path()).settings.save(Settings { gateway_port: port, ..Settings::default() }).expect("saves");
    let stalls = Stalls::watch();
    let mut counted = 0;
    for round in 0..50_u64 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["oversight::child_that_serves_until_it_is_killed", "--nocapture", "--exact"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let key = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("serves ").map(str::to_owned));
        let key = key.expect("it serves");
        let call =
            format!("GET /api/amas/connections HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n");
        let mut stream = connect(port);
        stalls.take();
        let started = Instant::now();
        let mut answered = Vec::new();
        let mut buffer = [0; 4096];
        // Another moment of the quarter of a second in every round.
        while started.elapsed() < Duration::from_millis(300 + round * 5) {
            stream.write_all(call.as_bytes()).expect("sends");
            assert!(stream.read(&mut buffer).expect("reads") > 0);
            answered.push(Instant::now());
        }
        child.kill().expect("kills");
        let killed = Instant::now();
        child.wait().expect("ends");

        let core = open(dir.path());
        let total = core.usage.report(Span::Month).expect("reports").total.answered;
        let kept = total - counted;
        counted = total;
        let sent = answered.len() as u64;
        // A writer takes several turns: each of them may have had to wait that long.
        let lost = LOST + 3 * stalls.take();
        let safe = answered.iter().filter(|at| killed.duration_since(**at) > lost).count() as u64;
        assert!((safe..=sent).contains(&kept), "round {round}: {kept} of {sent} calls were kept, {safe} were safe");
        let chain = core.activity.verify().expect("walks");
        assert!(matches!(chain, Chain::Sound { .. }), "round {round}: {chain:?}");
    }
}

#[test]
fn a_gateway_on_another_folder_is_told_from_ones_own() {
    let (here, elsewhere) = (Running::start(), Running::start());
    assert_eq!(block_on(here.core.port_owner(here.port)).expect("asks"), PortOwner::Here);
    assert_eq!(block_on(here.core.port_owner(elsewhere.port)).expect("asks"), PortOwner::Elsewhere);
    assert_eq!(block_on(here.core.port_owner(free_port())).expect("asks"), PortOwner::ByNone);
    assert_ne!(here.core.folder_id(), elsewhere.core.folder_id());
}
