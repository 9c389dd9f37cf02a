//! Passes a call on to the agent runtime, both bodies streamed.

use std::pin::pin;
use std::time::Instant;

use atthene_core::may_send_secrets_to;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Request, Response, Uri, header};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use secrecy::{ExposeSecret, SecretString};

use super::body::{BodyError, Inbound, Limited, MIB};
use super::headers;
use crate::problem::Problem;
use crate::transport::call::CallContext;
use crate::transport::limits::Limits;
use crate::transport::upstream::{Origin, Upstream};

/// Where calls go.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    origin: Origin,
    /// What stands before each path; empty for a base without a path.
    prefix: String,
    authorization: Option<HeaderValue>,
    /// Whether it may hear what a proxy in front of the gateway says of a caller's address.
    trust_front_proxy: bool,
}

impl Runtime {
    /// `None` where the URL or the credential can't be sent, or not over this URL; the settings check all
    /// of it.
    pub(crate) fn new(url: &str, credential: Option<&SecretString>) -> Option<Self> {
        let authorization = match credential {
            None => None,
            Some(credential) => {
                let bearer = SecretString::from(format!("Bearer {}", credential.expose_secret()));
                let mut value = HeaderValue::from_str(bearer.expose_secret()).ok()?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        if authorization.is_some() && !may_send_secrets_to(url) {
            return None;
        }
        let base: Uri = url.parse().ok()?;
        let prefix = base.path().trim_end_matches('/').to_owned();
        Some(Self { origin: Origin::of(&base)?, prefix, authorization, trust_front_proxy: false })
    }

    /// The same, which may hear what a proxy in front of the gateway says of a caller's address.
    pub(crate) fn trusting_front_proxy(self, trust: bool) -> Self {
        Self { trust_front_proxy: trust, ..self }
    }

    /// The path that is asked for there.
    fn target(&self, uri: &Uri) -> Result<Uri, http::Error> {
        let target = match uri.path_and_query() {
            // Below the root, what was asked for stays as it came.
            Some(asked) if self.prefix.is_empty() => asked.clone(),
            asked => format!("{}{}", self.prefix, asked.map_or("/", PathAndQuery::as_str)).parse()?,
        };
        Ok(target.into())
    }
}

/// The client of the gateway. Follows no redirect.
pub(crate) struct Forwarder {
    upstream: Upstream,
    limits: Limits,
}

impl Forwarder {
    pub(crate) fn new(limits: Limits) -> std::io::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(limits.runtime_connect_time));
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self { upstream: Upstream::new(connector), limits })
    }

    /// Lets go of connections that nobody uses.
    pub(crate) fn tidy(&self) {
        self.upstream.tidy();
    }

    /// Sends the call on and returns the answer as its head arrives. Takes the headers.
    pub(crate) async fn forward(
        &self,
        runtime: &Runtime,
        head: &mut Parts,
        body: Inbound,
        largest_body: u64,
        call: &CallContext,
    ) -> Result<Response<Incoming>, Problem> {
        if http_body::Body::size_hint(&body).lower() > largest_body {
            return Err(Problem::BodyTooLarge(largest_body / MIB));
        }
        let headers = &mut head.headers;
        headers::of_call(headers, runtime.trust_front_proxy);
        // The caller's key ends here; the Host is the runtime's own.
        headers.remove(header::AUTHORIZATION);
        headers.insert(header::HOST, runtime.origin.host());
        if let Some(authorization) = &runtime.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        headers.insert(REQUEST_ID, call.request_id().header());
        let target = runtime.target(&head.uri).map_err(|_| Problem::NotFound)?;
        let body = Limited::new(body, largest_body, self.limits.body_pause, call.clone());

        let asked = Instant::now();
        let sent = pin!(self.upstream.send(&runtime.origin, asked, request(head, target, body)));
        let answered = call.connection().head_deadline.wait(asked, self.limits.runtime_head_time, sent).await;
        call.set_runtime_time(asked.elapsed());
        let mut answer = answered.ok_or(Problem::RuntimeTimeout)?.map_err(|error| why(&*error))?;
        headers::of_answer(answer.headers_mut());
        answer.extensions_mut().clear();
        Ok(answer)
    }
}

/// A request with the method and the headers of this head, which keeps none of them.
pub(crate) fn request<B>(head: &mut Parts, uri: Uri, body: B) -> Request<B> {
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = std::mem::take(&mut head.headers);
    request
}

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Finds the cause that a person can act on.
fn why(error: &(dyn std::error::Error + 'static)) -> Problem {
    let mut source = Some(error);
    let mut deepest = String::new();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<BodyError>() {
            return error.into();
        }
        deepest = error.to_string();
        source = error.source();
    }
    Problem::RuntimeUnreachable(deepest.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_keeps_its_path_below_the_base() {
        let runtime = Runtime::new("http://127.0.0.1:9000/base", None).expect("a runtime");
        let target = runtime.target(&Uri::from_static("/api/amas/x?y=1")).expect("a target");
        assert_eq!(target, "/base/api/amas/x?y=1");
        let credential = SecretString::from("not-a-real-credential");
        assert!(Runtime::new("http://192.0.2.7:9000", Some(&credential)).is_none(), "the network would read it");
        assert!(Runtime::new("https://192.0.2.7:9000", Some(&credential)).is_some());
        let root = Runtime::new("http://127.0.0.1:9000", None).expect("a runtime");
        assert_eq!(root.target(&Uri::from_static("/api/amas/x?y=1")).expect("a target"), "/api/amas/x?y=1");
    }
}
