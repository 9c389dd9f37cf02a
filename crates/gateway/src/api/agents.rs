//! The agent API: calls that belong to the agent runtime, or to the built-in agent where none is set.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, Method};
use http_body_util::{BodyExt, Either};

use crate::api::agent::{self, ExecuteRequest, StatusAnswer};
use crate::api::auth::{self, LiveKey};
use crate::api::path;
use crate::problem::Problem;
use crate::shared::Shared;
use crate::transport::body::{Inbound, Limited};
use crate::transport::call::{CallContext, Outbound};
use crate::transport::forward::HOP;

/// What belongs to the agent API.
const AGENTS: &str = "/api/amas/";
pub(crate) const EXECUTE: &str = "/api/amas/conversations/execute";
const CONNECTIONS: &str = "/api/amas/connections";

/// Whether this path belongs to the agent API, and surely to no route of the gateway's own.
pub(crate) fn is_for_agents(path: &str) -> bool {
    path.strip_prefix(AGENTS).is_some_and(|rest| !rest.is_empty()) && !path.starts_with(CONNECTIONS)
}

/// Execute an agent.
///
/// Forwarded to the agent runtime, both bodies streamed. With no runtime set, the built-in
/// agent `atthene-status` answers.
#[utoipa::path(
    post,
    path = "/api/amas/conversations/execute",
    request_body = ExecuteRequest,
    security(("api_key" = [])),
    responses(
        (status = 200, description = "The agent's answer", body = StatusAnswer),
    ),
)]
pub(crate) async fn execute(
    shared: &Arc<Shared>,
    key: LiveKey,
    call: &CallContext,
    body: Limited,
) -> Result<Response, Problem> {
    let body = body.collect().await.map_err(|error| Problem::from(&error))?.to_bytes();
    let (shared, call) = (shared.clone(), call.clone());
    let answered =
        tokio::task::spawn_blocking(move || agent::answer(&shared.core, &key.0, &body, call.request_id().as_str()));
    Ok(Json(answered.await.map_err(|_| Problem::Internal)??).into_response())
}

/// A call of the agent API. All but the gateway's own routes belong to the agent runtime.
pub(crate) async fn agents(
    shared: &Arc<Shared>,
    call: &CallContext,
    head: &mut Parts,
    body: Inbound,
) -> Result<http::Response<Outbound>, Problem> {
    let execute_asked = head.uri.path() == EXECUTE;
    if execute_asked && head.method != Method::POST {
        return Err(Problem::MethodNotAllowed(Some(HeaderValue::from_static("POST"))));
    }
    let key = auth::check(&head.headers, shared, call).await?;
    if head.headers.get(HOP).is_some_and(|hops| shared.has_seen(hops)) {
        return Err(Problem::LoopDetected);
    }
    if !head.uri.path().strip_prefix(AGENTS).is_some_and(path::stays) {
        return Err(Problem::PathNotAllowed);
    }
    let mut config = shared.config();
    if config.is_loading {
        config = shared.loaded_config().await;
    }
    let body = Limited::new(body, config.largest_body, shared.limits.body_pause, call.clone());
    match &config.runtime {
        Some(Ok(runtime)) => Ok(shared.forward(runtime, head, body, call).await?.map(Either::Left)),
        Some(Err(problem)) => Err(problem.clone()),
        None if execute_asked => {
            // Apart from calls to the runtime, which are moved about while they are small.
            let answered = Box::pin(execute(shared, key, call, body));
            Ok(answered.await?.map(Either::Right))
        }
        None => Err(Problem::NoAgentRuntime),
    }
}
