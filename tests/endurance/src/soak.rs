//! About 300 calls a second for a long time, with streams, `WebSockets`, refusals of each kind, hang-ups, refreshes and a
//! new key every 20 seconds. Memory, files and threads of the service have to stay as they are.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use atthene_test_support::caller::{Caller, EXECUTE, connect};
use atthene_test_support::installation::Installation;
use atthene_test_support::runtime;
use atthene_test_support::strict_authority::{SHORT_LIVED, StrictAuthority};

const NEW_KEY_EVERY: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_secs(5);
const BODY: &str = r#"{"agent_id":"a","message":"Hello!"}"#;

/// What everybody shares.
struct Load {
    port: u16,
    key: RwLock<String>,
    old_keys: Mutex<Vec<String>>,
    ends: Instant,
    is_over: AtomicBool,
    outcomes: Mutex<BTreeMap<(&'static str, String), u64>>,
    times: Mutex<Vec<(Instant, Duration)>>,
}

impl Load {
    fn key(&self) -> String {
        self.key.read().expect("not poisoned").clone()
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed) || Instant::now() >= self.ends
    }

    fn count(&self, kind: &'static str, outcome: impl Into<String>) {
        *self.outcomes.lock().expect("not poisoned").entry((kind, outcome.into())).or_default() += 1;
    }
}

/// Memory in KiB, open files and threads of a process.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Size {
    memory: f64,
    files: f64,
    threads: f64,
}

impl Size {
    fn of(pid: u32) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).context("a field")?;
            line.split_whitespace().nth(1).context("a number")?.parse::<f64>().context("a number")
        };
        let files = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        Ok(Self { memory: field("VmRSS:")?, files: f64::from(u32::try_from(files)?), threads: field("Threads:")? })
    }
}

pub(crate) fn run(minutes: f64) -> Result<()> {
    let own = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let strict = own.block_on(StrictAuthority::start(SHORT_LIVED));
    let machine = Arc::new(Installation::new()?);
    machine.run(&["config", "set", "runtime_url", &runtime::start(own.handle())])?;
    machine.add_integration(&strict, &strict.base())?;
    let connections: Vec<String> =
        (0..4).map(|account| machine.sign_in(&format!("account-{account}"))).collect::<Result<_>>()?;
    let first = machine.key()?;
    let mut service = machine.serve(&[])?;
    let began = Instant::now();
    let load = Arc::new(Load {
        port: machine.port,
        key: RwLock::new(first),
        old_keys: Mutex::default(),
        ends: began + Duration::from_secs_f64(minutes * 60.0),
        is_over: AtomicBool::new(false),
        outcomes: Mutex::default(),
        times: Mutex::default(),
    });
    let mut threads = Vec::new();
    let mut start = |work: Box<dyn FnOnce(Arc<Load>) + Send>| {
        let load = load.clone();
        threads.push(std::thread::spawn(move || work(load)));
    };
    for _ in 0..4 {
        start(Box::new(|load| calls(&load, Duration::from_millis(14))));
    }
    for _ in 0..6 {
        start(Box::new(|load| events(&load)));
    }
    for _ in 0..4 {
        start(Box::new(|load| websockets(&load)));
    }
    for id in connections {
        start(Box::new(move |load| refreshes(&load, &id)));
    }
    start(Box::new(|load| refusals(&load)));
    start(Box::new(|load| hang_ups(&load)));
    let keys = machine.clone();
    start(Box::new(move |load| new_keys(&load, &keys)));

    let mut sizes = Vec::new();
    while Instant::now() < load.ends {
        std::thread::sleep(LOOK_EVERY);
        ensure!(service.try_wait()?.is_none(), "the service has ended");
        sizes.push((began.elapsed().as_secs_f64() / (minutes * 60.0), Size::of(service.id())?));
    }
    load.is_over.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a part of the load broke"))?;
    }
    let refreshes = strict.tokens.lock().expect("not poisoned").refreshes;
    let verified = machine.run(&["activity", "--verify"])?;
    service.kill()?;
    service.wait()?;
    tell(&load, &sizes, began, minutes)?;
    println!("{refreshes} refreshes; {verified}");
    Ok(())
}

