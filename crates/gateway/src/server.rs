//! Accepts connections, guards every call and sees it to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use atthene_core::Core;
use axum::Router;
use axum::body::Body;
use futures_util::FutureExt;
use http::request::Parts;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tower::ServiceExt;

use crate::caller::{Connection, LookUps};
use crate::forward::{self, Forwarder, Inbound, REQUEST_ID, Runtime};
use crate::guard;
use crate::limits::Limits;
use crate::meter::{Measured, Meter, Outbound};
use crate::open::Open;
use crate::problem::{Problem, Untold};
use crate::routes;
use crate::unserved::{self, Unserved};

/// What calls are served with; replaced whole when settings change.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) largest_body: u64,
    /// `None`: no runtime is set. An error: it is set but can't be used now.
    pub(crate) runtime: Option<Result<Runtime, Problem>>,
}

/// What every call shares.
pub(crate) struct Shared {
    pub(crate) core: Arc<Core>,
    forwarder: OnceLock<Forwarder>,
    /// What `/openapi.json` answers.
    description: OnceLock<String>,
    pub(crate) limits: Limits,
    config: RwLock<Arc<Config>>,
    pub(crate) look_ups: LookUps,
    /// Eight digits that tell one run of the gateway from another.
    run_id: String,
    calls: AtomicU64,
    stopped: AtomicBool,
    runtime_trouble: AtomicBool,
    unserved: Unserved,
    /// Cuts every connection each time that it changes.
    cut: watch::Sender<()>,
    /// Calls to agents and connections that are open now.
    open_calls: Arc<()>,
}

impl Shared {
    pub(crate) fn new(core: Arc<Core>, config: Config, limits: Limits) -> std::io::Result<Self> {
        Ok(Self {
            core,
            forwarder: OnceLock::new(),
            description: OnceLock::new(),
            limits,
            config: RwLock::new(Arc::new(config)),
            look_ups: LookUps::start()?,
            run_id: format!(
                "{:08x}",
                std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0) & 0xffff_ffff
            ),
            calls: AtomicU64::new(1),
            stopped: AtomicBool::new(false),
            runtime_trouble: AtomicBool::new(false),
            unserved: Unserved::default(),
            cut: watch::Sender::new(()),
            open_calls: Arc::default(),
        })
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Made by the first call that needs it: reading the system's certificates takes time and
    /// memory that an app without a runtime does not owe.
    pub(crate) fn forwarder(&self) -> Result<&Forwarder, Problem> {
        if let Some(forwarder) = self.forwarder.get() {
            return Ok(forwarder);
        }
        let made =
            Forwarder::new(self.limits).map_err(|error| Problem::RuntimeUnreachable(error.to_string().into()))?;
        Ok(self.forwarder.get_or_init(|| made))
    }

    /// Keeps the description of the API, which is made with the routes.
    pub(crate) fn describe(&self, description: String) {
        self.description.get_or_init(|| description);
    }

    pub(crate) fn description(&self) -> &str {
        self.description.get().map_or("", String::as_str)
    }

    /// Lets go of connections that nobody uses.
    pub(crate) fn tidy(&self) {
        if let Some(forwarder) = self.forwarder.get() {
            forwarder.tidy();
        }
    }

    /// Sends a call on to the agent runtime, and remembers whether that could be reached.
    pub(crate) async fn forward(
        &self,
        runtime: &Runtime,
        head: &mut Parts,
        body: Inbound,
        largest_body: u64,
        meter: &Meter,
    ) -> Result<Response<Incoming>, Problem> {
        let answer = self.forwarder()?.forward(runtime, head, body, largest_body, meter).await;
        match &answer {
            Ok(_) if self.runtime_trouble.swap(false, Ordering::Relaxed) => self.core.signals.runtime_seen(Ok(())),
            Err(Problem::RuntimeUnreachable(reason)) => {
                self.runtime_trouble.store(true, Ordering::Relaxed);
                self.core.signals.runtime_seen(Err(reason.to_string()));
            }
            _ => {}
        }
        answer
    }

