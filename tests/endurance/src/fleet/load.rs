//! Calls in numbers, on connections that are kept, by one thread.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use atthene_test_support::caller::EXECUTE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BODY: &str = r#"{"agent_id":"echo","input":"hello"}"#;

#[derive(Clone, Copy)]
pub(super) struct Load<'a> {
    pub(super) ports: &'a [u16],
    pub(super) key: &'a str,
    /// How many in all, an equal number to each port.
    pub(super) connections: usize,
    pub(super) span: Duration,
    /// What each connection waits after an answer.
    pub(super) pause: Option<Duration>,
}

pub(super) struct Loaded {
    pub(super) calls: f64,
    pub(super) per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
}

impl Load<'_> {
    pub(super) fn go(&self) -> Result<Loaded> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let began = Instant::now();
        let until = began + self.span;
        let mut took = runtime.block_on(async {
            let callers: Vec<_> = (0..self.connections)
                .map(|number| {
                    let (port, key) = (self.ports[number % self.ports.len()], self.key.to_owned());
                    tokio::spawn(call(port, key, until, self.pause))
                })
                .collect();
            let mut all = Vec::new();
            for caller in callers {
                all.extend(caller.await??);
            }
            Ok::<_, anyhow::Error>(all)
        })?;
        took.sort_unstable();
        let at = |share: usize| took.get(took.len() * share / 100).map_or(0.0, Duration::as_secs_f64) * 1e6;
        let calls = f64::from(u32::try_from(took.len())?);
        Ok(Loaded { calls, per_second: calls / began.elapsed().as_secs_f64(), p50_us: at(50), p99_us: at(99) })
    }
}

async fn call(port: u16, key: String, until: Instant, pause: Option<Duration>) -> Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let request = format!(
        "POST {EXECUTE} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let (mut took, mut answer) = (Vec::new(), Vec::with_capacity(4096));
    while Instant::now() < until {
        let began = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        answer.clear();
        while !is_whole(&answer)? {
            ensure!(stream.read_buf(&mut answer).await? > 0, "the gateway hung up");
        }
        ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        took.push(began.elapsed());
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(took)
}

fn is_whole(answer: &[u8]) -> Result<bool> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(false) };
    let head = std::str::from_utf8(&answer[..end])?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>())
    });
    Ok(answer.len() >= end + 4 + length.context("no length")??)
}
