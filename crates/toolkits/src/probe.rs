//! Tries a connection: who am I, and one read that fits the toolkit.

use std::sync::Arc;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use atthene_core::connections::{ConnectionId, Fresh, Toolkit};
use atthene_core::{Core, Error};

use crate::access::access;

/// One call of a try, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct ProbeStep {
    /// The call, as in `GET /me`.
    pub call: String,
    /// Whether Graph answered it.
    pub passed: bool,
    /// What was found, or why not.
    pub note: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Me {
    display_name: Option<String>,
    user_principal_name: Option<String>,
}

#[derive(Deserialize)]
struct GraphError {
    error: GraphErrorBody,
}

#[derive(Deserialize)]
struct GraphErrorBody {
    code: String,
    message: String,
}

/// Calls Graph twice with fresh access. No receipt: nothing leaves this process, and no agent has used it.
pub async fn probe(core: &Arc<Core>, id: &ConnectionId) -> Result<Vec<ProbeStep>, Error> {
    let toolkit = core.connections.toolkit(id)?;
    let fresh = access(core, id, None).await?;
    let (read, path) = match toolkit {
        Toolkit::Outlook => ("GET /me/messages", "/v1.0/me/messages?$top=1&$select=id"),
        Toolkit::Teams => ("GET /me/joinedTeams", "/v1.0/me/joinedTeams?$select=id"),
    };
    Ok(vec![
        call(core, &fresh, "GET /me", "/v1.0/me", |body| {
            let me: Me = serde_json::from_slice(body).unwrap_or_default();
            me.display_name.or(me.user_principal_name).unwrap_or_else(|| "Graph answered.".to_owned())
        })
        .await,
        call(core, &fresh, read, path, |_| "Graph answered.".to_owned()).await,
    ])
}

async fn call(core: &Core, fresh: &Fresh, call: &str, path: &str, found: impl FnOnce(&[u8]) -> String) -> ProbeStep {
    let step = |passed, note: String| ProbeStep { call: call.to_owned(), passed, note };
    let request = http::Request::get(format!("{}{path}", fresh.graph.as_str()))
        .header(http::header::AUTHORIZATION, format!("Bearer {}", fresh.token.expose_secret()))
        .body(Vec::new());
    let Ok(request) = request else { return step(false, "The call could not be made.".to_owned()) };
    match core.http().send(request).await {
        Ok(answer) if answer.status().is_success() => step(true, found(answer.body())),
        Ok(answer) => {
            let said = serde_json::from_slice::<GraphError>(answer.body());
            let said =
                said.map_or_else(|_| String::new(), |body| format!(": {} ({})", body.error.message, body.error.code));
            let clean: String = said.chars().filter(|c| !c.is_control()).take(300).collect();
            step(false, format!("Graph answered {}{clean}", answer.status().as_u16()))
        }
        Err(error) => step(false, error.to_string()),
    }
}
