//! Which program is at the other end of a loopback connection: a hint, not a proof.

#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(target_os = "linux")]
mod procfs;

#[cfg(not(target_os = "linux"))]
use other as platform;
#[cfg(target_os = "linux")]
use procfs as platform;

use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use atthene_core::limits::LONGEST_USER_AGENT;
use axum::Router;
use http::HeaderValue;
use tokio::sync::Notify;

use crate::open::Link;
use crate::patience::Patience;
use crate::server::Shared;

/// How long the first answer on a connection may be held back for the look-up: a short-lived
/// program is gone, and its name with it, once it has its answer.
const HOLD: Duration = Duration::from_millis(25);

/// The two ends of a connection, the caller's first.
pub(crate) type Ends = (SocketAddr, SocketAddr);

/// One accepted connection, and what its calls are served with.
pub(crate) struct Connection {
    ends: Ends,
    pub(crate) shared: Arc<Shared>,
    pub(crate) router: Router,
    asked: AtomicBool,
    /// Its name once it was looked up; empty where that could not be told.
    program: OnceLock<Arc<str>>,
    looked_up: Notify,
    pub(crate) link: Arc<Link>,
    pub(crate) patience: Patience,
    /// What the latest call said of itself: the calls of a connection say the same.
    user_agent: Mutex<(Option<HeaderValue>, Arc<str>)>,
}

impl Connection {
    pub(crate) fn new(ends: Ends, link: Arc<Link>, shared: Arc<Shared>, router: Router) -> Self {
        Self {
            ends,
            link,
            shared,
            router,
            asked: AtomicBool::new(false),
            program: OnceLock::new(),
            looked_up: Notify::new(),
            patience: Patience::default(),
            user_agent: Mutex::new((None, "".into())),
        }
    }

    /// The port that it came to.
    pub(crate) fn local_port(&self) -> u16 {
        self.ends.1.port()
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
        if first && !self.shared.look_ups.ask(self.clone()) {
            self.found("".into());
        }
    }

    fn found(&self, program: Arc<str>) {
        self.program.get_or_init(|| program);
        self.looked_up.notify_waiters();
    }

    /// Waits a moment for a look-up that is under way.
    pub(crate) async fn settle(&self) {
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
pub(crate) struct LookUps(SyncSender<Arc<Connection>>);

/// Connections that may wait; beyond these, callers are counted by their user agent.
const MOST_WAITING: usize = 256;

impl LookUps {
    pub(crate) fn start() -> std::io::Result<Self> {
        let (ask, asked) = sync_channel(MOST_WAITING);
        std::thread::Builder::new().name("callers".into()).spawn(move || Self::run(&asked))?;
        Ok(Self(ask))
    }

    fn ask(&self, connection: Arc<Connection>) -> bool {
        self.0.try_send(connection).is_ok()
    }

    fn run(asked: &Receiver<Arc<Connection>>) {
        let mut programs = platform::Programs::default();
        while let Ok(first) = asked.recv() {
            let waiting: Vec<Arc<Connection>> = std::iter::once(first).chain(asked.try_iter()).collect();
            let started = Instant::now();
            let ends: Vec<Ends> = waiting.iter().map(|connection| connection.ends).collect();
            for (connection, name) in waiting.iter().zip(programs.of(&ends)) {
                connection.found(name.unwrap_or_default().into());
            }
            // A flood of connections must not turn into a flood of these: half the time at most.
            std::thread::sleep(started.elapsed());
        }
    }
}

/// Who listens on a port, where it can be told.
pub(crate) fn listener_on(port: u16) -> Option<String> {
    platform::listener_on(port)
}

/// A short name for a process: its program and, for an interpreter, the script it runs.
/// Nothing else of a command line is ever looked at: arguments hold secrets.
fn describe(arguments: &[String]) -> Option<String> {
    let file_name = |path: &str| Path::new(path).file_name().and_then(|name| name.to_str()).map(clean);
    let program = file_name(arguments.first()?)?;
    let runs_scripts =
        ["node", "deno", "bun", "python", "ruby", "perl", "php", "bash", "sh", "pwsh"].iter().any(|name| {
            program
                .strip_prefix(name)
                .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.') || rest == ".exe")
        });
    let script = arguments
        .get(1)
        .filter(|argument| runs_scripts && !argument.starts_with('-') && Path::new(argument).extension().is_some())
        .and_then(|argument| file_name(argument));
    Some(match script {
        Some(script) => format!("{program} {script}"),
        None => program,
    })
}

const LONGEST_NAME: usize = 60;

fn clean(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_named_with_its_script_and_nothing_else() {
        let named = |line: &[&str]| describe(&line.iter().map(|&part| part.to_owned()).collect::<Vec<_>>());
        assert_eq!(
            named(&["/usr/bin/node", "/srv/app/server.js", "--token=s3cret"]).as_deref(),
            Some("node server.js")
        );
        assert_eq!(named(&["python3.11", "agent.py"]).as_deref(), Some("python3.11 agent.py"));
        assert_eq!(named(&["curl", "-H", "Authorization: Bearer x"]).as_deref(), Some("curl"));
        assert_eq!(named(&["/usr/bin/python3", "-c", "print('x.y')"]).as_deref(), Some("python3"));
        assert_eq!(named(&["bash", "s3cret"]).as_deref(), Some("bash"));
        assert_eq!(named(&["noderig", "a.js"]).as_deref(), Some("noderig"));
        assert_eq!(named(&[]), None);
    }
}
