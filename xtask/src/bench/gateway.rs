//! The same upstream and load, straight and through five doors that each check one key.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::{median, write_json};
use crate::app::{cargo, must, release, root};
use crate::packages;
use crate::steps::say;

const UPSTREAM: u16 = 18080;
const DOORS: [(&str, u16); 5] =
    [("direct", UPSTREAM), ("atthene", 18081), ("nginx", 18082), ("haproxy", 18083), ("caddy", 18084)];
const ROUNDS: usize = 5;
const SECONDS: u64 = 4;

#[derive(Serialize, Clone, Copy)]
struct Figures {
    rps: f64,
    p50_us: f64,
    p99_us: f64,
}

pub fn run(json: Option<&Path>) -> Result<()> {
    packages::ensure(packages::For::Bench)?;
    say("building the gateway");
    must(cargo().args(["build", "--release", "--package", "atthene-gateway", "--example", "gateway"]))?;
    let dir = tempfile::tempdir()?;
    let (_gateway, key) = start_gateway()?;
    let _others = start_others(dir.path(), &key)?;
    for (name, port) in DOORS {
        answers(port).with_context(|| format!("{name} does not listen"))?;
    }

    let script = dir.path().join("load.lua");
    std::fs::write(&script, load(&key))?;
    let mut rounds: BTreeMap<&str, Vec<Figures>> = BTreeMap::new();
    for round in 1..=ROUNDS {
        say(&format!("round {round} of {ROUNDS}, {SECONDS} s each, 16 connections"));
        for (name, port) in DOORS {
            rounds.entry(name).or_default().push(wrk(&script, port)?);
        }
    }
    let key_check_ns = key_check()?;

    let mut figures: BTreeMap<String, serde_json::Value> = BTreeMap::new();
    println!("\n{:10} {:>12} {:>10} {:>10}", "", "requests/s", "p50 µs", "p99 µs");
    for (name, _) in DOORS {
        let all = &rounds[name];
        let of = |field: fn(&Figures) -> f64| median(all.iter().map(field).collect());
        let middle = Figures { rps: of(|f| f.rps), p50_us: of(|f| f.p50_us), p99_us: of(|f| f.p99_us) };
        println!("{name:10} {:>12.0} {:>10.0} {:>10.0}", middle.rps, middle.p50_us, middle.p99_us);
        figures.insert(name.to_owned(), serde_json::to_value(middle)?);
    }
    println!("a checked key costs {key_check_ns:.0} ns inside the process");
    figures.insert("key_check_ns".to_owned(), key_check_ns.into());
    write_json(json, &figures)
}

/// A child that ends with the benchmark.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The gateway without a window, and the key that it made.
fn start_gateway() -> Result<(Server, String)> {
    let mut child = Command::new(release("examples/gateway"))
        .args([DOORS[1].1.to_string(), format!("http://127.0.0.1:{UPSTREAM}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().context("no standard output")?;
    let mut key = String::new();
    BufReader::new(stdout).read_line(&mut key)?;
    Ok((Server(child), key.trim().to_owned()))
}

fn start_others(dir: &Path, key: &str) -> Result<Vec<Server>> {
    let [_, _, (_, nginx), (_, haproxy), (_, caddy)] = DOORS;
    let path = dir.display();
    let write = |name: &str, text: String| -> Result<String> {
        let file = dir.join(name);
        std::fs::write(&file, text)?;
        Ok(file.display().to_string())
    };
    let head = format!(
        "daemon off; master_process off; error_log stderr crit; events {{ worker_connections 512; }}\n\
         http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;\n\
         fastcgi_temp_path {path}/fastcgi; uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi;\n"
    );
    let upstream = write(
        "upstream.conf",
        format!(
            "pid {path}/upstream.pid; {head} server {{ listen 127.0.0.1:{UPSTREAM};\n\
             location / {{ default_type application/json; return 200 '{{\"output\":\"hello from the agent\"}}'; }} }} }}"
        ),
    )?;
    let nginx = write(
        "nginx.conf",
        format!(
            "pid {path}/nginx.pid; {head} upstream runtime {{ server 127.0.0.1:{UPSTREAM}; keepalive 32; keepalive_requests 100000000; }}\n\
             server {{ listen 127.0.0.1:{nginx}; location / {{ if ($http_authorization != \"Bearer {key}\") {{ return 401; }}\n\
             proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_pass http://runtime; }} }} }}"
        ),
    )?;
    let haproxy = write(
        "haproxy.cfg",
        format!(
            "global\n  nbthread 1\n  maxconn 512\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  http-reuse always\n\
             frontend door\n  bind 127.0.0.1:{haproxy}\n  http-request deny deny_status 401 unless {{ req.hdr(authorization) -m str \"Bearer {key}\" }}\n  default_backend runtime\n\
             backend runtime\n  server one 127.0.0.1:{UPSTREAM}\n"
        ),
    )?;
    let caddy = write(
        "Caddyfile",
        format!(
            "{{\n  admin off\n  auto_https off\n}}\nhttp://127.0.0.1:{caddy} {{\n  @key header Authorization \"Bearer {key}\"\n  handle @key {{\n    reverse_proxy 127.0.0.1:{UPSTREAM}\n  }}\n  respond 401\n}}\n"
        ),
    )?;
    let start = |program: &str, arguments: &[&str]| -> Result<Server> {
        let child = Command::new(program)
            .args(arguments)
            .env("HOME", dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| program.to_owned())?;
        Ok(Server(child))
    };
    Ok(vec![
        start("nginx", &["-c", &upstream])?,
        start("nginx", &["-c", &nginx])?,
        start("haproxy", &["-f", &haproxy, "-db"])?,
        start("caddy", &["run", "--adapter", "caddyfile", "--config", &caddy])?,
    ])
}

fn answers(port: u16) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("nothing on port {port}")
}

fn load(key: &str) -> String {
    let mut script = String::new();
    let _ = write!(
        script,
        "wrk.method = 'POST'\nwrk.path = '/api/amas/conversations/execute'\nwrk.body = '{{\"agent_id\":\"echo\",\"input\":\"hello\"}}'\n\
         wrk.headers['Content-Type'] = 'application/json'\nwrk.headers['Authorization'] = 'Bearer {key}'\n\
         function done(summary, latency, requests)\n\
           local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout\n\
           io.write(string.format('FIGURES %f %f %f %d\\n', summary.requests / summary.duration * 1e6, latency:percentile(50), latency:percentile(99), bad))\n\
         end\n"
    );
    script
}

fn wrk(script: &Path, port: u16) -> Result<Figures> {
    let printed = Command::new("wrk")
        .args(["--threads", "1", "--connections", "16", "--duration", &format!("{SECONDS}s"), "--script"])
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

/// criterion's estimate for one checked key.
fn key_check() -> Result<f64> {
    say("one checked key, inside the process");
    must(cargo().args(["bench", "--quiet", "--package", "atthene-core", "--bench", "key_check", "--", "--noplot"]))?;
    let estimates = std::fs::read_to_string(root().join("target/criterion/key_check/new/estimates.json"))?;
    let estimates: serde_json::Value = serde_json::from_str(&estimates)?;
    estimates["mean"]["point_estimate"].as_f64().context("criterion wrote no mean")
}
