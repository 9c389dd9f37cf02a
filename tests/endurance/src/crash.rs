//! Kills the service while calls, refreshes, sign-ins, new keys and revoked ones go on, and looks what is left of them.

use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use atthene_test_support::caller::{Caller, EXECUTE};
use atthene_test_support::installation::Installation;
use atthene_test_support::strict_authority::{SHORT_LIVED, StrictAuthority};
use rand::RngExt;

/// What a crash may lose of the counts.
const MAY_BE_LOST: Duration = Duration::from_millis(250);
/// How long the authority's answer is on its way after a token was spent.
const ANSWER: Duration = Duration::from_millis(20);
/// Callers at a time.
const CALLERS: usize = 3;
const ACCOUNTS: usize = 4;

#[derive(Default)]
struct Figures {
    calls: u64,
    lost: u64,
    keys: u64,
    revoked: u64,
    sign_ins: usize,
    /// Connections that ended although nobody did anything wrong, and how long before the kill their token was spent.
    ended: Vec<Duration>,
    oldest_lost: Duration,
}

pub(crate) fn run(rounds: usize) -> Result<()> {
    let own = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let strict = own.block_on(StrictAuthority::start(SHORT_LIVED));
    let machine = Arc::new(Installation::new()?);
    machine.add_integration(&strict, &strict.base())?;
    let mut connections = Vec::new();
    for account in 0..ACCOUNTS {
        connections.push(machine.sign_in(&format!("account-{account}"))?);
    }
    let mut figures = Figures::default();
    let mut key = machine.key()?;
    for round in 0..rounds {
        let service = machine.serve(&[])?;
        let counted = machine.counted()?;
        let answered = load_and_kill(&machine, service, &mut key, &connections, round, &mut figures)?;
        check_counts(&machine, counted, &answered, &mut figures)?;
        check_keys(&machine, &key)?;
        check_connections(&machine, &strict, answered.killed_at, &mut connections, &mut figures)?;
        if round % 25 == 24 {
            println!("{} rounds: {} calls, {} sign-ins ended", round + 1, figures.calls, figures.ended.len());
        }
    }
    let verified = machine.run(&["activity", "--verify"])?;
    let refreshes = strict.tokens.lock().expect("not poisoned").refreshes;
    figures.ended.sort();
    let longest = figures.ended.last().copied().unwrap_or_default();
    let half = figures.ended.get(figures.ended.len() / 2).copied().unwrap_or_default();
    let inside = figures.ended.partition_point(|since| *since <= ANSWER);
    println!(
        "{rounds} kills: {} answered calls, of which {} were not counted, the oldest {} ms before its kill; {} keys made and {} revoked, none lost; {refreshes} refreshes and {} sign-ins, of which {} ended: {inside} killed inside the authority's answer, all at most {} ms after their refresh token was spent, half of them at most {} ms; {verified}",
        figures.calls,
        figures.lost,
        figures.oldest_lost.as_millis(),
        figures.keys,
        figures.revoked,
        figures.sign_ins,
        figures.ended.len(),
        longest.as_millis(),
        half.as_millis(),
    );
    Ok(())
}

/// Calls that were answered, and when; and when the service was killed.
struct Answered {
    at: Vec<Instant>,
    killed_at: Instant,
}

