//! Calls a second, processor time and database load of a call, by gateways and their threads; and what hosts ask of the
//! database that nobody calls.

use std::time::{Duration, Instant};

use anyhow::Result;
use atthene_test_support::fleet::Fleet;
use atthene_test_support::runtime;
use serde_json::{Value, json};

use super::costs::{Database, cpu_ms};
use super::load::{Load, Loaded};

/// How many gateways serve, with how many threads each, over how many connections in all.
const PLACES: [(usize, u8, usize); 8] =
    [(1, 1, 16), (2, 1, 16), (4, 1, 16), (8, 1, 16), (1, 1, 2), (8, 1, 128), (1, 2, 16), (1, 4, 16)];
const MOST: usize = 8;
const CONNECTIONS: usize = 16;
const WARM: Duration = Duration::from_secs(2);
const SPAN: Duration = Duration::from_secs(8);
/// Each connection of a load that leaves the machine time.
const PAUSE: Duration = Duration::from_millis(40);
const IDLE: Duration = Duration::from_mins(1);

pub(super) fn run() -> Result<Value> {
    let own = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut fleet = Fleet::together(MOST)?;
    let first = &fleet.hosts[0].installation;
    first.run(&["config", "set", "runtime_url", &runtime::start(own.handle())])?;
    let key = first.run(&["key", "create", "--name", "Load", "--expires", "30d", "--yes"])?;
    println!("\ngateways × workers, connections in all; the database per 1,000 calls");
    println!(
        "{:24} {:>9} {:>8} {:>8} {:>11} {:>8} {:>8} {:>8} {:>8}",
        "", "calls/s", "p50 µs", "p99 µs", "CPU µs/call", "commits", "rows", "log KB", "CPU ms"
    );
    let mut places = Vec::new();
    for place in PLACES {
        places.push(measure(&mut fleet, &key, place, None)?);
    }
    places.push(measure(&mut fleet, &key, (MOST, 1, CONNECTIONS), Some(PAUSE))?);
    Ok(json!({ "places": places, "idle": idle(&mut fleet)? }))
}

fn measure(fleet: &mut Fleet, key: &str, place: (usize, u8, usize), pause: Option<Duration>) -> Result<Value> {
    let (gateways, workers, connections) = place;
    for host in &mut fleet.hosts[..gateways] {
        host.serve(&["--workers", &workers.to_string()])?;
    }
    let serving = &fleet.hosts[..gateways];
    let ports: Vec<u16> = serving.iter().map(|host| host.installation.port).collect();
    let load = Load { ports: &ports, key, connections, span: WARM, pause };
    load.go()?;
    let before = (served_ms(fleet, gateways)?, Database::so_far(&fleet.url)?);
    let loaded = Load { span: SPAN, ..load }.go()?;
    let served = served_ms(fleet, gateways)? - before.0;
    let thousands = loaded.calls / 1_000.0;
    let asked = Database::so_far(&fleet.url)?.since(&before.1).each(thousands);
    fleet.end()?;
    let Loaded { per_second, p50_us, p99_us, .. } = loaded;
    let name = format!("{gateways} × {workers}, {connections}{}", if pause.is_some() { ", with pauses" } else { "" });
    println!(
        "{name:24} {per_second:>9.0} {p50_us:>8.0} {p99_us:>8.0} {:>11.1} {:>8.1} {:>8.1} {:>8.1} {:>8.1}",
        served / thousands,
        asked.transactions,
        asked.rows,
        asked.log_bytes / 1e3,
        asked.cpu_ms
    );
    Ok(json!({
        "gateways": gateways, "workers": workers, "connections": connections, "pause_ms": pause.map(|pause| pause.as_secs_f64() * 1e3),
        "calls_per_second": per_second, "p50_us": p50_us, "p99_us": p99_us, "cpu_us_per_call": served / thousands,
        "database_per_1000_calls": told(&asked),
    }))
}

fn served_ms(fleet: &Fleet, gateways: usize) -> Result<f64> {
    fleet.hosts[..gateways].iter().map(|host| cpu_ms(host.process()?)).sum()
}

pub(super) fn told(database: &Database) -> Value {
    json!({
        "transactions": database.transactions, "rows": database.rows,
        "log_bytes": database.log_bytes, "cpu_ms": database.cpu_ms,
    })
}

/// What every host asks that nobody calls, in a minute.
fn idle(fleet: &mut Fleet) -> Result<Value> {
    fleet.serve(&[])?;
    // What each does at its start is over by then.
    std::thread::sleep(WARM * 5);
    let before = (served_ms(fleet, MOST)?, Database::so_far(&fleet.url)?, Instant::now());
    std::thread::sleep(IDLE);
    let minutes = before.2.elapsed().as_secs_f64() / 60.0 * 8.0;
    let asked = Database::so_far(&fleet.url)?.since(&before.1).each(minutes);
    let served = (served_ms(fleet, MOST)? - before.0) / minutes;
    fleet.end()?;
    println!(
        "idle, a host and minute: {:.0} commits, {:.0} rows, {:.1} KB of log, {:.0} ms of the database, {served:.0} ms of the host",
        asked.transactions,
        asked.rows,
        asked.log_bytes / 1e3,
        asked.cpu_ms
    );
    Ok(json!({ "database_per_host_and_minute": told(&asked), "cpu_ms_per_host_and_minute": served }))
}
