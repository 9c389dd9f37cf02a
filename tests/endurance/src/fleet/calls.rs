//! Calls a second, processor time and database load of a call, by gateways and their threads; and what hosts ask of the
//! database that nobody calls.

use std::time::{Duration, Instant};

use anyhow::Result;
use atthene_test_support::fleet::{Fleet, FleetHost};
use atthene_test_support::runtime;
use serde_json::{Value, json};

use super::costs::{Database, cpu_ms};
use super::load::{Load, Loaded};

/// Who serves, and who of them is called.
#[derive(Clone, Copy)]
struct Place {
    gateways: usize,
    /// Of each gateway.
    workers: u8,
    /// The others only serve.
    called: usize,
    /// In all, an equal number to each that is called.
    connections: usize,
    /// What each connection waits after an answer: it leaves the machine time.
    pause: Option<Duration>,
}

impl Place {
    const fn all(gateways: usize, workers: u8, connections: usize) -> Self {
        Self { gateways, workers, called: gateways, connections, pause: None }
    }

    /// One is called as fast as it answers, while others serve.
    const fn one_of(gateways: usize) -> Self {
        Self { called: 1, ..Self::all(gateways, 1, EACH) }
    }

    /// Each is called at the same pace, however many there are.
    const fn at_a_pace(gateways: usize) -> Self {
        Self { pause: Some(PACE), ..Self::all(gateways, 1, gateways * EACH) }
    }

    fn name(&self) -> String {
        let Self { gateways, workers, called, connections, pause } = *self;
        let called = if called < gateways { format!(", {called} called") } else { String::new() };
        let pause = pause.map(|pause| format!(", {} ms between", pause.as_millis())).unwrap_or_default();
        format!("{gateways} × {workers}, {connections}{called}{pause}")
    }
}

const PLACES: [Place; 17] = [
    Place::all(1, 1, EACH),
    Place::all(2, 1, EACH),
    Place::all(4, 1, EACH),
    Place::all(8, 1, EACH),
    Place::all(1, 1, 2),
    Place::all(8, 1, 8 * EACH),
    Place::all(1, 2, EACH),
    Place::all(1, 4, EACH),
    Place::one_of(1),
    Place::one_of(2),
    Place::one_of(4),
    Place::one_of(8),
    Place::at_a_pace(1),
    Place::at_a_pace(2),
    Place::at_a_pace(4),
    Place::at_a_pace(8),
    Place { pause: Some(RARELY), ..Place::all(8, 1, EACH) },
];
const MOST: usize = 8;
const EACH: usize = 16;
const WARM: Duration = Duration::from_secs(2);
const SPAN: Duration = Duration::from_secs(8);
const PACE: Duration = Duration::from_millis(25);
const RARELY: Duration = Duration::from_millis(40);
const IDLE: Duration = Duration::from_mins(1);

pub(super) fn run() -> Result<Value> {
    let own = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut fleet = Fleet::together(MOST)?;
    let first = &fleet.hosts[0].installation;
    first.run(&["config", "set", "runtime_url", &runtime::start(own.handle())])?;
    let key = first.run(&["key", "create", "--name", "Load", "--expires", "30d", "--yes"])?;
    println!("\ngateways × workers, connections in all; the database per 1,000 calls");
    println!(
        "{:28} {:>9} {:>8} {:>8} {:>11} {:>9} {:>8} {:>8} {:>8} {:>8}",
        "", "calls/s", "p50 µs", "p99 µs", "CPU µs/call", "others ms", "commits", "rows", "log KB", "CPU ms"
    );
    let places = PLACES.iter().map(|place| measure(&mut fleet, &key, place)).collect::<Result<Vec<_>>>()?;
    Ok(json!({ "places": places, "idle": idle(&mut fleet)? }))
}

fn measure(fleet: &mut Fleet, key: &str, place: &Place) -> Result<Value> {
    let &Place { gateways, workers, called, connections, pause } = place;
    for host in &mut fleet.hosts[..gateways] {
        host.serve(&["--workers", &workers.to_string()])?;
    }
    let ports: Vec<u16> = fleet.hosts[..called].iter().map(|host| host.installation.port).collect();
    let load = Load { ports: &ports, key, connections, span: WARM, pause };
    load.go()?;
    let used = |fleet: &Fleet| -> Result<[f64; 2]> {
        Ok([used_ms(&fleet.hosts[..called])?, used_ms(&fleet.hosts[called..gateways])?])
    };
    let before = (used(fleet)?, Database::so_far(&fleet.url)?);
    let loaded = Load { span: SPAN, ..load }.go()?;
    let after = used(fleet)?;
    let thousands = loaded.calls / 1_000.0;
    let asked = Database::so_far(&fleet.url)?.since(&before.1).each(thousands);
    fleet.end()?;
    let Loaded { per_second, p50_us, p99_us, .. } = loaded;
    let cpu_us = (after[0] - before.0[0]) / thousands;
    // Of each second.
    let others_ms = (after[1] - before.0[1]) / SPAN.as_secs_f64();
    println!(
        "{:28} {per_second:>9.0} {p50_us:>8.0} {p99_us:>8.0} {cpu_us:>11.1} {others_ms:>9.1} {:>8.1} {:>8.1} {:>8.1} {:>8.1}",
        place.name(),
        asked.transactions,
        asked.rows,
        asked.log_bytes / 1e3,
        asked.cpu_ms
    );
    Ok(json!({
        "gateways": gateways, "workers": workers, "called": called, "connections": connections,
        "pause_ms": pause.map(|pause| pause.as_secs_f64() * 1e3), "calls_per_second": per_second,
        "p50_us": p50_us, "p99_us": p99_us, "cpu_us_per_call": cpu_us, "cpu_ms_per_second_of_the_others": others_ms,
        "database_per_1000_calls": told(&asked),
    }))
}

fn used_ms(hosts: &[FleetHost]) -> Result<f64> {
    hosts.iter().map(|host| cpu_ms(host.process()?)).sum()
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
    let before = (used_ms(&fleet.hosts)?, Database::so_far(&fleet.url)?, Instant::now());
    std::thread::sleep(IDLE);
    let minutes = before.2.elapsed().as_secs_f64() / 60.0 * 8.0;
    let asked = Database::so_far(&fleet.url)?.since(&before.1).each(minutes);
    let served = (used_ms(&fleet.hosts)? - before.0) / minutes;
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
