//! Eight gateways on one profile, all of them called meanwhile: keys are replaced and revoked on one after the other, and
//! every answer is held against the order in which the database committed it.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "it tells figures, which are not asserted")]

use std::time::Duration;

use anyhow::{Result, ensure};
use atthene_test_support::fleet::{Delays, Fleet, Pace, Rounds, delays, judge};

const GATEWAYS: usize = 8;
/// How many keys end, where nobody says otherwise; `ATTHENE_TEST_ROUNDS` does.
const ENDS: usize = 15;
/// How late an answer may be on a machine that has other things to do, in microseconds. Meant are 100 ms, or a second
/// where nobody is told.
const BOUND: i64 = 5_000_000;
const PACE: Pace = Pace { ask: Duration::from_millis(4), execute: Duration::from_millis(10) };

#[test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
fn every_gateway_follows_the_order_of_commits() -> Result<()> {
    let ends = std::env::var("ATTHENE_TEST_ROUNDS").map_or(Ok(ENDS), |ends| ends.parse())?;
    follow("told", ends, |_| ())
}

#[test]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
fn every_gateway_follows_also_where_nobody_is_told() -> Result<()> {
    follow("not told", ENDS / 3, Fleet::silence)
}

fn follow(name: &str, ends: usize, before: fn(&Fleet)) -> Result<()> {
    let mut fleet = Fleet::apart(GATEWAYS)?;
    fleet.needs_commit_times()?;
    fleet.serve(&[])?;
    before(&fleet);
    let evidence = Rounds { ends, pace: PACE }.go(&fleet)?;
    let Delays { all, last } = delays(&evidence.lives, &evidence.calls);
    println!(
        "{name}: {ends} ends at {GATEWAYS} gateways, {} calls; from commit to refused ms p50 {:.1}, p99 {:.1}, at the last gateway p50 {:.1}, p99 {:.1}",
        evidence.calls.len(),
        Delays::ms(&all, 50),
        Delays::ms(&all, 99),
        Delays::ms(&last, 50),
        Delays::ms(&last, 99),
    );
    let violations = judge(&evidence.lives, &evidence.calls, BOUND);
    let first: Vec<_> = violations.iter().take(5).collect();
    ensure!(violations.is_empty(), "{} answers were not as they must be, such as {first:#?}", violations.len());
    ensure!(evidence.lives.iter().filter(|life| life.ended.is_some()).count() == ends, "other keys ended");
    ensure!(!all.is_empty(), "nobody was seen to refuse a key that it had known");
    Ok(())
}
