//! No sequence of calls, repeats, answers, permission changes and crashes sends what was not approved, sends twice, or
//! reads what is denied: by tool, Graph or token, at a real gateway.
//!
//! `ATTHENE_ACTS_ROUNDS` is how many rounds are drawn, `ATTHENE_ACTS_SEED` which: what a seed draws is the same each
//! time, and what comes of it hangs on the clock as well.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use atthene_e2e::acts::Scene;

/// Where no number of rounds is given, as many as fit.
const TIME: Duration = Duration::from_mins(1);

fn given<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the command: cargo xtask test --only e2e"]
async fn nothing_leaves_or_is_read_without_leave_whatever_happens() -> Result<()> {
    let seed = given("ATTHENE_ACTS_SEED").unwrap_or_else(rand::random);
    let rounds: Option<usize> = given("ATTHENE_ACTS_ROUNDS");
    #[allow(clippy::print_stdout, reason = "what a failure is drawn again with")]
    {
        println!("ATTHENE_ACTS_SEED={seed}");
    }
    let mut scene = Scene::open(seed).await?;
    let begun = Instant::now();
    while rounds.map_or_else(|| begun.elapsed() < TIME, |rounds| scene.tally().rounds < rounds) {
        scene.round().await?;
    }
    let tally = scene.tally();
    #[allow(clippy::print_stdout, reason = "figures")]
    {
        println!("{tally:?} in {} s", begun.elapsed().as_secs());
    }
    // It looked at something.
    ensure!(tally.acted > 0 && tally.yes > 0 && tally.no > 0 && tally.kills > 0 && tally.unknown > 0, "{tally:?}");
    Ok(())
}
