//! Callers that were not served: there was no place for them, or what they sent can't be read. They are
//! counted and logged like everybody else. A head that can't be read is answered by hyper itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use atthene_core::Core;
use atthene_core::activity::{Call, CallOutcome, Caller, Trouble};
use atthene_core::problem::ProblemCode;
use tokio::net::TcpStream;

use super::request_id::RequestId;
use crate::problem::Problem;

/// What nobody needs a key for must not fill the log: one line in this time, and how many more there were.
const LOG_EVERY: Duration = Duration::from_secs(1);
/// What the log keeps of a reason: it may quote what the caller sent.
const LONGEST_REASON: usize = 200;

/// Lines of the log about unreadable requests.
#[derive(Default)]
pub(crate) struct Unserved(Mutex<LogThrottle>);

#[derive(Default)]
struct LogThrottle {
    told_at: Option<Instant>,
    more: u64,
}

impl Unserved {
    /// A connection ended with an error: counted where it came from the head of a request.
    pub(crate) fn broke(&self, core: &Core, error: &hyper::Error) {
        if !error.is_parse() {
            return;
        }
        core.usage.record(refused(ProblemCode::UnreadableRequest, None));
        let mut throttle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if throttle.told_at.is_some_and(|at| at.elapsed() < LOG_EVERY) {
            throttle.more += 1;
            return;
        }
        let more = std::mem::take(&mut throttle.more);
        throttle.told_at = Some(Instant::now());
        let reason: String = error.to_string().chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect();
        tracing::info!(reason, more, "a request could not be read");
    }
}

/// All places are taken by calls under way: says so in bytes, without a place.
pub(crate) async fn refuse(stream: TcpStream, core: Arc<Core>, id: RequestId) {
    let problem = Problem::TooManyConnections;
    let (body, detail) = problem.body(id.as_str());
    let trouble = Trouble {
        request_id: id.as_str().into(),
        method: "-".into(),
        path: "-".into(),
        code: problem.code(),
        check: problem.check(),
        detail: detail.to_string(),
    };
    core.usage.record(refused(problem.code(), Some(Box::new(trouble))));
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n\
         retry-after: 1\r\nx-request-id: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        id.as_str(),
        body.len()
    );
    let answer = [head.as_bytes(), &body].concat();
    if stream.writable().await.is_ok() {
        let _ = stream.try_write(&answer);
        // What was not read would end the connection with a reset, which may overtake the answer.
        let _ = stream.try_read(&mut [0; 16 * 1024]);
    }
}

fn refused(reason: ProblemCode, trouble: Option<Box<Trouble>>) -> Call {
    Call {
        key: None,
        caller: Caller::default(),
        outcome: CallOutcome::Refused(reason),
        bytes_in: 0,
        bytes_out: 0,
        gateway_time: None,
        runtime_time: None,
        trouble,
    }
}
