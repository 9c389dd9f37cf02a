//! `atthene-status`, the built-in agent: it answers when no agent runtime is set, so that
//! a new key can be tried on a new machine.

use atthene_core::connections::{ConnectionState, ConnectionView};
use atthene_core::keys::{KeyId, KeyView};
use atthene_core::{Core, UnixMs};
use serde::{Deserialize, Serialize};

use crate::api::connections::ConnectionReport;
use crate::problem::Problem;

/// The agent's id.
pub(crate) const STATUS_AGENT: &str = "atthene-status";

/// The body of a call to `execute`.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct ExecuteRequest {
    /// Which agent is to answer.
    #[schema(example = "atthene-status")]
    pub(crate) agent_id: String,
    /// What to say to it. The built-in agent reports the same whatever it is told.
    #[serde(default, rename = "message")]
    #[schema(example = "Hello!")]
    pub(crate) _message: Option<serde_json::Value>,
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
    /// Every connection.
    connections: Vec<ConnectionReport>,
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
pub(crate) fn answer(core: &Core, key: &KeyId, body: &[u8], request_id: &str) -> Result<StatusAnswer, Problem> {
    let request: ExecuteRequest = serde_json::from_slice(body).map_err(|_| {
        Problem::BadRequest("The body must be JSON with an \"agent_id\", as in {\"agent_id\": \"atthene-status\"}.")
    })?;
    if request.agent_id != STATUS_AGENT {
        return Err(Problem::NoAgentRuntime);
    }
    // Unlike a call that is sent on, this one needs the rows: where they can't be had, that is said.
    let key = core.keys.get(key)?.ok_or(Problem::Internal)?;
    let connections = core.connections.list()?;
    Ok(StatusAnswer {
        agent_id: STATUS_AGENT,
        request_id: request_id.to_owned(),
        output: in_words(&key, &connections),
        key: KeyReport { id: key.id.0.to_string(), name: key.name, expires_at: key.expires_at.map(UnixMs::rfc3339) },
        connections: connections.into_iter().map(ConnectionReport::from).collect(),
    })
}

fn in_words(key: &KeyView, connections: &[ConnectionView]) -> String {
    let life = match key.expires_at {
        None => "does not expire".to_owned(),
        Some(at) => format!("is valid until {}", at.rfc3339()),
    };
    let broken = connections.iter().filter(|view| view.state != ConnectionState::Connected).count();
    let connected = match (connections.len(), broken) {
        (0, _) => "Nobody is connected yet.".to_owned(),
        (1, 0) => "The one connection works.".to_owned(),
        (all, 0) => format!("All {all} connections work."),
        (all, broken) => format!("{broken} of {all} connections need attention."),
    };
    format!(
        "The gateway works. Your key \"{}\" {life}. {connected} No agent runtime is set yet, so only {STATUS_AGENT} \
         answers.",
        key.name
    )
}

#[cfg(test)]
mod tests {
    use atthene_test_support::machine::{Machine, new_key};

    use super::*;

    #[test]
    fn rows_that_can_not_be_had_are_no_defect_of_the_gateway() {
        let machine = Machine::with_file();
        let core = machine.open();
        let key = core.keys.create(new_key("agents", 30, None)).expect("creates").0;
        let body = br#"{"agent_id":"atthene-status"}"#;
        assert!(answer(&core, &key.id, body, "1").is_ok());
        std::fs::remove_file(machine.dir.path().join("atthene.db")).expect("removes");
        let refused = answer(&core, &key.id, body, "2").err();
        assert!(matches!(refused, Some(Problem::StoreUnavailable(_))), "{refused:?}");
    }
}
