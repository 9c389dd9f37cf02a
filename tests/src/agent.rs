//! MCP's own clients, each behind a script of `tests/mcp` that does what a line of its input says.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::answered;
use crate::machine::Machine;

/// Which client, and how it comes to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The script.
    pub script: &'static str,
    /// `auto`, `legacy`, or a revision.
    pub era: &'static str,
    /// Over standard input and output, through `atthene mcp`; else over HTTP.
    pub through_the_command: bool,
}

/// A client that runs.
pub struct Agent {
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// The revision that was agreed on, where the client tells.
    pub version: String,
    _client: Child,
}

impl Agent {
    /// Starts it, and waits until it is connected to the gateway at this address.
    pub async fn start(machine: &Machine, client: Client, address: &str, key: &str) -> Result<Self> {
        // LangChain's adapter wants another version of the official client.
        let variable =
            if client.script == "langchain_client" { "ATTHENE_MCP_LANGCHAIN" } else { "ATTHENE_MCP_CLIENTS" };
        let programs = std::env::var_os(variable).map(PathBuf::from);
        let python = programs.with_context(|| format!("{variable} names no folder; `cargo xtask test` sets it"))?;
        let url = format!("{address}/mcp");
        let mut command = machine.command(python.join("python"));
        command.arg(format!("{}/mcp/{}.py", env!("CARGO_MANIFEST_DIR"), client.script)).arg(client.era);
        if client.through_the_command {
            let atthene = std::env::var_os("ATTHENE_COMMAND").context("ATTHENE_COMMAND names no command")?;
            command.arg("stdio").arg(atthene).arg(url);
        } else {
            command.args(["http", &url]);
        }
        let mut child = command
            .env("ATTHENE_API_KEY", key)
            // Nothing of it lies beside the scripts.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().context("no standard input")?;
        let lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        let mut agent = Self { input, lines, version: String::new(), _client: child };
        let first = agent.answer().await.with_context(|| format!("{client:?}"))?;
        first["version"].as_str().context("a version")?.clone_into(&mut agent.version);
        Ok(agent)
    }

    async fn tell(&mut self, what: &Value) -> Result<()> {
        Ok(self.input.write_all(format!("{what}\n").as_bytes()).await?)
    }

    /// What the client saw of what it does now.
    pub async fn answer(&mut self) -> Result<Value> {
        let line = answered("a line of the client", self.lines.next_line()).await?;
        Ok(serde_json::from_str(&line.context("the client has ended")?)?)
    }

    /// The same, of a call that nobody lets go: the gateway waits for a person for a minute.
    pub async fn answer_at_last(&mut self) -> Result<Value> {
        let waited = tokio::time::timeout(std::time::Duration::from_secs(90), self.lines.next_line()).await;
        Ok(serde_json::from_str(&waited.context("no answer")??.context("the client has ended")?)?)
    }

    /// The names of all tools.
    pub async fn tools(&mut self) -> Result<Vec<String>> {
        self.tell(&json!({ "do": "list" })).await?;
        Ok(serde_json::from_value(self.answer().await?["tools"].take())?)
    }

    /// Begins a call.
    pub async fn begin(&mut self, tool: &str, arguments: &Value) -> Result<()> {
        self.tell(&json!({ "do": "call", "name": tool, "arguments": arguments })).await
    }

    /// Calls a tool.
    pub async fn call(&mut self, tool: &str, arguments: &Value) -> Result<Value> {
        self.begin(tool, arguments).await?;
        self.answer().await
    }

    /// Calls a tool; its structured answer. One that tells an error is an error.
    pub async fn gets(&mut self, tool: &str, arguments: &Value) -> Result<Value> {
        let mut answer = self.call(tool, arguments).await?;
        ensure!(answer["error"] == false, "{tool} {arguments}: {answer}");
        Ok(answer["structured"].take())
    }

    /// Calls a tool, and cancels it once `begun` has come about.
    pub async fn cancels(
        &mut self,
        tool: &str,
        arguments: &Value,
        begun: impl Future<Output = Result<()>>,
    ) -> Result<Value> {
        self.tell(&json!({ "do": "call_and_cancel", "name": tool, "arguments": arguments })).await?;
        begun.await?;
        self.tell(&json!({})).await?;
        self.answer().await
    }
}
