//! `atthene-status`, the built-in agent: it answers when no agent runtime is set, so that
//! a new key can be tried on a new machine.

use atthene_core::keys::KeyView;
use atthene_core::{Core, UnixMs};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// The agent's id.
pub(crate) const STATUS_AGENT: &str = "atthene-status";

/// The body of a call to `execute`.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct ExecuteRequest {
    /// Which agent is to answer.
    #[schema(example = "atthene-status")]
    pub(crate) agent_id: String,
    /// What to ask it. The built-in agent reports the same whatever is asked.
    #[serde(default, rename = "input")]
    #[schema(example = "How are you?")]
    pub(crate) _input: Option<serde_json::Value>,
}

/// The built-in agent's answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct StatusAnswer {
    /// Which agent answered.
    agent_id: &'static str,
    /// Names this call in the gateway's records.
    request_id: String,
    /// The report in words.
    output: String,
    /// The key that was used.
    key: KeyReport,
}

/// The live key, without its text.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct KeyReport {
    /// The public part of the key.
    id: String,
    /// What the administrator calls it.
    name: String,
    /// When it expires (RFC 3339); null: never.
    expires_at: Option<String>,
}

/// Reads the call and answers it.
pub(crate) fn answer(core: &Core, key: &str, body: &[u8], request_id: &str) -> Result<StatusAnswer, Problem> {
    let request: ExecuteRequest = serde_json::from_slice(body).map_err(|_| {
        Problem::BadRequest("The body must be JSON with an \"agent_id\", as in {\"agent_id\": \"atthene-status\"}.")
    })?;
    if request.agent_id != STATUS_AGENT {
        return Err(Problem::NoAgentRuntime);
    }
    let keys = core.keys.list().map_err(|error| {
        tracing::warn!(%error, "the built-in agent could not read the keys");
        Problem::Internal
    })?;
    let key = keys.into_iter().find(|view| &*view.id.0 == key).ok_or(Problem::Internal)?;
    Ok(StatusAnswer {
        agent_id: STATUS_AGENT,
        request_id: request_id.to_owned(),
        output: in_words(&key),
        key: KeyReport { id: key.id.0.to_string(), name: key.name, expires_at: key.expires_at.map(rfc3339) },
    })
}

fn in_words(key: &KeyView) -> String {
    let life = match key.expires_at {
        None => "does not expire".to_owned(),
        Some(at) => format!("is valid until {}", rfc3339(at)),
    };
    format!(
        "The gateway works. Your key \"{}\" {life}. No agent runtime is set yet, so only {STATUS_AGENT} answers.",
        key.name
    )
}

fn rfc3339(at: UnixMs) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |at| at.to_string())
}
