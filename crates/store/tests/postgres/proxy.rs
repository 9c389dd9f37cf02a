//! What may stand between a host and its database: it passes everything on until it is told otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use atthene_test_support::databases;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mood {
    PassOn,
    /// Nothing comes through any more, and nobody is told.
    Stall,
    /// The next `COMMIT` arrives, but its answer does not: the connection breaks instead.
    SwallowConfirmation,
    /// The connection breaks before the next `COMMIT` arrives.
    SwallowCommit,
    /// Answers arrive, notifications don't.
    Deafen,
}

pub struct Proxy {
    pub url: String,
    mood: Arc<AtomicU8>,
    pub swallowed: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl Proxy {
    /// To this database.
    pub fn to(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("one");
        let server = databases::server().expect("a server");
        let address = server.rsplit(['@', '/']).next().expect("an address").to_owned();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let port = listener.local_addr().expect("a port").port();
        let (mood, swallowed) = (Arc::new(AtomicU8::new(Mood::PassOn as u8)), Arc::new(AtomicUsize::new(0)));
        let (its_mood, its_swallowed, to) = (mood.clone(), swallowed.clone(), address.clone());
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, to.clone(), its_mood.clone(), its_swallowed.clone()));
            }
        });
        Self { url: url.replace(&address, &format!("127.0.0.1:{port}")), mood, swallowed, _runtime: runtime }
    }

    pub fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
    }
}

async fn pass_on(mut client: TcpStream, to: String, mood: Arc<AtomicU8>, swallowed: Arc<AtomicUsize>) {
    let mut server = TcpStream::connect(to).await.expect("the server");
    let is = |one: Mood| mood.load(Ordering::SeqCst) == one as u8;
    let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(read @ 1..) = read else { return };
                let is_commit = asked[..read].windows(6).any(|part| part == b"COMMIT");
                let swallows = is_commit && (is(Mood::SwallowConfirmation) || is(Mood::SwallowCommit));
                if swallows && is(Mood::SwallowCommit) {
                    mood.store(Mood::PassOn as u8, Ordering::SeqCst);
                    swallowed.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                while is(Mood::Stall) {
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
                server.write_all(&asked[..read]).await.expect("passed on");
                if swallows {
                    mood.store(Mood::PassOn as u8, Ordering::SeqCst);
                    let _ = server.read(&mut answered).await;
                    swallowed.fetch_add(1, Ordering::SeqCst);
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(read @ 1..) = read else { return };
                while is(Mood::Stall) {
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
                let answer = if is(Mood::Deafen) { without_notifications(&answered[..read]) } else { answered[..read].to_vec() };
                if client.write_all(&answer).await.is_err() { return }
            }
        }
    }
}

/// What the server sent, without its notifications. On one machine messages arrive whole.
fn without_notifications(mut sent: &[u8]) -> Vec<u8> {
    let mut rest = Vec::new();
    while let [kind, a, b, c, d, ..] = *sent {
        let length = 1 + usize::try_from(u32::from_be_bytes([a, b, c, d])).expect("a length");
        let (message, after) = sent.split_at(length.min(sent.len()));
        if kind != b'A' {
            rest.extend_from_slice(message);
        }
        sent = after;
    }
    rest
}
