//! What `/openapi.json` describes is what the gateway does: every operation is asked for all that the description
//! allows and forbids.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use atthene_e2e::{Machine, output, until};

/// An agent runtime that reads what it is sent and answers.
const RUNTIME: &str = r#"
import http.server, json
class Runtime(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = json.dumps({"output": "Hello!"}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST = do_PUT = do_DELETE = answer
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Runtime)
print("http://127.0.0.1:%d" % server.server_port, flush=True)
server.serve_forever()
"#;

async fn ask_for_everything(machine: &Machine, configuration: &str, key: &str) -> Result<()> {
    let (mut serving, address) = machine.serve(&[]).await?;
    let url = format!("{address}/openapi.json");
    until("the description", || async { Ok(output("curl", &["--silent", "--fail", &url]).await.ok()) }).await?;
    let program = std::env::var_os("ATTHENE_SCHEMATHESIS").context("ATTHENE_SCHEMATHESIS names no program")?;
    let configuration = format!("{}/schemathesis/{configuration}.toml", env!("CARGO_MANIFEST_DIR"));
    let asked = machine
        .command(program)
        .args(["--config-file", &configuration, "run", &url])
        // What it finds and caches stays with the machine.
        .current_dir(machine.home())
        .env("ATTHENE_KEY", key)
        .output()
        .await?;
    serving.kill().await?;
    let told = String::from_utf8_lossy(&asked.stdout).replace(key, "KEY");
    ensure!(asked.status.success(), "{told}{}", String::from_utf8_lossy(&asked.stderr));
    let generated = told.split_once(" generated, ").and_then(|(before, _)| before.rsplit(' ').next()?.parse().ok());
    ensure!(generated.is_some_and(|cases: usize| cases > 500), "little was asked for: {told}");
    ensure!(!told.contains("401"), "the key was not let in: {told}");
    Ok(())
}

async fn with_key() -> Result<(Machine, String)> {
    let machine = Machine::new()?;
    let key = machine.done(&["key", "create", "--name", "Asks", "--expires", "30d"]).await?.out.trim().to_owned();
    Ok((machine, key))
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn k10_the_built_in_agent_does_as_described() -> Result<()> {
    let (machine, key) = with_key().await?;
    ask_for_everything(&machine, "built-in", &key).await
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn k10_with_an_agent_runtime_all_is_as_described() -> Result<()> {
    let (machine, key) = with_key().await?;
    let mut runtime = machine.command("python3").args(["-c", RUNTIME]).stdout(Stdio::piped()).spawn()?;
    let mut url = String::new();
    let printed = runtime.stdout.take().context("no standard output")?;
    tokio::io::AsyncBufReadExt::read_line(&mut tokio::io::BufReader::new(printed), &mut url).await?;
    machine.done(&["config", "set", "runtime_url", url.trim()]).await?;
    ask_for_everything(&machine, "runtime", &key).await?;
    Ok(runtime.kill().await?)
}
