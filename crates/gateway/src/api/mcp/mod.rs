//! `/mcp`: the tools, for agents that speak the Model Context Protocol. Both eras on one URL, and no session in
//! either: the stateless revision of 2026-07-28, and those up to 2025-11-25 that begin with `initialize`. The key,
//! the guard, the counters and the stop are the gateway's own.
//!
//! No OAuth metadata is served anywhere: a client that found some would sign in there instead of sending the key.

mod handler;
mod own_tools;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post_service};
use http::{HeaderValue, header};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use crate::api::auth;
use crate::problem::Problem;
use crate::shared::Shared;
use crate::transport::call::CallContext;
use handler::Tools;

/// The largest call, in bytes.
const LARGEST_CALL: usize = 1024 * 1024;
/// How long a stream of progress may be silent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Of the route. Anything but POST is answered 405: no era of it is served that has GET or DELETE.
pub(crate) fn method_router(shared: &Arc<Shared>) -> MethodRouter<Arc<Shared>> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        // The guard has looked at both, for every route.
        .disable_allowed_hosts()
        .with_max_request_body_bytes(LARGEST_CALL)
        .with_sse_keep_alive(Some(KEEP_ALIVE));
    let tools = Tools::new(shared.clone());
    let service = StreamableHttpService::new(
        move || Ok::<_, std::io::Error>(tools.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    post_service(service).route_layer(from_fn_with_state(shared.clone(), let_in))
}

/// Lets a call in that carries the live key.
async fn let_in(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let Some(call) = request.extensions().get::<CallContext>().cloned() else {
        return Problem::Internal.into_response();
    };
    // A tool waits for Graph, an agent or a person.
    call.leave_times_out();
    match auth::check(request.headers(), &shared, &call).await {
        Ok(key) => request.extensions_mut().insert(key),
        Err(problem) => return problem.into_response(),
    };
    // Clients that would take anything, or JSON alone, get JSON: the answer is never a stream unless they ask for
    // progress.
    let both = HeaderValue::from_static("application/json, text/event-stream");
    request.headers_mut().insert(header::ACCEPT, both);
    next.run(request).await
}
