//! Connections for toolkits: who is connected, fresh access, calls to Microsoft Graph. A
//! refresh token or a client secret never passes here.

use std::sync::Arc;
use std::time::Duration;

use atthene_core::connections::{ConnectionId, ConnectionState, ConnectionView, Fresh};
use atthene_core::permissions::{Intent, Leave};
use atthene_core::{Code, Error, blocking};
use atthene_toolkits::{GraphRequest, act_of, call_graph, hand_out};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{Uri, header};
use http_body_util::Either;
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::api::asked_graph::{AskedAnswer, AskedCall, ask_and_call};
use crate::api::auth::LiveKey;
use crate::api::graph_call::{known, own_url, send};
use crate::api::next_links::Links;
use crate::api::path;
use crate::problem::Problem;
use crate::shared::Shared;
use crate::transport::body::Limited;
use crate::transport::call::CallContext;

/// A connection, as toolkits see it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ConnectionReport {
    /// Names it in the other routes.
    #[schema(example = "outlook-k7f3q9ab")]
    id: String,
    /// `outlook` or `teams`.
    toolkit: &'static str,
    /// Who signed in.
    account: String,
    /// What was granted.
    scopes: Vec<String>,
    /// `connected`, `needs_sign_in` or `failing`.
    state: &'static str,
    /// Why it does not work, and what to do.
    problem: Option<String>,
}

impl From<ConnectionView> for ConnectionReport {
    fn from(view: ConnectionView) -> Self {
        Self {
            id: view.id.as_str().to_owned(),
            toolkit: view.toolkit.as_str(),
            account: view.account,
            scopes: view.granted,
            state: match view.state {
                ConnectionState::Connected => "connected",
                ConnectionState::NeedsSignIn => "needs_sign_in",
                ConnectionState::Failing => "failing",
            },
            problem: view.problem,
        }
    }
}

/// Fresh access to Microsoft Graph.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TokenAnswer {
    /// Goes into `Authorization: Bearer`.
    access_token: String,
    /// When it ends (RFC 3339).
    expires_at: String,
    /// What it opens.
    scopes: Vec<String>,
}

/// List the connections.
#[utoipa::path(
    get,
    path = "/api/amas/connections",
    security(("api_key" = [])),
    responses(
        (status = 200, description = "Every connection", body = [ConnectionReport]),
    ),
)]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    _key: LiveKey,
) -> Result<Json<Vec<ConnectionReport>>, Problem> {
    let views = blocking(move || shared.core.connections.list()).await?;
    Ok(Json(views.into_iter().map(ConnectionReport::from).collect()))
}

/// Get fresh access for a connection.
///
/// Refreshed when less than five minutes are left.
#[utoipa::path(
    post,
    path = "/api/amas/connections/{id}/token",
    params(("id" = String, Path, description = "The connection")),
    security(("api_key" = [])),
    responses(
        (status = 200, description = "An access token for Microsoft Graph", body = TokenAnswer),
    ),
)]
pub(crate) async fn token(
    State(shared): State<Arc<Shared>>,
    LiveKey(key): LiveKey,
    Extension(call): Extension<CallContext>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    call.leave_times_out();
    let id = known(&id.map_err(|_| Problem::ConnectionNotFound)?.0)?;
    let fresh = hand_out(&shared.core, &id, Some(key), call.program()).await?;
    let answer = TokenAnswer {
        access_token: fresh.token.expose_secret().to_owned(),
        expires_at: fresh.expires_at.rfc3339(),
        scopes: fresh.scopes,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// Call Microsoft Graph with a connection's access.
///
/// `{path}` begins with the version, as in `v1.0/me/messages`. Methods, query and both bodies pass
/// through; cookies are dropped.
#[utoipa::path(
    get,
    path = "/api/amas/connections/{id}/graph/{path}",
    params(("id" = String, Path, description = "The connection"), ("path" = String, Path, description = "The path in Graph")),
    security(("api_key" = [])),
    responses(
        (status = 200, description = "Graph's answer, whatever its status"),
    ),
)]
pub(crate) async fn graph(
    State(shared): State<Arc<Shared>>,
    LiveKey(key): LiveKey,
    Extension(call): Extension<CallContext>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    call.leave_times_out();
    let Path((id, _)) = path.map_err(|_| Problem::PathNotAllowed)?;
    let id = known(&id)?;
    let (mut head, body) = request.into_parts();
    let gateway = own_url(&head, &call, shared.core.settings.current().trust_front_proxy);
    head.uri = graph_path(&head.uri, &id).ok_or(Problem::PathNotAllowed)?;
    // Links are led back in what is read as it is.
    head.headers.remove(header::ACCEPT_ENCODING);
    let (method, path) = (head.method.clone(), head.uri.path().to_owned());
    let asked = Intent::Graph(act_of(&method, &path));
    let (core, of) = (shared.core.clone(), id.clone());
    let leave = blocking(move || core.connections.permit(&of, asked)).await?;
    let (answer, graph) = if leave == Leave::Asked {
        let asked = AskedCall { id: id.clone(), key, head, body };
        match Box::pin(ask_and_call(&shared, &call, asked)).await? {
            AskedAnswer::ByGraph(answer, graph) => (answer, graph),
            AskedAnswer::Before(answer) => return Ok(answer),
        }
    } else {
        // Graph may refuse the access before it looks at the body.
        let largest = shared.config().largest_body;
        let body = Limited::new(Either::Right(body), largest, shared.limits.body_pause, call.clone());
        let mut body = body.keep().await?;
        let asked = GraphRequest { method, path, key, may_repeat: body.is_kept(), has_yes: false, by_tool: false };
        let mut graph = String::new();
        let send = |fresh: Fresh| {
            fresh.graph.as_str().clone_into(&mut graph);
            send(&shared, fresh, head.clone(), body.next(), &call)
        };
        (call_graph(&shared.core, &id, asked, call.program(), send).await?, graph)
    };
    let here = format!("{gateway}/api/amas/connections/{}/graph", id.as_str());
    Links::new(&graph, &here).lead_back(answer).await
}

