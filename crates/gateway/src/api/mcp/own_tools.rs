//! Tools that need no connection: who is connected, and the company's own agents.

use std::sync::Arc;

use atthene_core::blocking;
use atthene_core::connections::ConnectionView;
use axum::body::Body;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, Either, Limited};
use rmcp::model::{CallToolResult, JsonObject};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::agents;
use crate::problem::Problem;
use crate::shared::Shared;
use crate::transport::call::CallContext;

pub(super) const CONNECTIONS_LIST: &str = "connections_list";
pub(super) const AGENT_EXECUTE: &str = "agent_execute";

/// Bytes of an agent's answer that are read, and characters of it that are told: what is larger fills a model's
/// context for nothing.
const LARGEST_ANSWER: usize = 1024 * 1024;
const LONGEST_TOLD: usize = 60_000;

/// As they are listed.
pub(super) fn definitions() -> [Value; 2] {
    [
        json!({
            "name": AGENT_EXECUTE,
            "title": "Ask an agent",
            "description": "Sends a message to one of the company's agents and returns its answer.",
            "inputSchema": {
                "type": "object",
                "properties": { "agent_id": { "type": "string" }, "message": { "type": "string" } },
                "required": ["agent_id", "message"],
                "additionalProperties": false,
            },
            "outputSchema": {
                "type": "object",
                "properties": { "status": { "type": "integer" }, "answer": {}, "cut": { "type": "boolean" } },
                "required": ["status", "answer"],
            },
            "annotations": { "readOnlyHint": false, "destructiveHint": true, "openWorldHint": true },
        }),
        json!({
            "name": CONNECTIONS_LIST,
            "title": "List the connections",
            "description": "The accounts that tools can be used with, whether each works, and what is permitted.",
            "inputSchema": { "type": "object", "additionalProperties": false },
            "outputSchema": {
                "type": "object",
                "properties": { "connections": { "type": "array", "items": { "type": "object" } } },
                "required": ["connections"],
            },
            "annotations": { "readOnlyHint": true, "openWorldHint": false },
        }),
    ]
}

#[derive(Serialize)]
struct Connected<'a> {
    connection: &'a str,
    toolkit: &'a str,
    account: &'a str,
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a str>,
    /// The kinds of act that are allowed.
    may: Vec<&'static str>,
}

/// Answers [`CONNECTIONS_LIST`].
pub(super) async fn connections_list(shared: &Arc<Shared>) -> Result<CallToolResult, Problem> {
    let core = shared.core.clone();
    let all = blocking(move || core.connections.list()).await?;
    let shown: Vec<_> = all.iter().map(connected).collect();
    Ok(CallToolResult::structured(json!({ "connections": shown })))
}

fn connected(view: &ConnectionView) -> Connected<'_> {
    Connected {
        connection: view.id.as_str(),
        toolkit: view.toolkit.as_str(),
        account: &view.account,
        state: view.state.as_str(),
        problem: view.problem.as_deref(),
        may: view.permissions.allowed().map(atthene_core::permissions::Act::as_str).collect(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Execute {
    agent_id: String,
    message: String,
}

/// Answers [`AGENT_EXECUTE`]: the very call of the agent API, with the key that came along.
pub(super) async fn agent_execute(
    shared: &Arc<Shared>,
    call: &CallContext,
    headers: &HeaderMap,
    arguments: JsonObject,
) -> Result<CallToolResult, Problem> {
    let asked: Execute = serde_json::from_value(Value::Object(arguments))
        .map_err(|_| Problem::BadRequest("The arguments are agent_id and message, both text, and no others."))?;
    let body = serde_json::to_vec(&json!({ "agent_id": asked.agent_id, "message": asked.message }));
    let mut request = Request::post(agents::EXECUTE)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .body(Body::from(body.map_err(|_| Problem::Internal)?))
        .map_err(|_| Problem::Internal)?;
    if let Some(key) = headers.get(header::AUTHORIZATION) {
        request.headers_mut().insert(header::AUTHORIZATION, key.clone());
    }
    let (mut head, body) = request.into_parts();
    let answer = agents::agents(shared, call, &mut head, Either::Right(body)).await?;
    let status = answer.status();
    let read = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await;
    let Ok(bytes) = read.map(http_body_util::Collected::to_bytes) else {
        return Err(Problem::BadRequest("The agent's answer broke off, or is larger than 1 MiB."));
    };
    let text = String::from_utf8_lossy(&bytes);
    let told: String = text.chars().take(LONGEST_TOLD).collect();
    let is_cut = told.len() < text.len();
    let whole = if is_cut { None } else { serde_json::from_slice(&bytes).ok() };
    let structured = json!({
        "status": status.as_u16(),
        "answer": whole.unwrap_or(Value::String(told)),
        "cut": is_cut,
    });
    Ok(if status.is_success() {
        CallToolResult::structured(structured)
    } else {
        CallToolResult::structured_error(structured)
    })
}
