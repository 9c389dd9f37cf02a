//! k6: whoever is called is reached through the proxies that the environment names, by one rule.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use atthene_e2e::{Machine, execute_with};
use tokio::io::{AsyncBufReadExt, BufReader};

/// A proxy that speaks HTTP (also CONNECT) and SOCKS 5, and plays whoever is asked for: each answer names the target
/// and what came before it.
const PROXY: &str = r#"
import json, socket, socketserver
class Proxy(socketserver.StreamRequestHandler):
    def answer(self, told):
        while (line := self.rfile.readline().strip()):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                told["length"] = int(value)
        self.rfile.read(told.get("length", 0))
        body = json.dumps(told).encode()
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
    def handle(self):
        first = self.rfile.read(1)
        if first == b"\x05":
            methods = self.rfile.read(self.rfile.read(1)[0])
            with_name = b"\x02" in methods
            self.wfile.write(b"\x05\x02" if with_name else b"\x05\x00")
            who = ""
            if with_name:
                self.rfile.read(1)
                name = self.rfile.read(self.rfile.read(1)[0])
                word = self.rfile.read(self.rfile.read(1)[0])
                who = (name + b":" + word).decode()
                self.wfile.write(b"\x01\x00")
            _, _, _, kind = self.rfile.read(4)
            host = self.rfile.read(self.rfile.read(1)[0]).decode() if kind == 3 else socket.inet_ntoa(self.rfile.read(4))
            port = int.from_bytes(self.rfile.read(2), "big")
            self.wfile.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            self.rfile.readline()
            return self.answer({"by": "socks", "target": f"{host}:{port}", "who": who})
        method, target, _ = (first + self.rfile.readline()).split()
        if method == b"CONNECT":
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            self.rfile.readline()
        self.answer({"by": "http", "target": target.decode()})
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
server = Server(("127.0.0.1", 0), Proxy)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

/// What the gateway answers a call for a runtime on another machine, with this environment.
async fn called(variables: &[(&str, String)]) -> Result<(u16, String, String)> {
    let mut machine = Machine::new()?;
    let key = machine.done(&["key", "create", "--name", "Out", "--expires", "30d"]).await?.out.trim().to_owned();
    machine.done(&["config", "set", "runtime_url", "http://agents.example:9000"]).await?;
    for (name, value) in variables {
        machine.set(name, value);
    }
    let (mut serving, address) = machine.serve(&["--port", "8797"]).await?;
    let answer = execute_with(&address, &key).await?;
    serving.kill().await?;
    let checks = machine.run(&["--json", "doctor"]).await?.json()?;
    let checks = checks.as_array().context("no list")?;
    let found = checks.iter().find(|check| check["id"] == "ways_out").map(|check| check["found"].to_string());
    Ok((answer.status, answer.body.to_string(), found.unwrap_or_default()))
}

#[tokio::test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn k6_the_agent_runtime_is_reached_through_every_kind_of_proxy_and_its_exceptions() -> Result<()> {
    let mut proxy = tokio::process::Command::new("python3")
        .args(["-c", PROXY])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut port = String::new();
    BufReader::new(proxy.stdout.take().context("no standard output")?).read_line(&mut port).await?;
    let at = format!("127.0.0.1:{}", port.trim());
    for (name, value, by, who) in [
        ("HTTP_PROXY", format!("http://{at}"), "http", ""),
        ("http_proxy", at.clone(), "http", ""),
        ("ALL_PROXY", format!("http://{at}"), "http", ""),
        ("ALL_PROXY", format!("socks5h://{at}"), "socks", ""),
        ("all_proxy", format!("socks5h://ada:not-a-real-word@{at}"), "socks", "ada:not-a-real-word"),
    ] {
        let (status, body, found) = called(&[(name, value.clone())]).await?;
        ensure!(status == 200 && body.contains(&format!("\"by\":\"{by}\"")), "{name}={value}: {status} {body}");
        ensure!(body.contains("agents.example") && body.contains(who), "{name}={value}: {body}");
        ensure!(found.contains("through") && !found.contains("not-a-real-word"), "{name}={value}: {found}");
    }
    for exception in ["agents.example", ".example", "*"] {
        let set = [("ALL_PROXY", format!("http://{at}")), ("NO_PROXY", exception.to_owned())];
        let (status, body, _) = called(&set).await?;
        ensure!(status == 502 && body.contains("runtime_unreachable"), "NO_PROXY={exception}: {status} {body}");
    }
    // Another scheme's proxy is nobody's business.
    let (status, body, _) = called(&[("HTTPS_PROXY", format!("http://{at}"))]).await?;
    ensure!(status == 502, "{status} {body}");
    Ok(proxy.kill().await?)
}
