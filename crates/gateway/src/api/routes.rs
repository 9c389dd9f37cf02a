//! The routes of the gateway, and their description.

use std::sync::{Arc, LazyLock};

use atthene_core::hex;
use atthene_core::oversight::{CHALLENGE_HEADER, FOLDER_HEADER, LONGEST_CHALLENGE, PROOF_HEADER};
use atthene_core::problem::ProblemCode;
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::Either;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::LiveKey;
use crate::api::connections;
use crate::api::description::Answers;
use crate::api::{agents, attachments, mcp};
use crate::problem::{Problem, ProblemBody};
use crate::shared::Shared;
use crate::transport::call::CallContext;

#[derive(OpenApi)]
#[openapi(
    paths(agents::execute, connections::graph),
    components(schemas(ProblemBody)),
    info(
        title = "ATTHENE gateway",
        description = "Calls agents with the one API key of this machine. Every error is application/problem+json (RFC 9457) with a stable code; so are 404 for a route and 405, with Allow, for a method that is not in here.",
    ),
    modifiers(&BearerKey),
)]
struct Description;

struct BearerKey;

impl Modify for BearerKey {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let bearer = Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("atk_<id>_<secret><check>").build();
        api.components.get_or_insert_default().add_security_scheme("api_key", SecurityScheme::Http(bearer));
    }
}

/// The routes that are described where they are.
fn described() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(connections::list))
        .routes(routes!(connections::token))
        .routes(routes!(attachments::attachment))
        .routes(routes!(verify_get))
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(openapi))
}

/// As it is served. Made when it is first asked for: the tree that it is written from takes 2 MB.
static DESCRIPTION: LazyLock<String> = LazyLock::new(|| {
    let mut api = described().into_openapi();
    Answers.modify(&mut api);
    describe(&api)
});

/// All routes.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::from(described())
        // A proxy may ask with the method of the call that it checks.
        .route("/auth/verify", any(verify_get))
        // Envoy's ext_authz appends the path of that call, which may be the root.
        .route("/auth/verify/", any(verify_get))
        .route("/auth/verify/{*call}", any(verify_get))
        .route("/api/amas/connections/{id}/graph/{*path}", any(connections::graph))
        .route("/api/amas/{*rest}", any(through_router))
        .route("/mcp", mcp::method_router(&shared))
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed(None))
        .with_state(shared)
}

/// The description as JSON. The codes of problems come from their one list.
fn describe(api: &utoipa::openapi::OpenApi) -> String {
    let mut api = serde_json::to_value(api).unwrap_or_default();
    if let Some(code) = api.pointer_mut("/components/schemas/ProblemBody/properties/code") {
        code["enum"] = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
    }
    if let Some(id) = api.pointer_mut("/components/headers/X-Request-Id") {
        id["required"] = true.into();
    }
    api.to_string()
}

/// The same for a path beside those of connections.
async fn through_router(
    State(shared): State<Arc<Shared>>,
    Extension(call): Extension<CallContext>,
    request: Request,
) -> Result<Response, Problem> {
    let (mut head, body) = request.into_parts();
    Ok(agents::agents(&shared, &call, &mut head, Either::Right(body)).await?.map(Body::new))
}

/// Check a key for a proxy.
///
/// For `auth_request` (nginx), `forward_auth` (Caddy), `ForwardAuth` (Traefik) and `ext_authz` (Envoy).
#[utoipa::path(
    get,
    path = "/auth/verify",
    security(("api_key" = [])),
    responses(
        (status = 200, description = "The key is live"),
    ),
)]
async fn verify_get(_key: LiveKey) -> StatusCode {
    // Envoy's ext_authz takes no other status for a yes.
    StatusCode::OK
}

/// Liveness.
#[utoipa::path(
    get,
    path = "/healthz",
    responses((
        status = 200,
        description = "The gateway serves",
        body = String,
        headers(
            ("x-atthene-folder" = String, description = "Tells its data folder apart from others; on loopback only"),
            ("x-atthene-proof" = String, description = "Answers the header x-atthene-challenge, where one was sent; on loopback only"),
        ),
    )),
)]
async fn healthz(
    State(shared): State<Arc<Shared>>,
    Extension(call): Extension<CallContext>,
    headers: HeaderMap,
) -> Response {
    call.leave_out();
    let challenge = headers.get(CHALLENGE_HEADER).map(HeaderValue::as_bytes);
    // Alive, and of no use: whoever looks is told. Not where hosts share a database: to start all of them anew because
    // that is away helps nobody, and each comes back by itself.
    let (status, text) = match shared.store_trouble() {
        None => (StatusCode::OK, "ok".to_owned()),
        Some(_) if shared.core.is_shared() => (StatusCode::OK, "alive".to_owned()),
        Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, trouble),
    };
    // It proves itself on loopback alone: a stranger on the port of another machine could pass the challenge on.
    let Some(port) = call.connection().local_port() else { return (status, text).into_response() };
    let mut response = (status, [(FOLDER_HEADER, shared.core.folder_id())], text).into_response();
    if let Some(challenge) = challenge.filter(|challenge| challenge.len() <= LONGEST_CHALLENGE) {
        let proof = shared.core.profile_secret().proof(port, challenge);
        if let Ok(proof) = HeaderValue::try_from(hex(&proof)) {
            response.headers_mut().insert(PROOF_HEADER, proof);
        }
    }
    response
}

/// How soon it is worth asking again whether calls are let in.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("1");

/// Readiness.
///
/// Whether calls are let in, for whoever spreads them. It says nothing of the agent runtime: that is away for every
/// gateway at once, and callers are told so.
#[utoipa::path(
    get,
    path = "/readyz",
    responses((status = 200, description = "Calls are let in", body = String)),
)]
async fn readyz(State(shared): State<Arc<Shared>>, Extension(call): Extension<CallContext>) -> Response {
    call.leave_out();
    let Some(problem) = shared.not_ready() else { return "ready".into_response() };
    let mut response = problem.respond(call.request_id().as_str());
    // Nobody knows how long it takes: a probe looks now and then.
    response.headers_mut().entry(header::RETRY_AFTER).or_insert(ASK_AGAIN);
    response
}

/// This description.
#[utoipa::path(
    get,
    path = "/openapi.json",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = serde_json::Value)),
)]
async fn openapi(Extension(call): Extension<CallContext>) -> Response {
    call.leave_out();
    ([(header::CONTENT_TYPE, "application/json")], Body::from(DESCRIPTION.as_str())).into_response()
}
