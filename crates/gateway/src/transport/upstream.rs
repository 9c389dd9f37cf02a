//! Connections to the agent runtime and to Graph, kept open between calls (HTTP/1.1).
//!
//! hyper-util's client does the same for any number of hosts and versions, and costs the hot path a
//! task and several allocations a call.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use atthene_identity::Proxy;
use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use tower::BoxError;

use super::body::BodyError;
use super::connect::Connector;
use super::tunnel;
use super::upstream_stream::ReadsOn;
use crate::problem::{Problem, UpstreamFailure};
use crate::transport::body::Limited;

/// Who is called: scheme, host and port, and the proxy between. Cheap to clone, and to compare with its clones.
#[derive(Debug, Clone)]
pub(crate) struct Origin(Arc<Place>);

#[derive(Debug)]
struct Place {
    uri: Uri,
    /// What its `Host` header reads (RFC 9110, 7.2).
    host: HeaderValue,
    proxy: Option<Proxy>,
}

impl Origin {
    /// The origin of a base URL; `None` where it has no host.
    pub(crate) fn of(base: &Uri) -> Option<Self> {
        let (scheme, authority) = (base.scheme()?, base.authority()?);
        let usual = if *scheme == Scheme::HTTPS { 443 } else { 80 };
        let host = match authority.port_u16() {
            Some(port) if port != usual => HeaderValue::try_from(format!("{}:{port}", authority.host())),
            _ => HeaderValue::try_from(authority.host()),
        };
        let uri =
            Uri::builder().scheme(scheme.clone()).authority(authority.clone()).path_and_query("/").build().ok()?;
        let proxy = Proxy::between(&uri);
        Some(Self(Arc::new(Place { uri, host: host.ok()?, proxy })))
    }

    pub(crate) fn host(&self) -> HeaderValue {
        self.0.host.clone()
    }

    /// The proxy that is told whole addresses, since it sees the calls themselves.
    fn open_proxy(&self) -> Option<&Proxy> {
        let proxy = self.0.proxy.as_ref()?;
        let tunnels = proxy.address.scheme_str().is_some_and(|scheme| scheme.starts_with("socks"));
        (!tunnels && self.0.uri.scheme() == Some(&Scheme::HTTP)).then_some(proxy)
    }

