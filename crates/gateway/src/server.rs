//! Accepts connections, guards every call and sees it to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use futures_util::FutureExt;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::Body as _;
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::api::{agents, guard};
use crate::problem::{PendingProblem, Problem};
use crate::shared::Shared;
use crate::transport::call::{CallContext, Measured, Outbound};
use crate::transport::caller_connection::{Arrival, CallerConnection};
use crate::transport::caller_stream::CallerStream;
use crate::transport::connections::Slot;
use crate::transport::forward::{self, REQUEST_ID};
use crate::transport::log_throttle::LogThrottle;
use crate::transport::tls::{self, Beginning};
use crate::transport::unserved;

/// How many connections the system may hold for a listener, at most.
const BACKLOG: usize = 4096;

/// What the calls of every connection are served with.
struct CallServices {
    shared: Arc<Shared>,
    router: Router,
    builder: http1::Builder,
}

impl CallServices {
    /// What one connection is seen to its end with.
    fn see_through<S>(self: Arc<Self>, stream: S, slot: Slot, arrival: Arrival) -> impl Future<Output = ()> + Send
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shared = self.shared.clone();
        let (core, look_ups) = (shared.core.clone(), shared.look_ups.clone());
        let connection = Arc::new(CallerConnection::new(arrival, slot.slot(), core, look_ups));
        let unreadable = {
            let shared = shared.clone();
            Box::new(move |status| unserved::answer_unreadable(&shared.core, status, &shared.next_request_id()))
        };
        let stream = CallerStream::new(stream, slot.slot(), unreadable);
        let services = self.clone();
        let service = service_fn(move |request| handle(request, connection.clone(), services.clone()));
        let connection = slot.hold(self.builder.serve_connection(stream, service).with_upgrades());
        async move {
            if let Err(error) = connection.await {
                shared.unserved.broke(&error);
            }
        }
    }

    /// The same for one that is to be encrypted first.
    async fn shake_hands(self: Arc<Self>, acceptor: TlsAcceptor, stream: TcpStream, slot: Slot, arrival: Arrival) {
        match slot.shake_hands(tls::begin(acceptor, stream)).await {
            Some(Beginning::Encrypted(stream)) => self.see_through(stream, slot, arrival.encrypted()).await,
            Some(Beginning::Plain(stream)) => {
                drop(slot);
                unserved::refuse_plain(stream, &self.shared.core, &self.shared.next_request_id()).await;
            }
            Some(Beginning::Nothing) | None => {}
        }
    }
}

/// Serves as this worker until `stop` turns true, then lets open calls go on for a moment.
pub(crate) async fn serve(
    listeners: Vec<TcpListener>,
    worker: usize,
    shared: Arc<Shared>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let limits = shared.limits;
    let mut builder = http1::Builder::new();
    // Heads that never end are found by the sweeps.
    builder.header_read_timeout(None).max_buf_size(limits.head_bytes);
    let services = Arc::new(CallServices { shared: shared.clone(), router, builder });
    let open = shared.connections.accepting();
    let mut sweeps = tokio::time::interval(limits.head_time / 2);
    // Looks that were missed do not follow each other at once: each stands for its time.
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut cut = shared.cut.subscribe();
    let take = |(stream, peer): (TcpStream, SocketAddr)| {
        let Ok(local) = stream.local_addr() else { return };
        let arrival = Arrival::new((peer, local), worker);
        // Nobody listens in on loopback.
        let certificate = shared.certificate.as_ref().filter(|_| !arrival.is_local());
        let acceptor = certificate.map(|certificate| certificate.acceptor());
        let Some(slot) = open.admit(shared.calls.load(Ordering::Relaxed)) else {
            tokio::spawn(unserved::refuse(stream, acceptor, shared.core.clone(), shared.next_request_id()));
            return;
        };
        // Answers leave at once; without this, small ones wait for the caller's ACK.
        let _ = stream.set_nodelay(true);
        match acceptor {
            None => drop(tokio::spawn(services.clone().see_through(stream, slot, arrival))),
            Some(acceptor) => drop(tokio::spawn(services.clone().shake_hands(acceptor, stream, slot, arrival))),
        }
    };
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            // Everything was stopped.
            _ = cut.changed() => {
                open.cut();
                continue;
            }
            _ = sweeps.tick() => {
                open.sweep();
                continue;
            }
            accepted = accept(&listeners, &shared.unaccepted) => accepted,
        };
        take(accepted);
    }
    // Those whose connection the system had taken already would be reset with the listener.
    for _ in 0..BACKLOG {
        let next = accept(&listeners, &shared.unaccepted);
        // What the system holds is known at once, or after one look at it.
        let Ok(accepted) = tokio::time::timeout(Duration::from_millis(5), next).await else { break };
        take(accepted);
    }
    drop(listeners);
    let rest = tokio::spawn(async move {
        let mut finished = pin!(open.finish());
        loop {
            tokio::select! {
                () = finished.as_mut() => break,
                Ok(()) = cut.changed() => open.cut(),
                _ = sweeps.tick() => open.sweep(),
            }
        }
    });
    // Past the drain, what is left goes on for as long as the gateway does, as on another port.
    let _ = tokio::time::timeout(limits.drain, rest).await;
}

