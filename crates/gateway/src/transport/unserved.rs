//! Callers that were not served: there was no place for them, or what they sent can't be read. They are
//! counted, logged and explained like everybody else.

use std::sync::Arc;
use std::time::Duration;

use atthene_core::Core;
use atthene_core::activity::{Call, CallOutcome, Caller, Trouble};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::log_throttle::LogThrottle;
use super::request_id::RequestId;
use super::tls::{self, Beginning};
use crate::problem::{Problem, UnreadableHead};

/// Refused callers whose connection is kept until they have read why.
const MOST_WAITING: usize = 32;
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// What the log keeps of a reason: it may quote what the caller sent.
const LONGEST_REASON: usize = 200;

/// So few wait that there are files for them.
static WAITING: Semaphore = Semaphore::const_new(MOST_WAITING);

/// Lines of the log about unreadable requests.
#[derive(Default)]
pub(crate) struct Unserved(LogThrottle);

impl Unserved {
    /// A connection ended with an error: logged where it came from the head of a request.
    pub(crate) fn broke(&self, error: &hyper::Error) {
        if !error.is_parse() {
            return;
        }
        let Some(more) = self.0.due() else { return };
        let reason: String = error.to_string().chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect();
        tracing::info!(reason, more, "a request could not be read");
    }
}

/// The answer to a head that can't be read, for which this status was found.
pub(crate) fn answer_unreadable(core: &Core, status: u16, id: &RequestId) -> Vec<u8> {
    answer(core, &Problem::Unreadable(UnreadableHead::of(status)), id)
}

/// All places are taken by calls under way: says so in bytes, without a place.
pub(crate) async fn refuse(stream: TcpStream, acceptor: Option<TlsAcceptor>, core: Arc<Core>, id: RequestId) {
    let problem = Problem::TooManyConnections;
    let Some(acceptor) = acceptor else { return say(stream, &answer(&core, &problem, &id)).await };
    let answer = answer(&core, &problem, &id);
    // So few at a time are told: a handshake costs more than the answer.
    let Ok(_waits) = WAITING.try_acquire() else { return };
    let said = async {
        if let Beginning::Encrypted(mut stream) = tls::begin(acceptor, stream).await {
            let _ = say_all(&mut *stream, &answer).await;
        }
    };
    let _ = tokio::time::timeout(LONGEST_WAIT, said).await;
}

/// Who came in plain HTTP to where TLS is spoken can read this, and nothing else.
pub(crate) async fn refuse_plain(stream: TcpStream, core: &Core, id: &RequestId) {
    say(stream, &answer(core, &Problem::Unreadable(UnreadableHead::Plain), id)).await;
}

async fn say(mut stream: TcpStream, answer: &[u8]) {
    if stream.writable().await.is_err() || stream.try_write(answer).is_err() {
        return;
    }
    // What is not read would end the connection with a reset, which may overtake the answer.
    let Ok(_waits) = WAITING.try_acquire() else { return };
    let _ = tokio::time::timeout(LONGEST_WAIT, say_all(&mut stream, b"")).await;
}

/// Writes it and reads what still comes.
async fn say_all(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), answer: &[u8]) -> std::io::Result<()> {
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    while stream.read(&mut [0; 4096]).await? > 0 {}
    Ok(())
}

/// A problem as bytes, the last ones of its connection; counted, and kept to be explained.
fn answer(core: &Core, problem: &Problem, id: &RequestId) -> Vec<u8> {
    let (body, detail) = problem.body(id.as_str());
    let trouble = Trouble {
        request_id: id.as_str().into(),
        method: "-".into(),
        path: "-".into(),
        code: problem.code(),
        check: problem.check(),
        detail: detail.to_string(),
    };
    core.usage.record(Call {
        key: None,
        caller: Caller::default(),
        outcome: CallOutcome::Refused(problem.code()),
        bytes_in: 0,
        bytes_out: 0,
        gateway_time: None,
        runtime_time: None,
        trouble: Some(Box::new(trouble)),
    });
    let retry_after = problem.retry_after().map_or(String::new(), |seconds| format!("retry-after: {seconds}\r\n"));
    let head = format!(
        "HTTP/1.1 {}\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n{retry_after}\
         x-request-id: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        problem.status(),
        id.as_str(),
        body.len()
    );
    [head.as_bytes(), &body].concat()
}
