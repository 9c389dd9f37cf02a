//! Attachments that a tool has named: each is served once, under the key, to whoever was given its link. Bytes of a
//! file in an answer would fill a model's context.

use std::sync::Arc;

use atthene_core::connections::Fresh;
use atthene_toolkits::{GraphRequest, call_graph};
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};

use super::graph_call::{known, send};
use crate::api::auth::LiveKey;
use crate::problem::Problem;
use crate::shared::Shared;
use crate::transport::body::Limited;
use crate::transport::call::CallContext;

/// Get an attachment that a tool has named.
///
/// Once: the link leads nowhere after that, and after ten minutes.
#[utoipa::path(
    get,
    path = "/api/amas/connections/{id}/attachments/{name}",
    params(("id" = String, Path, description = "The connection"), ("name" = String, Path, description = "As the tool gave it")),
    security(("api_key" = [])),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream", body = Vec<u8>),
    ),
)]
pub(crate) async fn attachment(
    State(shared): State<Arc<Shared>>,
    LiveKey(key): LiveKey,
    Extension(call): Extension<CallContext>,
    at: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    call.leave_times_out();
    let Path((id, name)) = at.map_err(|_| Problem::NotFound)?;
    let id = known(&id)?;
    // Whoever only looks does not use the link up.
    if request.method() != Method::GET {
        return Err(Problem::MethodNotAllowed(Some(HeaderValue::from_static("GET"))));
    }
    let path = shared.attachments.take(&id, &name).ok_or(Problem::NotFound)?;
    let (mut head, _) = request.into_parts();
    head.uri = path.parse::<Uri>().map_err(|_| Problem::Internal)?;
    head.headers = HeaderMap::new();
    let asked = GraphRequest { method: Method::GET, path, key, may_repeat: true, has_yes: true, by_tool: true };
    let next = |fresh: Fresh| {
        let nothing = Limited::kept(Bytes::new(), shared.limits.body_pause, call.clone());
        send(&shared, fresh, head.clone(), nothing, &call)
    };
    let mut answer = call_graph(&shared.core, &id, asked, call.program(), next).await?;
    // A file of a stranger: it is saved, and never shown as a page.
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer.map(axum::body::Body::new).into_response())
}
