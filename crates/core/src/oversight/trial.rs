//! A first call with a new key, through the gateway as any application makes it.

use std::time::Instant;

use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use serde::Serialize;
use serde_json::json;
use ts_rs::TS;

use super::port_owner::PortOwner;
use crate::error::Error;
use crate::keys::KeyText;
use crate::use_cases::Core;

/// How this app calls itself, so that its own call is told from those of applications.
pub const TRIAL_AGENT: &str = "ATTHENE-Settings";

/// What came of the call.
#[derive(Debug, Serialize, TS)]
#[ts(export)]
pub struct TrialCall {
    /// Method and path.
    pub call: String,
    pub status: u16,
    pub body: String,
    /// In milliseconds.
    pub took: f64,
    /// Names it in the record; `None`: something else than the gateway answered.
    pub request_id: Option<String>,
}

impl Core {
    /// Calls the gateway on this port of this machine with the key: its built-in agent, or the list of connections where
    /// an agent runtime is set, whose agents are not this app's to wake.
    ///
    /// What is on a port is read from rows, and the key is a secret: whoever listens there proves first that it serves
    /// this profile, else the key is not sent.
    pub async fn try_key(&self, key: &KeyText, port: u16) -> Result<TrialCall, Error> {
        if self.port_owner(port).await? != PortOwner::Here {
            return Err(Error::GatewayUnreachable("what answers there is not the gateway of this profile".into()));
        }
        let (method, path, body) = if self.settings.current().runtime_url.is_none() {
            let body = json!({ "agent_id": "atthene-status", "message": "Hello!" }).to_string();
            ("POST", "/api/amas/conversations/execute", body)
        } else {
            ("GET", "/api/amas/connections", String::new())
        };
        let request = http::Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:{port}{path}"))
            .header(AUTHORIZATION, format!("Bearer {}", key.expose()))
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, TRIAL_AGENT)
            .body(body.into_bytes())
            .map_err(|error| Error::Internal(error.to_string()))?;
        let begun = Instant::now();
        let answer = self.http.send(request).await.map_err(|error| Error::GatewayUnreachable(error.to_string()))?;
        let took = begun.elapsed().as_secs_f64() * 1000.0;
        let request_id = answer.headers().get("x-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        let status = answer.status().as_u16();
        let body = String::from_utf8_lossy(answer.body()).into_owned();
        Ok(TrialCall { call: format!("{method} {path}"), status, body, took, request_id })
    }
}
