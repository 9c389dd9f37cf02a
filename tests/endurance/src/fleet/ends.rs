//! From the commit of a key's end until each of eight gateways refuses it, under load.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use atthene_test_support::fleet::{Delays, Fleet, Pace, Rounds, delays, judge};
use serde_json::{Value, json};

const GATEWAYS: usize = 8;
const PACE: Pace = Pace { ask: Duration::from_millis(2), execute: Duration::from_millis(5) };
/// What is wrong whatever else the machine does, in microseconds. How late an answer is, is told.
const BOUND: i64 = 5_000_000;

pub(super) fn run(ends: usize, silent_ends: usize) -> Result<Value> {
    println!("\nfrom commit to refused, {GATEWAYS} gateways, ms");
    println!(
        "{:16} {:>5} {:>8} {:>8} {:>8} {:>8} {:>10} {:>10} {:>8} {:>12}",
        "", "ends", "calls/s", "p50", "p99", "max", "last p50", "last p99", "max", "after return"
    );
    let told = measure("told", ends, |_| ())?;
    let silent = measure("not told", silent_ends, Fleet::silence)?;
    Ok(json!({ "told": told, "not_told": silent }))
}

fn measure(name: &str, ends: usize, before: fn(&Fleet)) -> Result<Value> {
    let mut fleet = Fleet::apart(GATEWAYS)?;
    fleet.needs_commit_times()?;
    fleet.serve(&[])?;
    before(&fleet);
    let began = Instant::now();
    let seen = Rounds { ends, pace: PACE }.go(&fleet)?;
    let calls_per_second = f64::from(u32::try_from(seen.calls.len())?) / began.elapsed().as_secs_f64();
    let violations = judge(&seen.lives, &seen.calls, BOUND);
    ensure!(violations.is_empty(), "not as it must be, {} times: {:#?}", violations.len(), violations.first());
    let Delays { all, last } = delays(&seen.lives, &seen.calls);
    let of = |all: &[i64]| [50, 99, 100].map(|hundredths| Delays::ms(all, hundredths));
    let ([p50, p99, max], [last_p50, last_p99, last_max]) = (of(&all), of(&last));
    println!(
        "{name:16} {ends:>5} {calls_per_second:>8.0} {p50:>8.1} {p99:>8.1} {max:>8.1} {last_p50:>10.1} {last_p99:>10.1} {last_max:>8.1} {:>12}",
        seen.after_return
    );
    Ok(json!({
        "ends": ends, "seen": all.len(), "calls": seen.calls.len(), "calls_per_second": calls_per_second,
        "networks_of_their_own": fleet.is_apart(), "p50_ms": p50, "p99_ms": p99, "max_ms": max,
        "last_p50_ms": last_p50, "last_p99_ms": last_p99, "last_max_ms": last_max,
        "accepted_after_return": seen.after_return,
    }))
}
