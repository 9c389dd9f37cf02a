//! Connections to the agent runtime and to Graph, kept open between calls (HTTP/1.1).
//!
//! hyper-util's client does the same for any number of hosts and versions, and costs the hot path a
//! task and several allocations a call.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use tower::{BoxError, ServiceExt};

use crate::transport::body::Limited;

/// Who is called: scheme, host and port. Cheap to clone, and to compare with its clones.
#[derive(Debug, Clone)]
pub(crate) struct Origin(Arc<Place>);

#[derive(Debug)]
struct Place {
    uri: Uri,
    /// What its `Host` header reads (RFC 9110, 7.2).
    host: HeaderValue,
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
        let uri = Uri::builder().scheme(scheme.clone()).authority(authority.clone()).path_and_query("/").build();
        Some(Self(Arc::new(Place { uri: uri.ok()?, host: host.ok()? })))
    }

    pub(crate) fn host(&self) -> HeaderValue {
        self.0.host.clone()
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        let (one, another) = (&self.0.uri, &other.0.uri);
        Arc::ptr_eq(&self.0, &other.0) || (one.authority() == another.authority() && one.scheme() == another.scheme())
    }
}

/// One open connection. It may still be busy with the answer before.
struct PooledConnection {
    origin: Origin,
    sender: SendRequest<Limited>,
    used_at: Instant,
}

/// How long a connection is kept that nobody uses.
const KEPT: Duration = Duration::from_secs(90);

/// The open connections.
pub(crate) struct Upstream {
    connector: HttpsConnector<HttpConnector>,
    builder: Builder,
    kept: Mutex<Vec<PooledConnection>>,
}

impl Upstream {
    pub(crate) fn new(connector: HttpsConnector<HttpConnector>) -> Self {
        let mut builder = Builder::new();
        // Head and body of most calls fit into one small write; copying is cheaper than gathering.
        builder.writev(false);
        Self { connector, builder, kept: Mutex::default() }
    }

    /// Sends the call, whose URI is a path, at the moment `asked_at`, and returns the answer as its head arrives. A call that a
    /// kept connection did not begin, since the other side had closed it, goes to the next one.
    pub(crate) async fn send(
        &self,
        origin: &Origin,
        asked_at: Instant,
        mut request: Request<Limited>,
    ) -> Result<Response<Incoming>, BoxError> {
        loop {
            let (mut sender, reused) = match self.take(origin) {
                Some(sender) => (sender, true),
                // Apart from the call, which is moved about while it is small.
                None => (Box::pin(self.connect(origin)).await?, false),
            };
            match sender.try_send_request(request).await {
                Ok(answer) => {
                    self.keep(PooledConnection { origin: origin.clone(), sender, used_at: asked_at });
                    return Ok(answer);
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if reused => request = unsent,
                    _ => return Err(error.into_error().into()),
                },
            }
        }
    }

    /// The connection that was used last: it is the least likely to have been closed meanwhile.
    fn take(&self, origin: &Origin) -> Option<SendRequest<Limited>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let free = kept.iter().rposition(|kept| kept.sender.is_ready() && kept.origin == *origin)?;
        Some(kept.remove(free).sender)
    }

    fn keep(&self, kept: PooledConnection) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
    }

    /// Lets go of what is closed or idle. Called once in a while.
    pub(crate) fn tidy(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is busy has an answer under way.
        kept.retain(|kept| !kept.sender.is_closed() && (!kept.sender.is_ready() || kept.used_at.elapsed() < KEPT));
    }

    async fn connect(&self, origin: &Origin) -> Result<SendRequest<Limited>, BoxError> {
        self.tidy();
        let stream = self.connector.clone().oneshot(origin.0.uri.clone()).await?;
        let (mut sender, connection) = self.builder.handshake(stream).await?;
        // A connection that breaks tells so to the call on it.
        tokio::spawn(connection);
        sender.ready().await?;
        Ok(sender)
    }
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
