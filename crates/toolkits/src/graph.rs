//! Calls to Graph with a connection's access.

use std::sync::Arc;
use std::time::Instant;

use atthene_core::connections::{ConnectionId, Fresh, GraphCall};
use atthene_core::keys::KeyId;
use atthene_core::permissions::Intent;
use atthene_core::{Core, Error, blocking};
use atthene_identity::claims_challenge;
use http::{Method, Response, StatusCode, header};

use crate::access::{Wanted, access};
use crate::graph_acts::{act_of, act_of_tool};

/// What is asked of Graph, as it is recorded.
pub struct GraphRequest {
    pub method: Method,
    /// The path, without its query, as it is sent.
    pub path: String,
    /// The key that the program came with.
    pub key: KeyId,
    /// Whether it may be sent a second time: a body that was not kept can be sent once only.
    pub may_repeat: bool,
    /// Whether a person has said yes to it, where one has to.
    pub has_yes: bool,
    /// Whether a tool has named this very call, which is then permitted as the tool is.
    pub by_tool: bool,
}

/// Calls Graph. `send` is called with fresh access; once more with new access where Graph refused the first
/// and the call may be repeated. What came of it is recorded before the answer is given, and given even where
/// that fails; without the cookies that it sets.
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
    let of = if request.by_tool {
        act_of_tool(&request.method, &request.path).map_or(Intent::Graph(None), Intent::Tool)
    } else {
        Intent::Graph(act_of(&request.method, &request.path))
    };
    let asked = Some(Wanted { of, has_yes: request.has_yes });
    let fresh = access(core, id, asked).await?;
    let (token, provider) = (fresh.token.clone(), fresh.provider);
    let mut answer = send(fresh).await?;
    if answer.status() == StatusCode::UNAUTHORIZED {
        let (dropped, refused, claims) = (core.clone(), id.clone(), claims_challenge(provider, answer.headers()));
        // What is asked for is written down, which may wait for others.
        blocking(move || {
            dropped.connections.drop_access(&refused, &token, claims);
            Ok(())
        })
        .await?;
        if request.may_repeat {
            answer = send(access(core, id, asked).await?).await?;
        }
    }
    answer.headers_mut().remove(header::SET_COOKIE);
    record(core, id, request, program.await, answer.status(), started).await;
    Ok(answer)
}

/// Writes a call down. It was made, whatever becomes of its record: an error would have a mail sent twice.
async fn record(
    core: &Arc<Core>,
    id: &ConnectionId,
    request: GraphRequest,
    program: String,
    status: StatusCode,
    started: Instant,
) {
    let (core, id, time) = (core.clone(), id.clone(), started.elapsed());
    let written = blocking(move || {
        let GraphRequest { method, path, key, .. } = &request;
        let (program, key) = (program.as_str(), Some(key));
        let method = method.as_str();
        core.connections.graph_called(&id, &GraphCall { method, path, status: status.as_u16(), time, program, key })
    });
    if let Err(error) = written.await {
        tracing::error!(%error, "a call to Graph was made that is not on record");
    }
}