fn load_and_kill(
    machine: &Arc<Installation>,
    mut service: Child,
    key: &mut String,
    connections: &[String],
    round: usize,
    figures: &mut Figures,
) -> Result<Answered> {
    let go_on = Arc::new(AtomicBool::new(true));
    let at = Arc::<Mutex<Vec<Instant>>>::default();
    let callers: Vec<_> = (0..CALLERS)
        .map(|n| {
            let (go_on, at, key, port) = (go_on.clone(), at.clone(), key.clone(), machine.port);
            let id = connections[(round + n) % connections.len()].clone();
            std::thread::spawn(move || {
                let mut caller = Caller::new(port);
                while go_on.load(Ordering::Relaxed) {
                    let line = if n == 0 {
                        format!("POST {EXECUTE}")
                    } else {
                        format!("POST /api/amas/connections/{id}/token")
                    };
                    match caller.call(&line, &key, r#"{"agent_id":"atthene-status"}"#) {
                        Ok((200, _)) => at.lock().expect("not poisoned").push(Instant::now()),
                        // Replaced meanwhile, or killed.
                        Ok(_) | Err(_) => std::thread::sleep(Duration::from_millis(2)),
                    }
                }
            })
        })
        .collect();
    let mut random = rand::rng();
    std::thread::sleep(Duration::from_millis(random.random_range(20..250)));
    // What an admin does meanwhile: acknowledged, it has to last.
    match round % 4 {
        0 => {
            *key = machine.key()?;
            figures.keys += 1;
        }
        1 if round % 8 == 1 => {
            machine.run(&["key", "revoke", "--yes"])?;
            *key = machine.key()?;
            (figures.keys, figures.revoked) = (figures.keys + 1, figures.revoked + 1);
        }
        2 => {
            machine.sign_in(&format!("account-{}", round % ACCOUNTS))?;
            figures.sign_ins += 1;
        }
        _ => {}
    }
    std::thread::sleep(Duration::from_millis(random.random_range(0..120)));
    let killed_at = Instant::now();
    service.kill()?;
    service.wait()?;
    go_on.store(false, Ordering::Relaxed);
    for caller in callers {
        caller.join().map_err(|_| anyhow::anyhow!("a caller broke"))?;
    }
    let at = std::mem::take(&mut *at.lock().expect("not poisoned"));
    Ok(Answered { at, killed_at })
}

fn check_counts(machine: &Installation, before: u64, answered: &Answered, figures: &mut Figures) -> Result<()> {
    let counted = machine.counted()? - before;
    let lost = (answered.at.len() as u64).saturating_sub(counted);
    let late = |at: &&Instant| answered.killed_at.saturating_duration_since(**at) < MAY_BE_LOST;
    let may_be_lost = answered.at.iter().filter(late).count() as u64;
    // Another program had the processor between the answer and the look at the clock.
    ensure!(lost <= may_be_lost, "{lost} calls were not counted, and only {may_be_lost} may be");
    if lost > 0 {
        let mut at = answered.at.clone();
        at.sort_unstable();
        let oldest = at[at.len() - usize::try_from(lost)?];
        figures.oldest_lost = figures.oldest_lost.max(answered.killed_at.saturating_duration_since(oldest));
    }
    figures.calls += answered.at.len() as u64;
    figures.lost += lost;
    Ok(())
}

/// The key that was acknowledged last is the one that lives.
fn check_keys(machine: &Installation, key: &str) -> Result<()> {
    let live = machine
        .rows(|db| db.query_row("SELECT id FROM api_keys WHERE ended_at IS NULL", [], |row| row.get::<_, String>(0)))?;
    ensure!(key.contains(&live), "another key is live than was acknowledged");
    let sound: String = machine.rows(|db| db.query_row("PRAGMA integrity_check", [], |row| row.get(0)))?;
    ensure!(sound == "ok", "{sound}");
    Ok(())
}

/// A connection that ended was killed inside the authority's answer; it is signed in again.
fn check_connections(
    machine: &Installation,
    strict: &StrictAuthority,
    killed_at: Instant,
    connections: &mut [String],
    figures: &mut Figures,
) -> Result<()> {
    for id in connections.iter() {
        // The command waits for what another one may still hold.
        if machine.run(&["connection", "token", id]).is_ok() {
            continue;
        }
        let again = strict.tokens.lock().expect("not poisoned").again.pop();
        let (account, spent_at) = again.ok_or_else(|| anyhow::anyhow!("{id} ended, and no token was spent twice"))?;
        // The authority goes on with a question whose asker is dead.
        let late = spent_at.saturating_duration_since(killed_at);
        ensure!(late < Duration::from_millis(500), "{id} lost a token that was spent {late:?} after the kill");
        figures.ended.push(killed_at.saturating_duration_since(spent_at));
        ensure!(machine.sign_in(&account)? == *id, "another connection came of it");
    }
    Ok(())
}
