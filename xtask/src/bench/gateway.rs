//! The same upstream and load, straight and through five doors that each check one key.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::figures::{median, write_json};
use crate::app::{cargo, root};
use crate::load::{self, Figures, GATEWAY, RUNTIME, Server};
use crate::steps::{must, say};
use crate::{packages, tuned};

const DOORS: [(&str, u16); 5] =
    [("direct", RUNTIME), ("atthene", GATEWAY), ("nginx", 18082), ("haproxy", 18083), ("caddy", 18084)];
const ROUNDS: usize = 5;
const SECONDS: u64 = 4;

pub fn run(json: Option<&Path>) -> Result<()> {
    packages::ensure(packages::For::Bench)?;
    let atthene = tuned::build_command()?;
    let dir = tempfile::tempdir()?;
    let _runtime = load::runtime(dir.path())?;
    let (_gateway, key) = load::gateway(&atthene, dir.path())?;
    let _others = start_others(dir.path(), &key)?;
    for (name, port) in DOORS {
        load::answers(port).with_context(|| format!("{name} does not listen"))?;
    }

    let script = load::script(dir.path(), &key)?;
    let mut rounds: BTreeMap<&str, Vec<Figures>> = BTreeMap::new();
    for round in 1..=ROUNDS {
        say(&format!("round {round} of {ROUNDS}, {SECONDS} s each, 16 connections"));
        for (name, port) in DOORS {
            rounds.entry(name).or_default().push(load::wrk(&script, port, SECONDS)?);
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

fn start_others(dir: &Path, key: &str) -> Result<Vec<Server>> {
    let [_, _, (_, nginx), (_, haproxy), (_, caddy)] = DOORS;
    let write = |name: &str, text: String| -> Result<String> {
        let file = dir.join(name);
        std::fs::write(&file, text)?;
        Ok(file.display().to_string())
    };
    let head = load::nginx_head(dir, "nginx");
    let nginx = write(
        "nginx.conf",
        format!(
            "{head} upstream runtime {{ server 127.0.0.1:{RUNTIME}; keepalive 32; keepalive_requests 100000000; }}\n\
             server {{ listen 127.0.0.1:{nginx}; location / {{ if ($http_authorization != \"Bearer {key}\") {{ return 401; }}\n\
             proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_pass http://runtime; }} }} }}"
        ),
    )?;
    let haproxy = write(
        "haproxy.cfg",
        format!(
            "global\n  nbthread 1\n  maxconn 512\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  http-reuse always\n\
             frontend door\n  bind 127.0.0.1:{haproxy}\n  http-request deny deny_status 401 unless {{ req.hdr(authorization) -m str \"Bearer {key}\" }}\n  default_backend runtime\n\
             backend runtime\n  server one 127.0.0.1:{RUNTIME}\n"
        ),
    )?;
    let caddy = write(
        "Caddyfile",
        format!(
            "{{\n  admin off\n  auto_https off\n}}\nhttp://127.0.0.1:{caddy} {{\n  @key header Authorization \"Bearer {key}\"\n  handle @key {{\n    reverse_proxy 127.0.0.1:{RUNTIME}\n  }}\n  respond 401\n}}\n"
        ),
    )?;
    Ok(vec![
        Server::start("nginx", &["-c", &nginx], dir)?,
        Server::start("haproxy", &["-f", &haproxy, "-db"], dir)?,
        Server::start("caddy", &["run", "--adapter", "caddyfile", "--config", &caddy], dir)?,
    ])
}

/// criterion's estimate for one checked key.
fn key_check() -> Result<f64> {
    say("one checked key, inside the process");
    must(cargo().args(["bench", "--quiet", "--package", "atthene-core", "--bench", "key_check", "--", "--noplot"]))?;
    let estimates = std::fs::read_to_string(root().join("target/criterion/key_check/new/estimates.json"))?;
    let estimates: serde_json::Value = serde_json::from_str(&estimates)?;
    estimates["mean"]["point_estimate"].as_f64().context("criterion wrote no mean")
}
