//! `atthene mcp`: for agents that speak MCP over standard input and output only. Passes each line on to the gateway's
//! `/mcp` as it is, with the key, and what the gateway answers back; it opens no profile and knows no tool.

use std::collections::HashMap;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use atthene_core::may_send_secrets_to;
use atthene_core::port::Http as _;
use atthene_identity::Network;
use http::{Request, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::args::McpArguments;
use crate::out::{CommandResult, Failure};

const KEY_VARIABLE: &str = "ATTHENE_API_KEY";
/// Where a request of the stateless revision names it.
const VERSION_OF_REQUEST: &str = "/params/_meta/io.modelcontextprotocol~1protocolVersion";
/// The largest answer, in bytes.
const LARGEST_ANSWER: usize = 8 * 1024 * 1024;
/// JSON-RPC's codes.
const NOT_JSON: i32 = -32700;
const FAILED: i32 = -32603;

pub(crate) async fn run(arguments: &McpArguments) -> CommandResult {
    let key = key(arguments)?;
    if std::io::stdin().is_terminal() {
        return Err(Failure::Use("An agent starts this and writes to it. To see what it does, read the guide.".into()));
    }
    if !may_send_secrets_to(&arguments.url) {
        let why = "The key would leave this machine unprotected: give an address that starts with https://.";
        return Err(Failure::Use(why.into()));
    }
    let bridge =
        Arc::new(Bridge { network: Network::patient(), url: arguments.url.clone(), key, agreed: Mutex::default() });
    let mut lines = lines();
    let mut calls = JoinSet::new();
    let mut open: HashMap<String, AbortHandle> = HashMap::new();
    while let Some(line) = lines.recv().await {
        while calls.try_join_next().is_some() {}
        open.retain(|_, call| !call.is_finished());
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            say(&failure(&Value::Null, NOT_JSON, "A line was not JSON."));
            continue;
        };
        if message["method"] == "notifications/cancelled" {
            // No session knows of it there: a call is cancelled by hanging up.
            if let Some(call) = open.remove(&message["params"]["requestId"].to_string()) {
                call.abort();
            }
            continue;
        }
        // Other notifications, and answers to what the gateway never asks.
        if message.get("id").is_none() || message.get("method").is_none() {
            continue;
        }
        let (id, bridge) = (message["id"].to_string(), bridge.clone());
        open.insert(id, calls.spawn(async move { bridge.pass_on(line, &message).await }));
    }
    // The client wants the rest of its answers.
    while calls.join_next().await.is_some() {}
    Ok(())
}

/// Never an argument: every program on the machine can read those.
fn key(arguments: &McpArguments) -> Result<SecretString, Failure> {
    let text = match &arguments.key_file {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| Failure::Failed(format!("The key could not be read from {}: {error}.", file.display())))?,
        None => std::env::var(KEY_VARIABLE).unwrap_or_default(),
    };
    let key = SecretString::from(text.trim());
    if key.expose_secret().is_empty() {
        let why = format!("There is no key: set {KEY_VARIABLE}, or name a file that holds it with --key-file.");
        return Err(Failure::Use(why));
    }
    Ok(key)
}

/// Reads on a thread of its own, which does not keep the process from ending.
fn lines() -> mpsc::Receiver<String> {
    let (to, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if !line.trim().is_empty() && to.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

struct Bridge {
    network: Network,
    url: String,
    key: SecretString,
    /// The revision that `initialize` agreed on, where the client is of that era.
    agreed: Mutex<Option<String>>,
}

impl Bridge {
    /// Passes one request on, and its answer back. Where this is dropped, the gateway sees the caller hang up.
    async fn pass_on(&self, line: String, message: &Value) {
        let id = &message["id"];
        let Some(request) = self.request(line, message) else {
            return say(&failure(id, FAILED, "The request could not be sent: its method or name is no plain text."));
        };
        let answer = match self.network.send_up_to(request, LARGEST_ANSWER).await {
            Ok(answer) => answer,
            Err(error) => return say(&failure(id, FAILED, &format!("The gateway gave no answer: {error}."))),
        };
        let body = String::from_utf8_lossy(answer.body());
        let mut said = false;
        for answer in messages(&body) {
            if message["method"] == "initialize"
                && let Some(version) = answer["result"]["protocolVersion"].as_str()
            {
                *self.agreed() = Some(version.to_owned());
            }
            say(&answer);
            said = true;
        }
        if !said && answer.status() != StatusCode::ACCEPTED {
            say(&failure(id, FAILED, &refusal(answer.status(), &body)));
        }
    }

    /// `None`: a header can't be made of what it says.
    fn request(&self, line: String, message: &Value) -> Option<Request<Vec<u8>>> {
        let method = message["method"].as_str()?;
        let mut request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key.expose_secret()));
        if let Some(version) = message.pointer(VERSION_OF_REQUEST).and_then(Value::as_str) {
            request = request.header("mcp-protocol-version", version).header("mcp-method", method);
            if let Some(name) = message["params"]["name"].as_str() {
                request = request.header("mcp-name", name);
            }
        } else if let Some(version) = self.agreed().as_deref().filter(|_| method != "initialize") {
            request = request.header("mcp-protocol-version", version);
        }
        request.body(line.into_bytes()).ok()
    }

    fn agreed(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.agreed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The messages of an answer: one as JSON, or those of a stream of events.
fn messages(body: &str) -> Vec<Value> {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok().filter(|message| message["jsonrpc"] == "2.0");
    match parsed(body) {
        Some(message) => vec![message],
        None => body.lines().filter_map(|line| parsed(line.strip_prefix("data:")?.trim())).collect(),
    }
}

/// What the gateway said instead of an answer: its problems explain themselves.
fn refusal(status: StatusCode, body: &str) -> String {
    let problem = serde_json::from_str::<Value>(body).unwrap_or_default();
    match (problem["title"].as_str(), problem["detail"].as_str()) {
        (Some(title), Some(detail)) => format!("{title}: {detail}"),
        _ => format!("The gateway answered {status}."),
    }
}

fn failure(id: &Value, code: i32, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

/// One message on one line. A client that reads no more is gone, and so are we soon.
fn say(message: &Value) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{message}").and_then(|()| out.flush());
}