/// What stands behind `/graph`, as it was written. The host comes from the connection alone.
fn graph_path(uri: &Uri, id: &ConnectionId) -> Option<Uri> {
    let prefix = format!("/api/amas/connections/{}/graph", id.as_str());
    let target = uri.path().strip_prefix(&prefix)?;
    let (version, below) = target.strip_prefix('/')?.split_once('/')?;
    if !matches!(version, "v1.0" | "beta") || !path::stays(below) {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{target}{query}").parse().ok()
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let text = || format!("{error} {}", error.remedy());
        match error.code() {
            Code::Stopped => Self::Stopped,
            Code::ConnectionNotFound => Self::ConnectionNotFound,
            Code::NeedsSignIn => Self::NeedsSignIn(error.to_string()),
            Code::ConnectionFailing => Self::ConnectionFailing(error.to_string()),
            Code::NeedsApproval | Code::TooManyQuestions | Code::NotPermitted => Self::NotPermitted(text()),
            Code::IntegrationNotFound | Code::BuiltInNotSetUp | Code::SecretMissing => Self::ConnectionFailing(text()),
            Code::ConnectionWaiting | Code::AuthorityRefused => {
                Self::ConnectionWaiting(error.to_string(), wait(&error))
            }
            Code::KeychainLocked
            | Code::KeychainMissing
            | Code::KeyringMissing
            | Code::KeychainRefused
            | Code::KeychainTimeout
            | Code::VaultFile
            | Code::VaultPassphrase
            | Code::OtherFleetKey
            | Code::SealedDamaged => Self::KeychainUnavailable(text()),
            Code::DatabaseLocked
            | Code::DatabaseDamaged
            | Code::DatabaseFailed
            | Code::DatabaseReplaced
            | Code::DatabaseUnreachable
            | Code::DatabaseOutcomeUnknown
            | Code::DiskFull
            | Code::SecretsUnreachable
            | Code::DataFolderNotWritable => Self::StoreUnavailable(error.to_string()),
            _ => {
                tracing::warn!(%error, "a connection could not be served");
                Self::Internal
            }
        }
    }
}

/// How long whoever asked has to wait before it is worth asking again.
fn wait(error: &Error) -> Duration {
    const UNKNOWN: Duration = Duration::from_secs(15);
    if let Error::Waiting { left, .. } = error { *left } else { UNKNOWN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_at_graph() {
        let id = ConnectionId::try_from("outlook-abcdefgh").expect("an id");
        let asked = |path: &str| {
            let uri: Uri = format!("/api/amas/connections/outlook-abcdefgh/graph{path}").parse().ok()?;
            graph_path(&uri, &id).map(|uri| uri.to_string())
        };
        for path in [
            "/v1.0/me/messages?$top=5&$select=subject",
            "/beta/users/ada@contoso.com",
            "/v1.0/me/drive/root:/Reports/plan.docx:/content",
            "/v1.0/me/messages/AAMkAG%3D%3D",
            "/v1.0/me/drive/root:/Rabatt%20100%25.xlsx:/content",
            "/v1.0/me/",
            "/v1.0/me/drive/root:/a%2Fb:/content",
            "/v1.0//me",
            "/v1.0/https://evil.example",
        ] {
            assert_eq!(asked(path).as_deref(), Some(path));
        }
        for path in [
            "",
            "/",
            "/me",
            "/v1.0",
            "/v1.0/../me",
            "/v1.0/%2e%2e/me",
            "/v1.0/.%2E/me",
            "/v1.0//../me",
            "//evil.example/v1.0",
            "/@evil.example/v1.0",
            "/v1.0/..%2fme",
            "/v1.0/%5c..%5cevil",
            "/v1.0/%252e%252e/me",
            "/v1.0/..;/me",
            "/https://evil.example/v1.0",
        ] {
            assert_eq!(asked(path), None, "{path}");
        }
    }
}
