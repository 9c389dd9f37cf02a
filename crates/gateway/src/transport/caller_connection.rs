//! One accepted connection, and the look-up of the program that called on it.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use atthene_core::Core;
use atthene_core::limits::LONGEST_USER_AGENT;
use http::HeaderValue;
use tokio::sync::Notify;

use super::connections::SlotState;
use super::head_deadline::HeadDeadline;
use crate::caller::{Ends, Programs};

/// How long the first answer on a connection may be held back for the look-up: a short-lived
/// program is gone, and its name with it, once it has its answer.
const HOLD: Duration = Duration::from_millis(25);

/// How a connection came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    ends: Ends,
    is_encrypted: bool,
    /// The worker that serves it.
    worker: usize,
}

impl Arrival {
    /// Of a connection with these ends, which worker `worker` accepted. One socket may listen for both versions
    /// of IP: an address of version 4 is told as what it is.
    pub(crate) fn new((peer, local): Ends, worker: usize) -> Self {
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        Self { ends: (canonical(peer), canonical(local)), is_encrypted: false, worker }
    }

    /// The same over TLS.
    pub(crate) fn encrypted(self) -> Self {
        Self { is_encrypted: true, ..self }
    }

    /// Whether it came to loopback, so that nobody else's machine is in between.
    pub(crate) fn is_local(&self) -> bool {
        self.ends.1.ip().is_loopback()
    }
}

/// One accepted connection: who is at its other end, and how its calls go.
pub(crate) struct CallerConnection {
    arrival: Arrival,
    /// Counts its calls.
    pub(crate) core: Arc<Core>,
    look_ups: LookUps,
    asked: AtomicBool,
    /// Its name once it was looked up; empty where that could not be told.
    program: OnceLock<Arc<str>>,
    looked_up: Notify,
    pub(crate) slot: Arc<SlotState>,
    pub(crate) head_deadline: HeadDeadline,
    /// What the latest call said of itself: the calls of a connection say the same.
    user_agent: Mutex<(Option<HeaderValue>, Arc<str>)>,
}

impl CallerConnection {
    pub(crate) fn new(arrival: Arrival, slot: Arc<SlotState>, core: Arc<Core>, look_ups: LookUps) -> Self {
        Self {
            arrival,
            slot,
            core,
            look_ups,
            asked: AtomicBool::new(false),
            program: OnceLock::new(),
            looked_up: Notify::new(),
            head_deadline: HeadDeadline::default(),
            user_agent: Mutex::new((None, "".into())),
        }
    }

    /// The port of loopback that it came to; `None`: it came to another address.
    pub(crate) fn local_port(&self) -> Option<u16> {
        self.arrival.is_local().then_some(self.arrival.ends.1.port())
    }

    /// Whether what is on it can be read by nobody in between.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.arrival.is_encrypted
    }

    /// The worker that serves it.
    pub(crate) fn worker(&self) -> usize {
        self.arrival.worker
    }

    /// The user agent as it is counted.
    pub(crate) fn user_agent(&self, header: Option<&HeaderValue>) -> Arc<str> {
        let mut latest = self.user_agent.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.0.as_ref() != header {
            let text = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
            *latest = (header.cloned(), text.chars().take(LONGEST_USER_AGENT).collect::<String>().into());
        }
        latest.1.clone()
    }

    /// Starts the look-up, once in the life of the connection.
    pub(crate) fn look_up(self: &Arc<Self>) {
        let first = !self.asked.load(Ordering::Relaxed) && !self.asked.swap(true, Ordering::Relaxed);
        if !first {
            return;
        }
        if !self.arrival.ends.0.ip().is_loopback() {
            // No process of this machine holds the other end. Whoever does not say who it is, is known by its address.
            let says_who = !self.user_agent.lock().unwrap_or_else(PoisonError::into_inner).1.is_empty();
            let address = self.arrival.ends.0.ip();
            self.found(if says_who { "".into() } else { address.to_string().into() });
        } else if !self.look_ups.ask(self.clone()) {
            self.found("".into());
        }
    }

    fn found(&self, program: Arc<str>) {
        self.program.get_or_init(|| program);
        self.looked_up.notify_waiters();
    }

    /// Waits a moment for a look-up that is under way.
    pub(crate) async fn name_known(&self) {
        if !self.asked.load(Ordering::Relaxed) || self.program.get().is_some() {
            return;
        }
        let mut looked_up = pin!(self.looked_up.notified());
        looked_up.as_mut().enable();
        if self.program.get().is_none() {
            // Past the hold the call is counted under its user agent alone.
            let _ = tokio::time::timeout(HOLD, looked_up).await;
        }
    }

    /// The program as far as it is known by now; empty where it is not.
    pub(crate) fn program(&self) -> Arc<str> {
        self.program.get().cloned().unwrap_or_default()
    }
}

/// The thread that reads the process table: once for all connections that wait.
#[derive(Clone)]
pub(crate) struct LookUps(SyncSender<Arc<CallerConnection>>);

/// Connections that may wait; beyond these, callers are counted by their user agent.
const MOST_WAITING: usize = 256;

impl LookUps {
    pub(crate) fn start() -> std::io::Result<Self> {
        let (ask, asked) = sync_channel(MOST_WAITING);
        std::thread::Builder::new().name("callers".into()).spawn(move || Self::run(&asked))?;
        Ok(Self(ask))
    }

    fn ask(&self, connection: Arc<CallerConnection>) -> bool {
        self.0.try_send(connection).is_ok()
    }

    fn run(asked: &Receiver<Arc<CallerConnection>>) {
        let mut programs = Programs::default();
        while let Ok(first) = asked.recv() {
            let waiting: Vec<Arc<CallerConnection>> = std::iter::once(first).chain(asked.try_iter()).collect();
            let started = Instant::now();
            let ends: Vec<Ends> = waiting.iter().map(|connection| connection.arrival.ends).collect();
            for (connection, name) in waiting.iter().zip(programs.of(&ends)) {
                connection.found(name.unwrap_or_default().into());
            }
            // A flood of connections must not turn into a flood of these: half the time at most.
            std::thread::sleep(started.elapsed());
        }
    }
}
