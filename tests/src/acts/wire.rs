//! One call of one connection, by hand: an odd path goes out as it is written, and a caller can hang up at any moment.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a call may go without an answer: a question waits for 45 s at most.
const PATIENCE: Duration = Duration::from_secs(75);

/// What became of a call.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Answered {
        status: u16,
        body: String,
    },
    /// The caller left.
    HungUp,
    /// The connection ended without an answer.
    Broken,
    /// Nobody listened.
    Unreachable,
    /// No answer came.
    Silent,
}

/// Calls, and leaves after `leaves` where it is given.
pub(super) async fn call(port: u16, head: &str, body: &str, leaves: Option<Duration>) -> Ending {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return Ending::Unreachable };
    let length = if body.is_empty() && !head.starts_with("POST") {
        String::new()
    } else {
        format!("content-length: {}\r\n", body.len())
    };
    let message = format!("{head}host: localhost\r\nconnection: close\r\n{length}\r\n{body}");
    let whole = async {
        stream.write_all(message.as_bytes()).await?;
        let mut answer = Vec::new();
        // What arrived before a reset is an answer, too.
        let _ = stream.read_to_end(&mut answer).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").context("no answer")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        anyhow::ensure!(length.is_none_or(|length: usize| body.len() >= length), "cut in the midst of the answer");
        Ok(Ending::Answered { status, body: body.to_owned() })
    };
    let ended: Result<Result<Ending>, _> = tokio::time::timeout(leaves.unwrap_or(PATIENCE), whole).await;
    match ended {
        Ok(ended) => ended.unwrap_or(Ending::Broken),
        Err(_) if leaves.is_some() => Ending::HungUp,
        Err(_) => Ending::Silent,
    }
}