    /// Addresses the call as whoever takes it first reads it.
    fn address(&self, request: &mut Request<Limited>) {
        let Some(proxy) = self.open_proxy() else { return };
        let mut parts = self.0.uri.clone().into_parts();
        parts.path_and_query = request.uri().path_and_query().cloned();
        if let Ok(whole) = Uri::from_parts(parts) {
            *request.uri_mut() = whole;
        }
        if let Some(authorization) = &proxy.authorization {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
        }
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        let (one, another) = (&self.0.uri, &other.0.uri);
        Arc::ptr_eq(&self.0, &other.0) || (one.authority() == another.authority() && one.scheme() == another.scheme())
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum SendError {
    Upstream(UpstreamFailure),
    /// It is the caller's own.
    Caller(Problem),
}

impl SendError {
    fn unreachable(error: &BoxError, proxy: Option<&Proxy>) -> Self {
        let mut why = deepest(&**error);
        if let Some(proxy) = proxy {
            why = format!("{why} (through the proxy {proxy})");
        }
        Self::Upstream(UpstreamFailure::Unreachable(why.into()))
    }
}

impl From<hyper::Error> for SendError {
    /// What comes after a connection came about.
    fn from(error: hyper::Error) -> Self {
        let mut source: Option<&(dyn StdError + 'static)> = Some(&error);
        while let Some(inner) = source {
            if let Some(error) = inner.downcast_ref::<BodyError>() {
                return Self::Caller(error.into());
            }
            source = inner.source();
        }
        let why = deepest(&error).into();
        Self::Upstream(if error.is_parse() { UpstreamFailure::Unreadable(why) } else { UpstreamFailure::Closed(why) })
    }
}

/// The cause that a person can act on.
fn deepest(error: &(dyn StdError + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// One open connection. It may still be busy with the answer before.
struct PooledConnection {
    origin: Origin,
    sender: SendRequest<Limited>,
    used_at: Instant,
    /// How long it is kept unused.
    lives: Duration,
}

/// How long a connection is kept that nobody uses, where the other side names no time.
const KEPT: Duration = Duration::from_secs(90);
/// A call that can't be sent twice takes no connection that was idle for longer: servers close idle ones after five
/// seconds (uvicorn, Node), and a call that is sent just then is lost.
const FRESH: Duration = Duration::from_secs(3);
/// Idle connections that are kept: each takes a file.
const MOST_IDLE: usize = 32;
/// The other side's time is up a little earlier here.
const MARGIN: Duration = Duration::from_secs(1);
/// Headers of an answer. The limit that counts is that of bytes.
const MOST_HEADERS: usize = 1000;
/// All headers of an answer, in bytes.
const HEAD_BYTES: usize = 512 * 1024;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// How long the other side keeps an idle connection, as it says (`Keep-Alive: timeout=5`).
fn lives(answer: &Response<Incoming>) -> Duration {
    let Some(told) = answer.headers().get(KEEP_ALIVE) else { return KEPT };
    let seconds = told.to_str().ok().and_then(|told| {
        let timeout = told.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
        timeout.trim().parse().ok().map(Duration::from_secs)
    });
    seconds.map_or(KEPT, |time| time.checked_sub(MARGIN).unwrap_or_default()).min(KEPT)
}

/// The open connections.
pub(crate) struct Upstream {
    connector: Connector,
    builder: Builder,
    kept: Mutex<Vec<PooledConnection>>,
}

impl Upstream {
    /// `connect_time`: for a connection to come about.
    pub(crate) fn new(connect_time: Duration) -> std::io::Result<Self> {
        let mut builder = Builder::new();
        // Head and body of most calls fit into one small write; copying is cheaper than gathering.
        builder.writev(false).max_headers(MOST_HEADERS).max_buf_size(HEAD_BYTES);
        Ok(Self { connector: Connector::new(connect_time)?, builder, kept: Mutex::default() })
    }

    /// Sends the call, whose URI is a path, at the moment `asked_at`, and returns the answer as its head arrives. A
    /// call that a kept connection did not begin, since the other side had closed it, goes to the next one. One
    /// that it began is sent once more on a new connection where there is `again`: the same, which may be sent
    /// twice.
    pub(crate) async fn send(
        &self,
        origin: &Origin,
        asked_at: Instant,
        mut request: Request<Limited>,
        mut again: Option<Request<Limited>>,
    ) -> Result<Response<Incoming>, SendError> {
        origin.address(&mut request);
        let mut may_reuse = true;
        loop {
            let kept = if may_reuse { self.take(origin, asked_at, again.is_some()) } else { None };
            let (mut sender, is_reused) = match kept {
                Some(sender) => (sender, true),
                // Apart from the call, which is moved about while it is small.
                None => (Box::pin(self.connect(origin)).await?, false),
            };
            match sender.try_send_request(request).await {
                Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => return Err(unasked()),
                Ok(answer) => {
                    let lives = lives(&answer);
                    // From its answer on: agents think for longer than an idle connection lives.
                    let used_at = Instant::now();
                    self.keep(PooledConnection { origin: origin.clone(), sender, used_at, lives });
                    return Ok(answer);
                }
                Err(mut error) => match (error.take_message(), again.take()) {
                    (Some(unsent), kept) if is_reused => (request, again) = (unsent, kept),
                    (None, Some(mut same)) if is_reused && !error.error().is_parse() => {
                        origin.address(&mut same);
                        (request, may_reuse) = (same, false);
                    }
                    _ => return Err(error.into_error().into()),
                },
            }
        }
    }

    /// Sends a call that wants to change the protocol, on a connection of its own.
    pub(crate) async fn send_upgrade(
        &self,
        origin: &Origin,
        mut request: Request<Limited>,
    ) -> Result<Response<Incoming>, SendError> {
        origin.address(&mut request);
        let mut sender = self.connect(origin).await?;
        let answer = sender.send_request(request).await?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS && !tunnel::agrees(&answer) {
            return Err(unasked());
        }
        Ok(answer)
    }

    /// The connection that was used last: it is the least likely to have been closed meanwhile. `is_repeatable`:
    /// whether a call that is lost on it can be sent once more.
    fn take(&self, origin: &Origin, now: Instant, is_repeatable: bool) -> Option<SendRequest<Limited>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |kept: &PooledConnection| {
            let lives = if is_repeatable { kept.lives } else { kept.lives.min(FRESH) };
            kept.sender.is_ready() && now.saturating_duration_since(kept.used_at) <= lives && kept.origin == *origin
        };
        let free = kept.iter().rposition(fits)?;
        Some(kept.remove(free).sender)
    }

    fn keep(&self, kept: PooledConnection) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
    }

    /// Lets go of what is closed or idle. Called once in a while.
    pub(crate) fn tidy(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is busy has an answer under way.
        kept.retain(|kept| {
            !kept.sender.is_closed() && (!kept.sender.is_ready() || kept.used_at.elapsed() < kept.lives)
        });
        // The oldest come first.
        let mut too_many = kept.iter().filter(|kept| kept.sender.is_ready()).count().saturating_sub(MOST_IDLE);
        kept.retain(|kept| {
            let goes = too_many > 0 && kept.sender.is_ready();
            too_many -= usize::from(goes);
            !goes
        });
    }

    async fn connect(&self, origin: &Origin) -> Result<SendRequest<Limited>, SendError> {
        self.tidy();
        let proxy = origin.0.proxy.as_ref();
        let stream = self.connector.connect(&origin.0.uri, proxy).await;
        let stream = stream.map_err(|error| SendError::unreachable(&error, proxy))?;
        let (mut sender, connection) = self.builder.handshake(ReadsOn::new(stream)).await?;
        // A connection that breaks tells so to the call on it.
        tokio::spawn(connection.with_upgrades());
        sender.ready().await?;
        Ok(sender)
    }
}

fn unasked() -> SendError {
    SendError::Upstream(UpstreamFailure::Unreadable("it changed the protocol unasked".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_with_its_port_where_that_is_not_the_usual_one() {
        for (base, host) in [
            ("http://127.0.0.1:9000/base", "127.0.0.1:9000"),
            ("http://agents.example:80", "agents.example"),
            ("https://agents.example", "agents.example"),
            ("https://agents.example:80", "agents.example:80"),
            ("http://[::1]:9000", "[::1]:9000"),
        ] {
            assert_eq!(Origin::of(&Uri::from_static(base)).expect("an origin").host(), host);
        }
        assert!(Origin::of(&Uri::from_static("/path")).is_none());
    }

    #[test]
    fn another_scheme_or_port_is_another_origin() {
        let of = |base: &'static str| Origin::of(&Uri::from_static(base)).expect("an origin");
        assert!(of("http://a.example/x") == of("http://A.example/y"));
        assert!(of("http://a.example") != of("https://a.example"));
        assert!(of("http://a.example") != of("http://a.example:8080"));
    }
}
