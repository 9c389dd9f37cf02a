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
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// How long the first answer on a connection may be held back for the look-up: a short-lived
/// program is gone, and its name with it, once it has its answer.
const HOLD: Duration = Duration::from_millis(25);

/// One accepted connection.
pub(crate) struct Connection {
    peer: SocketAddr,
    local: SocketAddr,
    budget: Arc<Budget>,
    program: watch::Sender<LookUp>,
}

enum LookUp {
    NotAsked,
    UnderWay,
    Done(Arc<str>),
}

impl Connection {
    pub(crate) fn new(peer: SocketAddr, local: SocketAddr, budget: Arc<Budget>) -> Self {
        Self { peer, local, budget, program: watch::Sender::new(LookUp::NotAsked) }
    }

    /// Starts the look-up, once in the life of the connection.
    pub(crate) fn look_up(self: &Arc<Self>) {
        let started = self.program.send_if_modified(|program| {
            let start = matches!(program, LookUp::NotAsked) && self.budget.take();
            if start {
                *program = LookUp::UnderWay;
            }
            start
        });
        if !started {
            return;
        }
        let connection = self.clone();
        tokio::task::spawn_blocking(move || {
            let name = platform::program_of(connection.peer, connection.local).unwrap_or_default();
            connection.program.send_replace(LookUp::Done(name.into()));
        });
    }

    /// Waits a moment for a look-up that is under way.
    pub(crate) async fn settle(&self) {
        if !matches!(*self.program.borrow(), LookUp::UnderWay) {
            return;
        }
        let mut program = self.program.subscribe();
        let done = program.wait_for(|program| matches!(program, LookUp::Done(_)));
        // Past the hold the call is counted under its user agent alone.
        let _ = tokio::time::timeout(HOLD, done).await;
    }

    /// The program as far as it is known by now; empty where it is not.
    pub(crate) fn program(&self) -> Arc<str> {
        match &*self.program.borrow() {
            LookUp::Done(name) => name.clone(),
            LookUp::NotAsked | LookUp::UnderWay => "".into(),
        }
    }
}

/// A look-up reads the process table; a flood of new connections must not turn into a
/// flood of these.
pub(crate) struct Budget(Mutex<(u32, Instant)>);

const LOOK_UPS_A_SECOND: u32 = 40;

impl Budget {
    pub(crate) fn new() -> Self {
        Self(Mutex::new((LOOK_UPS_A_SECOND, Instant::now())))
    }

    fn take(&self) -> bool {
        let mut budget = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if budget.1.elapsed() >= Duration::from_secs(1) {
            *budget = (LOOK_UPS_A_SECOND, Instant::now());
        }
        let left = budget.0.checked_sub(1);
        budget.0 = left.unwrap_or(0);
        left.is_some()
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

    #[test]
    fn look_ups_are_limited_per_second() {
        let budget = Budget::new();
        assert_eq!((0..1000).filter(|_| budget.take()).count(), LOOK_UPS_A_SECOND as usize);
    }
}
