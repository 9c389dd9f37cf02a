//! What all calls to Graph share, whichever route they came by.

use atthene_core::connections::{ConnectionId, Fresh};
use http::header;
use http::request::Parts;
use http::uri::Authority;
use hyper::body::Incoming;

use crate::problem::{Callee, Problem};
use crate::shared::Shared;
use crate::transport::body::Limited;
use crate::transport::call::CallContext;
use crate::transport::forward::Runtime;

/// The gateway as this caller calls it. A proxy in front that is trusted says how it is called there.
pub(super) fn own_url(head: &Parts, call: &CallContext, trust_front_proxy: bool) -> String {
    let own = if call.connection().is_encrypted() { "https" } else { "http" };
    let told = |name: &str| {
        let value = head.headers.get(name).filter(|_| trust_front_proxy)?.to_str().ok()?;
        Some(value.split(',').next().unwrap_or(value).trim().to_owned())
    };
    let host = told("x-forwarded-host").filter(|host| host.parse::<Authority>().is_ok());
    let host = host.or_else(|| Some(head.headers.get(header::HOST)?.to_str().ok()?.to_owned()));
    let scheme = told("x-forwarded-proto").filter(|scheme| matches!(scheme.as_str(), "http" | "https"));
    format!("{}://{}", scheme.as_deref().unwrap_or(own), host.as_deref().unwrap_or("localhost"))
}

/// Sends a call to Graph, with this access put in.
pub(super) async fn send(
    shared: &Shared,
    fresh: Fresh,
    mut head: Parts,
    body: Limited,
    call: &CallContext,
) -> Result<http::Response<Incoming>, Problem> {
    shared.forwarder(call.connection().worker())?.forward(&graph(&fresh)?, &mut head, body, call).await
}

/// The same for an act that a person has allowed once.
pub(super) async fn send_once(
    shared: &Shared,
    fresh: Fresh,
    mut head: Parts,
    body: Limited,
    call: &CallContext,
) -> Result<http::Response<Incoming>, Problem> {
    shared.forwarder(call.connection().worker())?.forward(&graph(&fresh)?.once(), &mut head, body, call).await
}

fn graph(fresh: &Fresh) -> Result<Runtime, Problem> {
    Runtime::new(Callee::Graph, fresh.graph.as_str(), Some(&fresh.token)).ok_or(Problem::Internal)
}

/// The connection of a path.
pub(super) fn known(id: &str) -> Result<ConnectionId, Problem> {
    ConnectionId::try_from(id).map_err(|_| Problem::ConnectionNotFound)
}
