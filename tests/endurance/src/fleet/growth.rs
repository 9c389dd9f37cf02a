//! What grows with the number of hosts. Each is the core and the store's adapter of a real one, with its own connections,
//! its watch and its heartbeat, all in this process; only the gateway and its jobs are left out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use atthene_core::keys::KeyId;
use atthene_core::oversight::HEARTBEAT;
use atthene_core::{Change, Clock, Core};
use atthene_test_support::databases;
use atthene_test_support::fleet::Delays;
use atthene_test_support::hosts::Place;
use atthene_test_support::machine::new_key;
use serde_json::{Value, json};

use super::calls::told;
use super::costs::{Database, cpu_ms};

const ENDS: usize = 20;
const SETTLES: Duration = Duration::from_secs(6);
const QUIET: Duration = Duration::from_secs(15);
/// Longer than anybody takes.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) fn run(most: usize) -> Result<Value> {
    println!(
        "\nsimulated hosts, and one that revokes; ms from commit to known, {ENDS} ends; the database in a second of quiet"
    );
    println!(
        "{:>6} {:>8} {:>8} {:>10} {:>10} {:>10} {:>8} {:>8} {:>12} {:>14}",
        "hosts", "p50", "p99", "last p50", "last max", "commits/s", "rows/s", "CPU ms/s", "CPU ms/end", "own CPU ms/s"
    );
    let mut all = Vec::new();
    let mut count = 1;
    while count <= most {
        all.push(measure(count)?);
        count *= 10;
    }
    Ok(all.into())
}

/// Who heard that something became of a key, and when.
type Heard = (usize, i64);

struct Simulation {
    hosts: Vec<Arc<Core>>,
    admin: Arc<Core>,
    heard: Receiver<Heard>,
    url: String,
    _folders: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Simulation {
    fn new(count: usize) -> Result<Self> {
        let (url, folders) = (databases::empty(), tempfile::tempdir()?);
        let open = |number: usize| Place::at(&url, &folders.path().join(number.to_string()), Clock::system()).open();
        let hosts: Vec<_> = (0..count).map(open).collect();
        let admin = open(count);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
        let (tell, heard) = channel();
        for (number, host) in hosts.iter().enumerate() {
            runtime.spawn(listen(number, host.changes().subscribe(), tell.clone()));
        }
        Ok(Self { hosts, admin, heard, url, _folders: folders, _runtime: runtime })
    }

    /// Waits until every host has heard once more; when each did.
    fn all_heard(&self) -> Result<Vec<i64>> {
        let until = Instant::now() + PATIENCE;
        let mut at = vec![None; self.hosts.len()];
        while at.iter().any(Option::is_none) {
            match self.heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok((number, heard)) => at[number] = at[number].or(Some(heard)),
                Err(RecvTimeoutError::Timeout) => bail!("not every host heard of a key"),
                Err(RecvTimeoutError::Disconnected) => bail!("the hosts are gone"),
            }
        }
        Ok(at.into_iter().flatten().collect())
    }

    /// The delays of a key's end, in microseconds: at every host.
    fn end_one(&self) -> Result<Vec<i64>> {
        let (key, _) = self.admin.keys.create(new_key("Many", 30, None))?;
        self.all_heard()?;
        self.admin.keys.revoke(&key.id, None)?;
        let heard = self.all_heard()?;
        let committed = committed(&self.url, &key.id)?;
        Ok(heard.into_iter().map(|at| at - committed).collect())
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        self.hosts.clear();
        databases::drop_at(&self.url);
    }
}

/// Each says that it is there, evenly spread over the time of a heartbeat.
fn beat(hosts: &[Arc<Core>], is_over: &AtomicBool) -> Result<()> {
    let pause = HEARTBEAT / u32::try_from(hosts.len())?;
    let mut next = Instant::now();
    for host in hosts.iter().cycle() {
        next += pause;
        // The long pause of an only host is not waited for at the end.
        while let Some(left) = next.checked_duration_since(Instant::now()) {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        host.beat(host.now())?;
    }
    Ok(())
}

async fn listen(number: usize, mut changes: tokio::sync::broadcast::Receiver<Change>, tell: Sender<Heard>) {
    while let Ok(change) = changes.recv().await {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_micros();
        if change == Change::Keys && tell.send((number, i64::try_from(now).expect("before the year 290,000"))).is_err()
        {
            return;
        }
    }
}

/// When the end of this key was committed, by the database's stamp, in microseconds since 1970.
fn committed(url: &str, key: &KeyId) -> Result<i64> {
    let sql =
        "SELECT (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint FROM api_keys WHERE id = $1";
    let at = databases::asked(url, async |client| client.query_one(sql, &[&&*key.0]).await?.try_get(0));
    at.context("the stamp of a commit")
}

fn measure(count: usize) -> Result<Value> {
    let simulation = Simulation::new(count)?;
    let (hosts, is_over) = (&simulation.hosts, AtomicBool::new(false));
    std::thread::scope(|scope| {
        let beating = scope.spawn(|| beat(hosts, &is_over));
        let measured = figures(&simulation, count);
        is_over.store(true, Ordering::Relaxed);
        beating.join().map_err(|_| anyhow::anyhow!("the heartbeat broke"))??;
        measured
    })
}

fn figures(simulation: &Simulation, count: usize) -> Result<Value> {
    std::thread::sleep(SETTLES);
    let own = std::process::id();
    let before = (Database::so_far(&simulation.url)?, cpu_ms(own)?, Instant::now());
    std::thread::sleep(QUIET);
    let seconds = before.2.elapsed().as_secs_f64();
    let quiet = Database::so_far(&simulation.url)?.since(&before.0).each(seconds);
    let own_ms = (cpu_ms(own)? - before.1) / seconds;
    let (mut all, mut last) = (Vec::new(), Vec::new());
    let (before, began) = (Database::so_far(&simulation.url)?, Instant::now());
    for _ in 0..ENDS {
        let delays = simulation.end_one()?;
        last.extend(delays.iter().max());
        all.extend(delays);
    }
    let busy = Database::so_far(&simulation.url)?.since(&before);
    // Beyond what it would have done anyway. A key that ends was created before.
    let ends = f64::from(u32::try_from(ENDS)?);
    let cpu_of_end = (busy.cpu_ms - quiet.cpu_ms * began.elapsed().as_secs_f64()) / ends;
    all.sort_unstable();
    last.sort_unstable();
    let [p50, p99] = [50, 99].map(|hundredths| Delays::ms(&all, hundredths));
    let [last_p50, last_max] = [50, 100].map(|hundredths| Delays::ms(&last, hundredths));
    println!(
        "{count:>6} {p50:>8.1} {p99:>8.1} {last_p50:>10.1} {last_max:>10.1} {:>10.0} {:>8.1} {:>8.1} {cpu_of_end:>12.1} {own_ms:>14.1}",
        quiet.transactions, quiet.rows, quiet.cpu_ms
    );
    Ok(json!({
        "hosts": count, "p50_ms": p50, "p99_ms": p99, "last_p50_ms": last_p50, "last_max_ms": last_max,
        "database_per_second_of_quiet": told(&quiet), "database_cpu_ms_per_end": cpu_of_end, "own_cpu_ms_per_second": own_ms,
    }))
}
