//! MCP's own programs that look at a server: the inspector and the conformance suite, in `tests/mcp`.

use std::process::Stdio;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::command::Printed;
use crate::machine::Machine;
use crate::parts::node;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/mcp");

fn script(machine: &Machine, path: &str, arguments: &[&str]) -> Result<Command> {
    let mut command = node(machine)?;
    // What they write stays with the machine.
    command.current_dir(machine.home()).arg(format!("{FOLDER}/{path}")).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

async fn printed(mut command: Command) -> Result<Printed> {
    let done = command.output().await?;
    Ok(Printed {
        code: done.status.code().unwrap_or(-1),
        out: String::from_utf8(done.stdout)?,
        err: String::from_utf8(done.stderr)?,
    })
}

/// Runs the inspector without a browser: its exit code is 0, 3 where it was not let in, 5 where a tool tells an error.
pub async fn inspect(machine: &Machine, address: &str, key: &str, arguments: &[&str]) -> Result<Printed> {
    let url = format!("{address}/mcp");
    let header = format!("Authorization: Bearer {key}");
    let to = ["--cli", &url, "--transport", "http", "--header", &header, "--format", "json"];
    let path = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js";
    printed(script(machine, path, &[&to, arguments].concat())?).await
}

/// Runs the conformance suite.
pub async fn conformance(machine: &Machine, arguments: &[&str]) -> Result<Printed> {
    printed(script(machine, "node_modules/@modelcontextprotocol/conformance/dist/index.js", arguments)?).await
}

/// Stands in front of the gateway and adds the key; tells its address.
pub async fn add_key(machine: &Machine, address: &str, key: &str) -> Result<(Child, String)> {
    let mut proxy = script(machine, "add_key.mjs", &[address])?.env("ATTHENE_API_KEY", key).spawn()?;
    let mut own = String::new();
    BufReader::new(proxy.stdout.take().context("no standard output")?).read_line(&mut own).await?;
    Ok((proxy, own.trim().to_owned()))
}
