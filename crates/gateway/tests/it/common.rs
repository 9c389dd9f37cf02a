//! A running gateway on a free port, and HTTP written by hand, so that tests can also
//! write it wrongly.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use atthene_core::keys::{Expiry, KeyId, KeyText, NewKey};
use atthene_core::oversight::{GatewayState, Keeper};
use atthene_core::{Clock, Core, SecretChange, Settings, UnixMs};
use atthene_gateway::{Limits, Listening, Workers};
use atthene_service::Service;
use atthene_test_support::open;
pub use atthene_test_support::ports::free as free_port;
use atthene_vault::MemoryVault;
use serde_json::Value;

pub struct Running {
    pub core: Arc<Core>,
    pub service: Service,
    pub port: u16,
    now: Arc<AtomicI64>,
    dir: tempfile::TempDir,
}

/// With how many workers a gateway runs that a test says nothing of: all of them hold with several.
fn workers() -> Workers {
    let wanted = std::env::var("ATTHENE_TEST_WORKERS").ok();
    wanted.map_or_else(Workers::default, |number| Workers::new(number.parse().expect("a number")).expect("workers"))
}

impl Running {
    pub fn start() -> Self {
        Self::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Self {
        Self::on(tempfile::tempdir().expect("a folder"), limits)
    }

    /// Ends this one and starts another one on the same data.
    pub fn restart(self) -> Self {
        let Self { dir, service, core, .. } = self;
        service.stop();
        drop(core);
        Self::on(dir, Limits::default())
    }

    fn on(dir: tempfile::TempDir, limits: Limits) -> Self {
        Self::on_vault(dir, limits, MemoryVault::default())
    }

    pub fn folder(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub fn on_vault(dir: tempfile::TempDir, limits: Limits, vault: impl atthene_vault::SecretStore + 'static) -> Self {
        Self::listening(dir, limits, Listening::default().with_workers(workers()), vault)
    }

    /// With one worker, whatever the others have: what is tested is kept by each for itself.
    pub fn with_one_worker() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::listening(folder, Limits::default(), Listening::default(), MemoryVault::default())
    }

    /// One that listens as it is told.
    pub fn listening(
        dir: tempfile::TempDir,
        limits: Limits,
        listening: Listening,
        vault: impl atthene_vault::SecretStore + 'static,
    ) -> Self {
        let now = Arc::new(AtomicI64::new(Clock::system().now().0));
        let clock = {
            let now = now.clone();
            Clock::from_fn(move || UnixMs(now.load(Ordering::Relaxed)))
        };
        let core = open(dir.path(), clock, vault).expect("opens");
        let port = free_port();
        core.settings.save(Settings { gateway_port: port, ..Settings::default() }).expect("saves");
        let service = Service::start_on(core.clone(), limits, listening, Keeper::Window).expect("starts");
        let running = Self { core, service, port, now, dir };
        running.wait_for(|state| matches!(state, GatewayState::Listening { .. }));
        running
    }

    /// Lets nobody write to the database while the transaction is held.
    pub fn hold_database(&self) -> rusqlite::Connection {
        let file = self.dir.path().join(atthene_store::DATABASE_FILE);
        let db = rusqlite::Connection::open(file).expect("opens");
        db.execute_batch("BEGIN IMMEDIATE").expect("is not written just now");
        db
    }

    /// Where the database was, and where it is now.
    #[cfg(unix)]
    pub fn move_database_away(&self) -> (std::path::PathBuf, std::path::PathBuf) {
        let file = self.dir.path().join(atthene_store::DATABASE_FILE);
        let away = self.dir.path().join("away");
        std::fs::rename(&file, &away).expect("moved");
        (file, away)
    }

    pub fn wait_for(&self, wanted: impl Fn(&GatewayState) -> bool) -> GatewayState {
        eventually("the gateway's state", || Some(self.service.state()).filter(&wanted))
    }

    pub fn step_clock(&self, ms: i64) {
        self.now.fetch_add(ms, Ordering::Relaxed);
    }

    /// Creates a key in place of `before`.
    pub fn key(&self, before: Option<&KeyText>) -> KeyText {
        let replaces: Option<KeyId> = before.map(KeyText::id);
        let asked = NewKey { name: "test".into(), expiry: Expiry::Days { days: 30 }, replaces };
        self.core.keys.create(asked).expect("creates").1
    }

    pub fn set_runtime(&self, url: &str, credential: Option<&str>) {
        let new = Settings { runtime_url: Some(url.to_owned()), ..Settings::clone(&self.core.settings.current()) };
        let credential = credential.map_or(SecretChange::Keep, |text| SecretChange::Replace(text.into()));
        block_on(self.core.save_settings(new, credential)).expect("saves");
        // The gateway takes it over on its own thread.
        std::thread::sleep(Duration::from_millis(100));
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.port)
    }

    /// Sends `head` (without its end) and `body` on a new connection.
    pub fn send(&self, head: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let message =
            format!("{head}\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        // A refused caller may be cut off while it still writes.
        let _ = stream.write_all(message.as_bytes()).and_then(|()| stream.write_all(body));
        Answer::read(&mut stream)
    }

    /// Executes the built-in agent with an `Authorization` header of this value.
    pub fn execute(&self, authorization: &str) -> Answer {
        self.send(
            &format!("POST {EXECUTE} HTTP/1.1\r\nauthorization: {authorization}"),
            br#"{"agent_id":"atthene-status"}"#,
        )
    }

    /// How many calls were refused for this reason so far.
    pub fn refused(&self, reason: &str) -> u64 {
        let refusals = self.core.usage.last_day().expect("reads").refusals;
        refusals.iter().filter(|refusal| refusal.reason == reason).map(|refusal| refusal.caller.requests).sum()
    }

    pub fn execute_with(&self, key: &KeyText) -> Answer {
        self.execute(&format!("Bearer {}", key.expose()))
    }
}

pub const EXECUTE: &str = "/api/amas/conversations/execute";

pub fn connect(port: u16) -> TcpStream {
    connect_to("127.0.0.1", port).expect("connects")
}

/// A connection on which nothing waits for ever.
pub fn connect_to(address: &str, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((address, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    stream.set_write_timeout(Some(Duration::from_secs(10))).expect("set");
    Ok(stream)
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) {
        if let Some(found) = ask() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain for {what}");
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// Reads to the end of the connection. Status 0: it was closed without an answer.
    pub fn read(stream: &mut impl Read) -> Self {
        let mut bytes = Vec::new();
        // A reset after the answer is still an answer.
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}