fn tell(load: &Load, sizes: &[(f64, Size)], began: Instant, minutes: f64) -> Result<()> {
    let outcomes = load.outcomes.lock().expect("not poisoned");
    for ((kind, outcome), count) in &*outcomes {
        println!("{kind:12} {outcome:28} {count:>9}");
    }
    let times = load.times.lock().expect("not poisoned");
    let all: u64 = outcomes.values().sum();
    let seconds = Duration::from_secs_f64(minutes * 60.0).as_secs().max(1);
    println!("{all} in all, {}/s", all / seconds);
    let tenth = |n: f64| move |part: f64| (n / 10.0..(n + 1.0) / 10.0).contains(&part);
    for (name, n) in [("second tenth", 1.0), ("last tenth", 9.0)] {
        let within = tenth(n);
        let part = |at: &Instant| at.duration_since(began).as_secs_f64() / (minutes * 60.0);
        let mut ms: Vec<f64> =
            times.iter().filter(|(at, _)| within(part(at))).map(|(_, took)| took.as_secs_f64() * 1000.0).collect();
        ms.sort_unstable_by(f64::total_cmp);
        let at = |share: usize| ms.get(ms.len() * share / 100).copied().unwrap_or_default();
        println!("{name:12} {} calls, p50 {:.2} ms, p99 {:.2} ms", ms.len(), at(50), at(99));
    }
    let middle = |n: f64, of: fn(&Size) -> f64| {
        let within = tenth(n);
        let mut values: Vec<f64> = sizes.iter().filter(|(part, _)| within(*part)).map(|(_, size)| of(size)).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    let mut grown = Vec::new();
    // Room for what comes and goes: a cache, a connection, a thread that blocks.
    for (name, of, more, room) in [
        ("memory KiB", (|size| size.memory) as fn(&Size) -> f64, 1.1, 1024.0),
        ("files", |size| size.files, 1.1, 8.0),
        ("threads", |size| size.threads, 1.0, 2.0),
    ] {
        let (early, late) = (middle(1.0, of), middle(9.0, of));
        println!("{name:12} {early:.0} in the second tenth, {late:.0} in the last");
        if late > early * more + room {
            grown.push(name);
        }
    }
    ensure!(grown.is_empty(), "grown: {grown:?}");
    let unexpected: Vec<_> =
        outcomes.keys().filter(|(_, outcome)| outcome.starts_with("error") || outcome.starts_with('5')).collect();
    ensure!(unexpected.is_empty(), "not as it should be: {unexpected:?}");
    Ok(())
}

/// One call each time, at an even pace.
fn calls(load: &Load, every: Duration) {
    let mut caller = Caller::new(load.port);
    let mut next = Instant::now();
    while !load.is_over() {
        next += every;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        let (key, started) = (load.key(), Instant::now());
        match caller.call(&format!("POST {EXECUTE}"), &key, BODY) {
            Ok((200, _)) => {
                load.times.lock().expect("not poisoned").push((started, started.elapsed()));
                load.count("calls", "200");
            }
            // Replaced between the look at it and the call.
            Ok((401, body)) if load.key() != key || body.contains("replaced_key") => {
                load.count("calls", "401 at the change of keys");
            }
            Ok((status, body)) => load.count("calls", format!("{status} {body:.60}")),
            Err(error) => load.count("calls", format!("error {error}")),
        }
    }
}

/// What comes of an open connection until it ends.
fn opened(load: &Load, more: &str, path: &str) -> Result<std::net::TcpStream> {
    let mut stream = connect(load.port)?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n{more}\r\n", load.key());
    stream.write_all(head.as_bytes())?;
    Ok(stream)
}

fn events(load: &Load) {
    while !load.is_over() {
        let streamed = || {
            let mut text = String::new();
            opened(load, "connection: close\r\n", "/api/amas/events")?.read_to_string(&mut text)?;
            Ok::<_, anyhow::Error>(text)
        };
        match streamed() {
            Ok(text) if text.matches("data: ").count() == 20 && text.ends_with("0\r\n\r\n") => {
                load.count("streams", "whole");
            }
            Ok(text) if text.contains(" 401 ") => load.count("streams", "401 at the change of keys"),
            Ok(text) => load.count("streams", format!("error {:.60}", text.replace(['\r', '\n'], " "))),
            Err(error) => load.count("streams", format!("error {error}")),
        }
    }
}

fn websockets(load: &Load) {
    let mut part = [0; 4096];
    while !load.is_over() {
        let mut talked = || {
            let mut stream = opened(load, "connection: upgrade\r\nupgrade: websocket\r\n", "/api/amas/realtime")?;
            let read = stream.read(&mut part)?;
            if !part[..read].starts_with(b"HTTP/1.1 101") {
                return Ok::<_, anyhow::Error>(false);
            }
            for n in 0..40_u8 {
                stream.write_all(&[n; 32])?;
                let mut back = [0; 32];
                stream.read_exact(&mut back)?;
                ensure!(back == [n; 32], "other bytes came back");
                std::thread::sleep(Duration::from_millis(250));
            }
            Ok(true)
        };
        match talked() {
            Ok(true) => load.count("websockets", "whole"),
            Ok(false) => load.count("websockets", "401 at the change of keys"),
            Err(error) => load.count("websockets", format!("error {error}")),
        }
    }
}

fn refreshes(load: &Load, id: &str) {
    let mut caller = Caller::new(load.port);
    while !load.is_over() {
        std::thread::sleep(Duration::from_millis(700));
        let key = load.key();
        match caller.call(&format!("POST /api/amas/connections/{id}/token"), &key, "") {
            Ok((200, _)) => load.count("access", "200"),
            Ok((401, body)) if load.key() != key || body.contains("replaced_key") => {
                load.count("access", "401 at the change of keys");
            }
            Ok((status, body)) => load.count("access", format!("{status} {body:.60}")),
            Err(error) => load.count("access", format!("error {error}")),
        }
    }
}

/// Each kind of refusal, now and then.
fn refusals(load: &Load) {
    let mut turn = 0_usize;
    while !load.is_over() {
        std::thread::sleep(Duration::from_millis(40));
        turn += 1;
        let old = load.old_keys.lock().expect("not poisoned").last().cloned().unwrap_or_default();
        let (key, more, path) = match turn % 6 {
            0 => (String::new(), "", "/api/amas/x"),
            1 => ("atk_0123456789_0123456789012345678901234567890123456789012345678".to_owned(), "", "/api/amas/x"),
            2 => (old, "", "/api/amas/x"),
            3 => (load.key(), "origin: http://evil.example\r\n", "/api/amas/x"),
            4 => (load.key(), "", "/api/amas/%2e%2e/admin"),
            _ => (load.key(), "no colon\r\n", "/api/amas/x"),
        };
        let refused = || {
            let mut stream = connect(load.port)?;
            let head = format!(
                "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\nconnection: close\r\n{more}\r\n"
            );
            stream.write_all(head.as_bytes())?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok::<_, anyhow::Error>(text.split(' ').nth(1).unwrap_or("error none").to_owned())
        };
        load.count("refusals", refused().unwrap_or_else(|error| format!("error {error}")));
    }
}

fn hang_ups(load: &Load) {
    while !load.is_over() {
        std::thread::sleep(Duration::from_millis(300));
        if let Ok(stream) = opened(load, "", "/api/amas/events") {
            std::thread::sleep(Duration::from_millis(100));
            drop(stream);
            load.count("hang-ups", "done");
        }
    }
}

fn new_keys(load: &Load, machine: &Installation) {
    while !load.is_over() {
        let until = Instant::now() + NEW_KEY_EVERY;
        while Instant::now() < until && !load.is_over() {
            std::thread::sleep(Duration::from_millis(100));
        }
        match machine.key() {
            Ok(key) => {
                let old = std::mem::replace(&mut *load.key.write().expect("not poisoned"), key);
                load.old_keys.lock().expect("not poisoned").push(old);
                load.count("keys", "made");
            }
            Err(error) => load.count("keys", format!("error {error}")),
        }
    }
}
