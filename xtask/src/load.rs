//! Calls in numbers: an agent runtime that answers at once, the gateway in front of it, and wrk.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use crate::steps::must;

/// Where the agent runtime listens.
pub const RUNTIME: u16 = 18080;
/// Where the gateway listens.
pub const GATEWAY: u16 = 18081;

/// A child that ends with this.
pub struct Server(Child);

impl Server {
    pub fn start(program: &str, arguments: &[&str], home: &Path) -> Result<Self> {
        let child = Command::new(program)
            .args(arguments)
            .env("HOME", home)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| program.to_owned())?;
        Ok(Self(child))
    }

    /// Asks it to end, and waits until it has.
    pub fn end(mut self) -> Result<()> {
        must(Command::new("kill").arg(self.0.id().to_string()))?;
        let status = self.0.wait()?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The first lines of a configuration of nginx with one worker, all of whose files lie in `dir`.
pub fn nginx_head(dir: &Path, name: &str) -> String {
    let path = dir.display();
    format!(
        "pid {path}/{name}.pid; daemon off; master_process off; error_log stderr crit; events {{ worker_connections 512; }}\n\
         http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;\n\
         fastcgi_temp_path {path}/fastcgi; uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi;\n"
    )
}

/// Waits until something listens on the port.
pub fn answers(port: u16) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("nothing on port {port}")
}

/// An agent runtime that answers at once.
pub fn runtime(dir: &Path) -> Result<Server> {
    let file = dir.join("runtime.conf");
    let head = nginx_head(dir, "runtime");
    std::fs::write(
        &file,
        format!(
            "{head} server {{ listen 127.0.0.1:{RUNTIME};\n\
             location / {{ default_type application/json; return 200 '{{\"output\":\"hello from the agent\"}}'; }} }} }}"
        ),
    )?;
    let server = Server::start("nginx", &["-c", &file.display().to_string()], dir)?;
    answers(RUNTIME)?;
    Ok(server)
}

/// `atthene serve` with a fresh key, which is returned.
pub fn gateway(atthene: &Path, dir: &Path) -> Result<(Server, String)> {
    let command = |arguments: &[&str]| {
        let mut command = Command::new(atthene);
        command.args(arguments).arg("--quiet").env("ATTHENE_DATA_DIR", dir.join("data"));
        command
    };
    must(&mut command(&["config", "set", "gateway_port", &GATEWAY.to_string()]))?;
    must(&mut command(&["config", "set", "runtime_url", &format!("http://127.0.0.1:{RUNTIME}")]))?;
    let made = command(&["key", "create", "--name", "load", "--expires", "1d"]).output()?;
    ensure!(made.status.success(), "no key was made: {}", String::from_utf8_lossy(&made.stderr));
    let mut child = command(&["serve"]).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().context("no standard output")?;
    let server = Server(child);
    // Its address is told once it listens.
    BufReader::new(stdout).read_line(&mut String::new())?;
    Ok((server, String::from_utf8(made.stdout)?.trim().to_owned()))
}

/// What 16 connections saw.
#[derive(Serialize, Clone, Copy)]
pub struct Figures {
    pub rps: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

/// What wrk sends, as a script in `dir`.
pub fn script(dir: &Path, key: &str) -> Result<std::path::PathBuf> {
    let mut script = String::new();
    write!(
        script,
        "wrk.method = 'POST'\nwrk.path = '/api/amas/conversations/execute'\nwrk.body = '{{\"agent_id\":\"echo\",\"input\":\"hello\"}}'\n\
         wrk.headers['Content-Type'] = 'application/json'\nwrk.headers['Authorization'] = 'Bearer {key}'\n\
         function done(summary, latency, requests)\n\
           local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout\n\
           io.write(string.format('FIGURES %f %f %f %d\\n', summary.requests / summary.duration * 1e6, latency:percentile(50), latency:percentile(99), bad))\n\
         end\n"
    )?;
    let file = dir.join("load.lua");
    std::fs::write(&file, script)?;
    Ok(file)
}

/// Calls a port for some seconds, each connection as fast as it is answered.
pub fn wrk(script: &Path, port: u16, seconds: u64) -> Result<Figures> {
    let printed = Command::new("wrk")
        .args(["--threads", "1", "--connections", "16", "--duration", &format!("{seconds}s"), "--script"])
        .arg(script)
        .arg(format!("http://127.0.0.1:{port}"))
        .output()
        .context("wrk")?;
    let printed = String::from_utf8_lossy(&printed.stdout);
    let line = printed
        .lines()
        .find_map(|line| line.strip_prefix("FIGURES "))
        .with_context(|| format!("wrk printed: {printed}"))?;
    let numbers: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [rps, p50_us, p99_us, bad] = numbers[..] else { bail!("wrk printed {line:?}") };
    if bad > 0.0 {
        bail!("port {port}: {bad} of the answers were errors");
    }
    Ok(Figures { rps, p50_us, p99_us })
}