async fn accept(listeners: &[TcpListener], log: &LogThrottle) -> (TcpStream, SocketAddr) {
    if listeners.is_empty() {
        return std::future::pending().await;
    }
    loop {
        let next = futures_util::future::select_all(listeners.iter().map(|listener| listener.accept().boxed()));
        match next.await.0 {
            Ok(accepted) => return accepted,
            Err(error) => {
                // Out of file descriptors, for one: it passes, a busy loop would not help.
                if let Some(more) = log.due() {
                    tracing::warn!(%error, more, "a connection could not be accepted");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn handle(
    request: Request<Incoming>,
    connection: Arc<CallerConnection>,
    services: Arc<CallServices>,
) -> Result<Response<Measured>, Infallible> {
    let number = services.shared.number_call();
    // The head stays here: its method and path are told of a call that went wrong.
    let (mut head, body) = request.into_parts();
    if let Some(upgrade) = head.extensions.remove() {
        connection.slot.keep_upgrade(upgrade);
    }
    let user_agent = connection.user_agent(head.headers.get(header::USER_AGENT));
    let call = CallContext::start(connection, user_agent, number, services.shared.request_id(number));
    // A panic while one call is served must not end the others.
    let answered = AssertUnwindSafe(answer(&mut head, body, &call, &services)).catch_unwind().await;
    let mut response = answered
        .unwrap_or(Err(Problem::Internal))
        .unwrap_or_else(|problem| problem.respond(call.request_id().as_str()).map(Either::Right));
    response.headers_mut().insert(REQUEST_ID, call.request_id().header());
    // The end of a body of unknown length is that of the connection, whatever was asked for.
    let ends_with_body = head.version == Version::HTTP_10 && response.body().size_hint().exact().is_none();
    let is_last = call.connection().slot.is_to_finish() && response.status() != StatusCode::SWITCHING_PROTOCOLS;
    if ends_with_body || is_last {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    call.connection().name_known().await;
    Ok(call.finish(&head, response))
}

async fn answer(
    head: &mut Parts,
    body: Incoming,
    call: &CallContext,
    services: &CallServices,
) -> Result<Response<Outbound>, Problem> {
    guard::check(&head.uri, &head.headers, &services.shared.hosts)?;
    // Nearly all calls are for agents. They go past the router, which boxes each call and its bodies.
    if agents::is_for_agents(head.uri.path()) {
        return agents::agents(&services.shared, call, head, Either::Left(body)).await;
    }
    let mut request = forward::request(head, head.uri.clone(), Body::new(body));
    request.extensions_mut().insert(call.clone());
    let mut response = match services.router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    match response.extensions_mut().remove::<PendingProblem>() {
        // The router knows which methods there are.
        Some(PendingProblem(Problem::MethodNotAllowed(None))) => {
            Err(Problem::MethodNotAllowed(response.headers_mut().remove(header::ALLOW)))
        }
        Some(PendingProblem(problem)) => Err(problem),
        None => Ok(response.map(Either::Right)),
    }
}
