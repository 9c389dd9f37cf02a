//! Calls the gateway as an application would: with curl.

use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

/// What curl got.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status; 0 when nothing answered.
    pub status: u16,
    /// The body, where it is JSON.
    pub body: Value,
}

impl Answer {
    /// The stable code of a refusal.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// Executes the built-in agent at the default address.
pub async fn execute(key: &str) -> Result<Answer> {
    execute_with("http://127.0.0.1:8765", key).await
}

/// Executes the built-in agent at the address of this gateway.
pub async fn execute_with(base: &str, key: &str) -> Result<Answer> {
    let body = r#"{"agent_id": "atthene-status"}"#;
    request(&["--header", "Content-Type: application/json", "--data", body], &format!("{base}{EXECUTE}"), key).await
}

/// Executes the built-in agent as an application that calls itself so.
pub async fn execute_as(user_agent: &str, key: &str) -> Result<Answer> {
    let body = r#"{"agent_id": "atthene-status"}"#;
    let json = "Content-Type: application/json";
    let arguments = ["--user-agent", user_agent, "--header", json, "--data", body];
    request(&arguments, &format!("http://127.0.0.1:8765{EXECUTE}"), key).await
}

/// Calls a tool as an agent does that speaks MCP, in its stateless revision.
pub async fn call_tool(name: &str, arguments: &Value, key: &str) -> Result<Answer> {
    const VERSION: &str = "2026-07-28";
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": name, "arguments": arguments, "_meta": meta },
    });
    let (version, named) = (format!("MCP-Protocol-Version: {VERSION}"), format!("Mcp-Name: {name}"));
    let headers = ["Content-Type: application/json", &version, "Mcp-Method: tools/call", &named];
    let mut arguments: Vec<&str> = headers.iter().flat_map(|header| ["--header", header]).collect();
    let body = body.to_string();
    arguments.extend(["--data", &body]);
    request(&arguments, "http://127.0.0.1:8765/mcp", key).await
}

/// Calls a route at the default address.
pub async fn call(method: &str, path: &str, key: &str) -> Result<Answer> {
    call_at("http://127.0.0.1:8765", method, path, key).await
}

/// Calls a route of the gateway at this address.
pub async fn call_at(base: &str, method: &str, path: &str, key: &str) -> Result<Answer> {
    request(&["--request", method], &format!("{base}{path}"), key).await
}

const EXECUTE: &str = "/api/amas/conversations/execute";

/// The key goes through standard input, not through the process list.
async fn request(arguments: &[&str], url: &str, key: &str) -> Result<Answer> {
    let mut curl = tokio::process::Command::new("curl")
        .args(["--silent", "--max-time", "30", "--header", "@-", "--write-out", "\n%{http_code}"])
        .args(arguments)
        .arg(url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("curl")?;
    let mut stdin = curl.stdin.take().context("curl has no standard input")?;
    stdin.write_all(format!("Authorization: Bearer {key}\n").as_bytes()).await?;
    drop(stdin);
    let printed = String::from_utf8(curl.wait_with_output().await?.stdout)?;
    let (body, status) = printed.rsplit_once('\n').context("curl printed nothing")?;
    Ok(Answer { status: status.parse()?, body: serde_json::from_str(body).unwrap_or(Value::Null) })
}
