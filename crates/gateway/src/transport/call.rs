//! Measures one call from its head to the last byte of its answer, then counts it.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use atthene_core::activity::{Call, CallOutcome, Caller, Trouble};
use atthene_core::keys::KeyId;
use atthene_core::limits::LONGEST_PATH;
use axum::body::Body;
use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body::{Frame, SizeHint};
use http_body_util::Either;
use hyper::body::Incoming;
use tower::BoxError;

use super::caller_connection::CallerConnection;
use super::request_id::RequestId;
use crate::problem::ProblemTag;

/// What is known of a call so far. Cheap to clone: handlers and bodies write into one.
#[derive(Clone)]
pub(crate) struct CallContext(Arc<Reading>);

struct Reading {
    connection: Arc<CallerConnection>,
    user_agent: Arc<str>,
    request_id: RequestId,
    started: Instant,
    counted: AtomicBool,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    /// When a part of the body was last sent on, in milliseconds since the start.
    part_sent_ms: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    key: Option<KeyId>,
    runtime_time: Option<Duration>,
    gateway_time: Option<Duration>,
    /// The times are no measure of the gateway and the agent runtime.
    untimed: bool,
    outcome: Option<CallOutcome>,
    /// Apart, since nearly no call has one.
    trouble: Option<Box<Trouble>>,
    /// Held while the call is open, so that it counts as one.
    open: Option<Arc<()>>,
}

fn trouble(head: &Parts, request_id: &RequestId, told: &ProblemTag) -> Trouble {
    let path = head.uri.path();
    // Whoever puts a key into the path must not find it in a list later.
    let path = if path.contains("atk_") { "(hidden: it holds a key)" } else { path };
    Trouble {
        request_id: request_id.as_str().into(),
        method: head.method.to_string(),
        path: path.chars().take(LONGEST_PATH).collect(),
        code: told.code,
        check: told.check,
        detail: told.detail.to_string(),
    }
}

impl CallContext {
    pub(crate) fn start(
        connection: Arc<CallerConnection>,
        user_agent: Arc<str>,
        number: u64,
        request_id: RequestId,
    ) -> Self {
        connection.slot.call_began(number);
        Self(Arc::new(Reading {
            connection,
            user_agent,
            request_id,
            started: Instant::now(),
            counted: AtomicBool::new(true),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            part_sent_ms: AtomicU64::new(0),
            state: Mutex::default(),
        }))
    }

    /// What the call is named.
    pub(crate) fn request_id(&self) -> &RequestId {
        &self.0.request_id
    }

    /// What the call came on.
    pub(crate) fn connection(&self) -> &CallerConnection {
        &self.0.connection
    }

    /// The caller proved to hold this key, live or ended. With `open` it is let in: the call is open
    /// until its answer has left.
    pub(crate) fn set_key(&self, key: KeyId, open: Option<Arc<()>>) {
        self.0.connection.look_up();
        if open.is_some() {
            self.0.connection.slot.trust();
        }
        let mut state = self.state();
        state.key = Some(key);
        state.open = open;
    }

    /// How long the agent runtime took until its head arrived.
    pub(crate) fn set_runtime_time(&self, time: Duration) {
        self.state().runtime_time = Some(time);
    }

    /// How long this call takes says nothing of the gateway or the agent runtime.
    pub(crate) fn leave_times_out(&self) {
        self.state().untimed = true;
    }

    /// This call is no use of the key (liveness, the API's description).
    pub(crate) fn leave_out(&self) {
        self.0.counted.store(false, Ordering::Relaxed);
    }

    /// The calling program, once it is known; its user agent where it stays unknown.
    pub(crate) async fn program(&self) -> String {
        self.0.connection.name_known().await;
        Caller { program: self.0.connection.program(), user_agent: self.0.user_agent.clone() }.label().to_owned()
    }

    pub(crate) fn add_bytes_in(&self, bytes: usize) {
        self.0.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_bytes_out(&self, bytes: usize) {
        self.0.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A part of the body is on its way: whoever is called has not been silent until now.
    pub(crate) fn part_sent(&self) {
        let ms = u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.part_sent_ms.store(ms, Ordering::Relaxed);
    }

    /// When a part of the body was last sent on; the start of the call where none was.
    pub(crate) fn last_part_sent(&self) -> Instant {
        self.0.started + Duration::from_millis(self.0.part_sent_ms.load(Ordering::Relaxed))
    }

    /// The answer's head is ready: measures the rest as it is sent, and counts at its end.
    pub(crate) fn finish(self, head: &Parts, response: Response<Outbound>) -> Response<Measured> {
        let told = response.extensions().get::<ProblemTag>();
        {
            let mut state = self.state();
            state.gateway_time = Some(self.0.started.elapsed().saturating_sub(state.runtime_time.unwrap_or_default()));
            state.outcome = Some(match told {
                None => CallOutcome::Answered,
                Some(ProblemTag { code, .. }) if code.is_refusal() => CallOutcome::Refused(*code),
                Some(_) => CallOutcome::Failed,
            });
            state.trouble = told.map(|told| Box::new(trouble(head, &self.0.request_id, told)));
        }
        response.map(|body| Measured { body, call: self })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last clone is gone: the answer was sent whole, or the caller hung up.
impl Drop for Reading {
    fn drop(&mut self) {
        self.connection.slot.call_ended();
        if !*self.counted.get_mut() {
            return;
        }
        let state = std::mem::take(self.state.get_mut().unwrap_or_else(PoisonError::into_inner));
        self.connection.core.usage.record(Call {
            key: state.key,
            caller: Caller { program: self.connection.program(), user_agent: self.user_agent.clone() },
            // No outcome: the caller hung up before there was an answer.
            outcome: state.outcome.unwrap_or(CallOutcome::Failed),
            bytes_in: *self.bytes_in.get_mut(),
            bytes_out: *self.bytes_out.get_mut(),
            gateway_time: state.gateway_time.or_else(|| Some(self.started.elapsed())).filter(|_| !state.untimed),
            runtime_time: state.runtime_time.filter(|_| !state.untimed),
            trouble: state.trouble,
        });
    }
}

/// The body of an answer: the agent runtime's as it arrives, or the gateway's own.
pub(crate) type Outbound = Either<Incoming, Body>;

/// A body whose bytes are counted on their way out.
pub(crate) struct Measured {
    body: Outbound,
    call: CallContext,
}

impl http_body::Body for Measured {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.call.add_bytes_out(data.len());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
