//! Callers at every gateway: one that asks again and again whether keys are live, those of now and of before, and one
//! that has an agent answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};

use super::hosts::{Fleet, FleetHost};
use super::judge::Call;
use crate::caller::{Caller, EXECUTE};

/// How long every gateway may take until it knows, before the callers give up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Out of so many questions, one is about a key of before, and so many of those are asked about in turn.
const OLD_EVERY: usize = 4;
const OLD_KEYS: usize = 3;
const BODY: &str = r#"{"agent_id":"atthene-status"}"#;

/// The pauses of the two callers of each gateway after each answer.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub ask: Duration,
    pub execute: Duration,
}

/// What a gateway said last of the newest key.
type LastSaid = Option<(usize, u16)>;

struct Shared {
    keys: RwLock<Vec<String>>,
    is_over: AtomicBool,
    said: Mutex<Vec<LastSaid>>,
    told: Condvar,
}

pub struct Callers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<Vec<Call>>>>,
}

/// Microseconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_micros()).expect("before the year 290,000")
}

impl Callers {
    /// Starts them. Until there is a key, they wait.
    pub fn start(fleet: &Fleet, pace: Pace) -> Self {
        let shared = Arc::new(Shared {
            keys: RwLock::default(),
            is_over: AtomicBool::new(false),
            said: Mutex::new(vec![None; fleet.hosts.len()]),
            told: Condvar::new(),
        });
        let mut threads = Vec::new();
        for (gateway, host) in fleet.hosts.iter().enumerate() {
            for (line, pause, asks) in
                [("GET /auth/verify".to_owned(), pace.ask, true), (format!("POST {EXECUTE}"), pace.execute, false)]
            {
                let caller = GatewayCaller { gateway, line, pause, asks, shared: shared.clone() };
                threads.push(caller.start(host));
            }
        }
        Self { shared, threads }
    }

    /// From now on this is the newest key; its number.
    pub fn add(&self, text: &str) -> usize {
        let mut keys = self.shared.keys.write().expect("not poisoned");
        keys.push(text.to_owned());
        keys.len() - 1
    }

    /// Waits until every gateway says this of the newest key.
    pub fn until_all_say(&self, key: usize, status: u16) -> Result<()> {
        let began = Instant::now();
        let mut said = self.shared.said.lock().expect("not poisoned");
        while !said.iter().all(|last| *last == Some((key, status))) {
            let left = PATIENCE.checked_sub(began.elapsed());
            let Some(left) = left.filter(|_| !self.threads.iter().any(JoinHandle::is_finished)) else {
                bail!("not every gateway said {status} to key {key}: {said:?}");
            };
            said = self.shared.told.wait_timeout(said, left.min(Duration::from_secs(1))).expect("not poisoned").0;
        }
        Ok(())
    }

    /// Ends them; every call that they made.
    pub fn end(self) -> Result<Vec<Call>> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let mut calls = Vec::new();
        for thread in self.threads {
            calls.extend(thread.join().map_err(|_| anyhow::anyhow!("a caller broke"))??);
        }
        Ok(calls)
    }
}

struct GatewayCaller {
    gateway: usize,
    line: String,
    pause: Duration,
    /// Whether it asks about keys of before, too, and tells what it hears.
    asks: bool,
    shared: Arc<Shared>,
}

impl GatewayCaller {
    fn start(self, host: &FleetHost) -> JoinHandle<Result<Vec<Call>>> {
        let (space, port) = (host.installation.space().cloned(), host.installation.port);
        std::thread::spawn(move || {
            if let Some(space) = space {
                space.enter().context("into the network of a host")?;
            }
            Ok(self.go_on(Caller::new(port)))
        })
    }

    fn go_on(&self, mut caller: Caller) -> Vec<Call> {
        let (mut calls, mut turn) = (Vec::new(), 0);
        while !self.shared.is_over.load(Ordering::Relaxed) {
            std::thread::sleep(self.pause);
            let Some((key, text, is_newest)) = self.pick(turn) else { continue };
            turn += 1;
            let began = now();
            let status =
                caller.call(&self.line, &text, if self.asks { "" } else { BODY }).map_or(0, |(status, _)| status);
            calls.push(Call { gateway: self.gateway, key, began, ended: now(), status });
            if self.asks && is_newest {
                self.tell(key, status);
            }
        }
        calls
    }

    fn pick(&self, turn: usize) -> Option<(usize, String, bool)> {
        let keys = self.shared.keys.read().expect("not poisoned");
        let newest = keys.len().checked_sub(1)?;
        let back = if self.asks && turn.is_multiple_of(OLD_EVERY) { 1 + turn / OLD_EVERY % OLD_KEYS } else { 0 };
        let key = newest.saturating_sub(back);
        Some((key, keys[key].clone(), key == newest))
    }

    fn tell(&self, key: usize, status: u16) {
        let mut said = self.shared.said.lock().expect("not poisoned");
        if said[self.gateway] != Some((key, status)) {
            said[self.gateway] = Some((key, status));
            self.shared.told.notify_all();
        }
    }
}