    pub(crate) fn set_config(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// Counts the call as open for as long as what this returns is held.
    pub(crate) fn open_call(&self) -> Arc<()> {
        self.open_calls.clone()
    }

    /// Whether an administrator has stopped everything.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Refuses all calls from now on and cuts those that are open; tells how many those were.
    pub(crate) fn stop_everything(&self) -> usize {
        self.stopped.store(true, Ordering::Release);
        let open = Arc::strong_count(&self.open_calls) - 1;
        self.cut.send_replace(());
        open
    }

    /// Lets calls in again.
    pub(crate) fn resume(&self) {
        self.stopped.store(false, Ordering::Release);
    }

    /// The number of the next call.
    fn number_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn next_request_id(&self) -> RequestId {
        self.request_id(self.number_call())
    }

    pub(crate) fn request_id(&self, call: u64) -> RequestId {
        RequestId::new(&self.run_id, call)
    }
}

/// Names one call in the gateway's records. Kept as the header that tells it, twice a call.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(HeaderValue);

/// The digits of the run, a dash and the longest number, in bytes.
const LONGEST_ID: usize = 8 + 1 + 20;

impl RequestId {
    fn new(run: &str, call: u64) -> Self {
        // From its end, and not through a formatter: every call gets one.
        let mut text = [b'-'; LONGEST_ID];
        let mut at = LONGEST_ID;
        let mut left = call;
        loop {
            at -= 1;
            text[at] = b"0123456789"[(left % 10) as usize];
            left /= 10;
            if left == 0 {
                break;
            }
        }
        let dash = at - 1;
        let start = dash - run.len();
        text[start..dash].copy_from_slice(run.as_bytes());
        Self(HeaderValue::from_bytes(&text[start..]).unwrap_or_else(|_| HeaderValue::from(call)))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// Serves until `stop` turns true, then lets open calls go on for a moment.
pub(crate) async fn serve(
    listeners: Vec<TcpListener>,
    shared: Arc<Shared>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let limits = shared.limits;
    let open = Open::new(limits.connections);
    let mut looks = tokio::time::interval(limits.head_time / 2);
    // Looks that were missed do not follow each other at once: each stands for its time.
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut cut = shared.cut.subscribe();
    let mut builder = http1::Builder::new();
    // Heads that never end are found by the looks.
    builder.header_read_timeout(None).max_buf_size(limits.head_bytes);
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            // Everything was stopped.
            _ = cut.changed() => {
                open.cut();
                continue;
            }
            _ = looks.tick() => {
                open.look();
                continue;
            }
            accepted = accept(&listeners) => accepted,
        };
        let Some(place) = open.admit(shared.calls.load(Ordering::Relaxed)) else {
            tokio::spawn(unserved::refuse(stream, shared.clone()));
            continue;
        };
        let Ok(local) = stream.local_addr() else { continue };
        // Answers leave at once; without this, small ones wait for the caller's ACK.
        let _ = stream.set_nodelay(true);
        let connection = Arc::new(Connection::new((peer, local), place.link(), shared.clone(), router.clone()));
        let service = service_fn(move |request| handle(request, connection.clone()));
        let served = place.hold(builder.serve_connection(TokioIo::new(stream), service));
        let shared = shared.clone();
        tokio::spawn(async move {
            if let Err(error) = served.await {
                shared.unserved.broke(&shared.core, &error);
            }
        });
    }
    drop(listeners);
    let rest = tokio::spawn(async move {
        let mut finished = pin!(open.finish());
        loop {
            tokio::select! {
                () = finished.as_mut() => break,
                Ok(()) = cut.changed() => open.cut(),
                _ = looks.tick() => open.look(),
            }
        }
    });
    // Past the drain, what is left goes on for as long as the gateway does, as on another port.
    let _ = tokio::time::timeout(limits.drain, rest).await;
}

async fn accept(listeners: &[TcpListener]) -> (TcpStream, SocketAddr) {
    loop {
        let next = futures_util::future::select_all(listeners.iter().map(|listener| listener.accept().boxed()));
        match next.await.0 {
            Ok(accepted) => return accepted,
            Err(error) => {
                // Out of file descriptors, for one: it passes, a busy loop would not help.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn handle(request: Request<Incoming>, connection: Arc<Connection>) -> Result<Response<Measured>, Infallible> {
    let number = connection.shared.number_call();
    // The head stays here: its method and path are told of a call that went wrong.
    let (mut head, body) = request.into_parts();
    let user_agent = connection.user_agent(head.headers.get(header::USER_AGENT));
    let meter = Meter::start(connection, user_agent, number);
    // A panic while one call is served must not end the others.
    let answered = AssertUnwindSafe(answer(&mut head, body, &meter)).catch_unwind().await;
    let mut response = answered
        .unwrap_or(Err(Problem::Internal))
        .unwrap_or_else(|problem| problem.respond(meter.request_id().as_str()).map(Either::Right));
    response.headers_mut().insert(REQUEST_ID, meter.request_id().header());
    meter.connection().settle().await;
    Ok(meter.finish(&head, response))
}

async fn answer(head: &mut Parts, body: Incoming, meter: &Meter) -> Result<Response<Outbound>, Problem> {
    guard::check(&head.uri, &head.headers)?;
    let connection = meter.connection();
    // Nearly all calls are for agents. They go past the router, which boxes each call and its bodies.
    if routes::is_for_agents(head.uri.path()) {
        return routes::agents(&connection.shared, meter, head, Either::Left(body)).await;
    }
    let mut request = forward::request(head, head.uri.clone(), Body::new(body));
    request.extensions_mut().insert(meter.clone());
    let mut response = match connection.router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    match response.extensions_mut().remove::<Untold>() {
        Some(Untold(problem)) => Err(problem),
        None => Ok(response.map(Either::Right)),
    }
}
