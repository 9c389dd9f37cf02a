//! Calls to Graph with a connection's access.

use std::sync::Arc;
use std::time::Instant;

use atthene_core::connections::{ConnectionId, Fresh, GraphCall};
use atthene_core::{Core, Error};
use atthene_identity::claims_challenge;
use http::{Response, StatusCode, header};

use crate::access::{access, on_rows};

/// What is asked of Graph, as it is recorded.
pub struct GraphRequest {
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// Whether it may be sent a second time: a body can be sent once only.
    pub may_repeat: bool,
}

/// Calls Graph. `send` is called with fresh access; once more with new access where Graph refused the first
/// and the call may be repeated. What came of it is on record before the answer is given, without the cookies
/// that it sets.
///
/// # Errors
/// What `send` fails with, and why there is no access.
pub async fn call_graph<B, E, Sent>(
    core: &Arc<Core>,
    id: &ConnectionId,
    request: GraphRequest,
    program: impl Future<Output = String>,
    mut send: impl FnMut(Fresh) -> Sent,
) -> Result<Response<B>, E>
where
    E: From<Error>,
    Sent: Future<Output = Result<Response<B>, E>>,
{
    let started = Instant::now();
    let fresh = access(core, id).await?;
    let token = fresh.token.clone();
    let mut answer = send(fresh).await?;
    if answer.status() == StatusCode::UNAUTHORIZED {
        core.connections.drop_access(id, &token, claims_challenge(answer.headers()));
        if request.may_repeat {
            answer = send(access(core, id).await?).await?;
        }
    }
    answer.headers_mut().remove(header::SET_COOKIE);
    let (status, time, program) = (answer.status().as_u16(), started.elapsed(), program.await);
    let (core, id) = (core.clone(), id.clone());
    on_rows(move || {
        let GraphRequest { method, path, .. } = &request;
        core.connections.graph_called(&id, &GraphCall { method, path, status, time, program: &program })
    })
    .await?;
    Ok(answer)
}
