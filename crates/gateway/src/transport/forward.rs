//! Passes a call on to the agent runtime, both bodies streamed.

use std::pin::{Pin, pin};
use std::time::Instant;

use atthene_core::may_send_secrets_to;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, Version, header};
use hyper::body::Incoming;
use secrecy::{ExposeSecret, SecretString};

use super::body::Limited;
use super::headers;
use super::tunnel::UpgradeRequest;
use crate::problem::{Callee, Problem, UpstreamFailure};
use crate::transport::call::CallContext;
use crate::transport::limits::Limits;
use crate::transport::upstream::{Origin, SendError, Upstream};

/// Where calls go.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    origin: Origin,
    /// What stands before each path; empty for a base without a path.
    prefix: String,
    authorization: Option<HeaderValue>,
    /// Whether it may hear what a proxy in front of the gateway says of a caller's address.
    trust_front_proxy: bool,
    who: Callee,
    /// Tells this gateway that a call went through it before.
    hop: Option<HeaderValue>,
    /// Whether a call that is lost on the way is sent once more where its method allows that.
    may_repeat: bool,
}

impl Runtime {
    /// `None` where the URL or the credential can't be sent, or not over this URL; the settings check all
    /// of it.
    pub(crate) fn new(who: Callee, url: &str, credential: Option<&SecretString>) -> Option<Self> {
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
        Some(Self {
            origin: Origin::of(&base)?,
            prefix,
            authorization,
            trust_front_proxy: false,
            who,
            hop: None,
            may_repeat: true,
        })
    }

    /// The same, which may hear what a proxy in front of the gateway says of a caller's address.
    pub(crate) fn trusting_front_proxy(self, trust: bool) -> Self {
        Self { trust_front_proxy: trust, ..self }
    }

    /// The same, which is told that calls went through this gateway.
    pub(crate) fn marking(self, hop: HeaderValue) -> Self {
        Self { hop: Some(hop), ..self }
    }

    /// The same, which is sent each call once, whatever its method: a second DELETE of a mail that lies in the bin by then
    /// purges it.
    pub(crate) fn once(self) -> Self {
        Self { may_repeat: false, ..self }
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
        Ok(Self { upstream: Upstream::new(limits.runtime_connect_time)?, limits })
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
        body: Limited,
        call: &CallContext,
    ) -> Result<Response<Incoming>, Problem> {
        body.check_size()?;
        let upgrade = if runtime.who == Callee::Runtime { UpgradeRequest::of(head, call) } else { None };
        let headers = &mut head.headers;
        let hops = headers.get(HOP).cloned();
        headers::of_call(headers, runtime.trust_front_proxy);
        // The caller's key ends here; the Host is the runtime's own.
        headers.remove(header::AUTHORIZATION);
        headers.insert(header::HOST, runtime.origin.host());
        if let Some(authorization) = &runtime.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        if let Some(hop) = &runtime.hop {
            headers.insert(HOP, hops.and_then(|hops| joined(&hops, hop)).unwrap_or_else(|| hop.clone()));
        }
        headers.insert(REQUEST_ID, call.request_id().header());
        let target = runtime.target(&head.uri).map_err(|_| Problem::NotFound)?;

        let asked = Instant::now();
        if let Some(upgrade) = upgrade {
            UpgradeRequest::mark(&mut head.headers);
            let sent = pin!(self.upstream.send_upgrade(&runtime.origin, request(head, target, body)));
            return Box::pin(self.upgrade(runtime, call, asked, sent, upgrade)).await;
        }
        let (first, again) = if runtime.may_repeat && may_be_sent_twice(&head.method) {
            Box::pin(kept(head, target, body)).await?
        } else {
            (request(head, target, body), None)
        };
        let sent = pin!(self.upstream.send(&runtime.origin, asked, first, again));
        Ok(cleaned(self.wait(runtime, call, asked, sent).await?))
    }

    /// What comes of a call that wants to change the protocol.
    async fn upgrade<Sent: Future<Output = Result<Response<Incoming>, SendError>>>(
        &self,
        runtime: &Runtime,
        call: &CallContext,
        asked: Instant,
        sent: Pin<&mut Sent>,
        upgrade: UpgradeRequest,
    ) -> Result<Response<Incoming>, Problem> {
        let mut answer = self.wait(runtime, call, asked, sent).await?;
        let tunnel = upgrade.meet(&mut answer, call);
        let mut answer = cleaned(answer);
        if let Some(tunnel) = tunnel {
            call.connection().slot.go_on_with(tunnel);
            UpgradeRequest::mark(answer.headers_mut());
        }
        Ok(answer)
    }

    /// The answer, or why there is none. Past its limit, silence is the end.
    async fn wait<Sent: Future<Output = Result<Response<Incoming>, SendError>>>(
        &self,
        runtime: &Runtime,
        call: &CallContext,
        asked: Instant,
        sent: Pin<&mut Sent>,
    ) -> Result<Response<Incoming>, Problem> {
        let since = || call.last_part_sent().max(asked);
        let answered = call.connection().head_deadline.wait(since, self.limits.runtime_head_time, sent).await;
        call.set_runtime_time(asked.elapsed());
        answered.unwrap_or(Err(SendError::Upstream(UpstreamFailure::Timeout))).map_err(|error| match error {
            SendError::Upstream(failure) => Problem::Upstream(runtime.who, failure),
            SendError::Caller(problem) => problem,
        })
    }
}

/// A call that may be sent twice, and the same once more where its body is none or small enough to be kept.
async fn kept(
    head: &mut Parts,
    target: Uri,
    body: Limited,
) -> Result<(Request<Limited>, Option<Request<Limited>>), Problem> {
    let mut body = body.keep().await?;
    let again = body.is_kept().then(|| request(&mut head.clone(), target.clone(), body.next()));
    Ok((request(head, target, body.next()), again))
}

/// The answer without what speaks of its connection only. The caller is told it in the gateway's own version,
/// whatever the other side speaks.
fn cleaned(mut answer: Response<Incoming>) -> Response<Incoming> {
    headers::of_answer(answer.headers_mut());
    answer.extensions_mut().clear();
    *answer.version_mut() = Version::HTTP_11;
    answer
}

/// The gateways that a call went through before, and this one.
fn joined(hops: &HeaderValue, own: &HeaderValue) -> Option<HeaderValue> {
    HeaderValue::from_bytes(&[hops.as_bytes(), b", ", own.as_bytes()].concat()).ok()
}

/// Methods by which a server does the same however often it is asked (RFC 9110, 9.2.2).
fn may_be_sent_twice(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
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
/// Names the runs of gateways that a call went through.
pub(crate) const HOP: HeaderName = HeaderName::from_static("x-atthene-hop");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_keeps_its_path_below_the_base() {
        let runtime = Runtime::new(Callee::Runtime, "http://127.0.0.1:9000/base", None).expect("a runtime");
        let target = runtime.target(&Uri::from_static("/api/amas/x?y=1")).expect("a target");
        assert_eq!(target, "/base/api/amas/x?y=1");
        let credential = SecretString::from("not-a-real-credential");
        assert!(
            Runtime::new(Callee::Runtime, "http://192.0.2.7:9000", Some(&credential)).is_none(),
            "the network would read it"
        );
        assert!(Runtime::new(Callee::Runtime, "https://192.0.2.7:9000", Some(&credential)).is_some());
        let root = Runtime::new(Callee::Runtime, "http://127.0.0.1:9000", None).expect("a runtime");
        assert_eq!(root.target(&Uri::from_static("/api/amas/x?y=1")).expect("a target"), "/api/amas/x?y=1");
    }
}
