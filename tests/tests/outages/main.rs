//! Gateways on several hosts whose database fails in every way that databases do, again and again, while changes and
//! calls go on: nothing that was acknowledged is lost, no key that ended opens again, and every gateway comes back by
//! itself. `ATTHENE_TEST_ROUNDS` says how often, `ATTHENE_TEST_SEED` draws the same rounds again.
#![expect(clippy::print_stderr, reason = "figures are for whoever looks at the test's output")]

mod book;
mod callers;
mod faults;
mod hosts;
mod rows;
mod rules;
mod writers;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use atthene_test_cluster::Cluster;
use atthene_test_support::databases;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use book::{Book, Outage};
use callers::{Asking, BACK};
use faults::{Deck, Plan};
use rules::{Figures, TRUST};
use writers::{Desk, Tally};

const HOSTS: usize = 3;
/// What the shared disk holds, in MiB: a new server takes about 60.
const DISK: u32 = 192;
const USUAL_ROUNDS: usize = 7;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

struct Test {
    cluster: Arc<Cluster>,
    database: String,
    desk: Arc<Desk>,
    callers: Vec<Asking>,
    back: Vec<Duration>,
    kinds: BTreeMap<faults::Kind, usize>,
}

impl Test {
    async fn new() -> Result<Self> {
        let cluster = Arc::new(Cluster::on_small_disk(DISK)?);
        if !cluster.can_be_filled() {
            eprintln!("left out: full disks, since no disk of limited size can be mounted here");
        }
        let url = databases::empty_on(&cluster.url());
        let database = url.rsplit('/').next().context("a name")?.to_owned();
        let hosts: Vec<_> = hosts::fleet(&url, HOSTS, TRUST.as_secs()).await?.into_iter().map(Arc::new).collect();
        let book = Arc::new(Book::default());
        let callers = hosts.iter().map(|host| Asking::begin(host, &book)).collect();
        let desk = Desk { hosts, book, written: Mutex::default(), tally: Tally::default() };
        let test = Self { cluster, database, desk: Arc::new(desk), callers, back: Vec::new(), kinds: BTreeMap::new() };
        test.new_key_everywhere(0).await?;
        Ok(test)
    }

    /// Makes a key on this host and waits until each gateway lets it in.
    async fn new_key_everywhere(&self, host: usize) -> Result<()> {
        let began = Instant::now();
        while !self.desk.create_key(host).await? {
            ensure!(began.elapsed() < BACK, "host {host} changes nothing; so far: {}", self.desk.tally.shown());
        }
        let newest = self.desk.book.count() - 1;
        for (number, caller) in self.callers.iter().enumerate() {
            caller
                .lets_in(newest)
                .await
                .with_context(|| format!("host {number}: {}", self.desk.hosts[number].said()))?;
        }
        Ok(())
    }

    /// Waits until each gateway goes by what was changed last, with no other change that could tell it. How long after
    /// the end of what was wrong the last of them still was closed.
    async fn all_know_what_was_done(&self, ended: Instant) -> Result<Duration> {
        let newest = self.desk.book.count() - 1;
        let fact = self.desk.book.key(newest).context("a key")?;
        let status = match fact.ended {
            Some(_) => Some(401),
            None if fact.may_have_ended => None,
            None => Some(200),
        };
        let mut longest = Duration::ZERO;
        for (number, caller) in self.callers.iter().enumerate() {
            let closed = caller.answers(newest, ended, status).await;
            let wrong = || format!("host {number}: {}", self.desk.hosts[number].said());
            longest = longest.max(closed.with_context(wrong)?);
        }
        Ok(longest)
    }

    async fn round(&mut self, plan: &Plan, random: &mut StdRng) -> Result<()> {
        let go_on = Arc::new(AtomicBool::new(true));
        let writers = [
            tokio::spawn(writers::change_keys(self.desk.clone(), go_on.clone(), random.random())),
            tokio::spawn(writers::change_others(self.desk.clone(), go_on.clone(), random.random())),
        ];
        // Into the middle of whatever is under way.
        tokio::time::sleep(Duration::from_millis(random.random_range(0..800))).await;
        self.desk.book.set_outage(Some(Outage { since: Instant::now(), is_silent: plan.is_silent() }));
        faults::happen(plan, &self.cluster, &self.desk.hosts).await?;
        let ended = Instant::now();
        go_on.store(false, Ordering::Relaxed);
        for writer in writers {
            writer.await??;
        }
        self.back.push(self.all_know_what_was_done(ended).await?);
        self.new_key_everywhere(random.random_range(0..HOSTS)).await?;
        self.desk.book.set_outage(None);
        plan.kinds.iter().for_each(|kind| *self.kinds.entry(*kind).or_default() += 1);
        rows::look(&self.desk, &self.cluster, &self.database).await?;
        self.nothing_is_wrong()
    }

    fn nothing_is_wrong(&self) -> Result<()> {
        let wrong = self.desk.book.take_wrong();
        let said = || self.desk.hosts.iter().map(|host| host.said()).collect::<Vec<_>>().join("\n\n");
        ensure!(wrong.is_empty(), "{}\nThe gateways' logs end so:\n{}", wrong.join("\n"), said());
        Ok(())
    }

    async fn end(self) -> Result<()> {
        let figures = self.callers.into_iter().map(Asking::end).collect::<Result<Vec<_>>>()?;
        let answered: u64 = figures.iter().map(|one| one.answered).sum();
        let mut counted = rows::counted(&self.cluster, &self.database)?;
        let began = Instant::now();
        while counted < answered && began.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            counted = rows::counted(&self.cluster, &self.database)?;
        }
        let mut back = self.back;
        back.sort();
        let longest = |of: fn(&Figures) -> Duration| figures.iter().map(of).max().unwrap_or_default();
        eprintln!("rounds by kind: {:?}", self.kinds);
        eprintln!("changes: {}; in doubt and done: {:?}", self.desk.tally.shown(), self.desk.written().doubted);
        eprintln!(
            "closed for so long after the failure was over: half {:?}, the slowest {:?}; answered up to {:?} after the database was last heard, closed {:?} after it went silent at the earliest; an ended key opened up to {:?} after its end",
            back.get(back.len() / 2),
            back.last(),
            longest(|one| one.longest_trust),
            figures.iter().filter_map(|one| one.shortest_trust).min(),
            longest(|one| one.longest_after_end),
        );
        eprintln!(
            "calls: {answered} answered, of which {counted} are counted; {} refused, {} times unavailable",
            figures.iter().map(|one| one.refused).sum::<u64>(),
            figures.iter().map(|one| one.unavailable).sum::<u64>(),
        );
        ensure!(counted == answered, "{answered} calls were answered, and {counted} counted");
        for host in &self.desk.hosts {
            let sound = host.machine.done(&["activity", "--verify"]).await?;
            ensure!(!host.said().contains("panicked"), "{}", host.said());
            eprint!("{}", sound.out);
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the release build: cargo xtask test --only e2e"]
async fn no_failure_of_the_database_loses_a_change_or_opens_to_a_key_that_ended() -> Result<()> {
    let rounds = number("ATTHENE_TEST_ROUNDS").and_then(|rounds| rounds.try_into().ok()).unwrap_or(USUAL_ROUNDS);
    let seed = number("ATTHENE_TEST_SEED").unwrap_or_else(|| rand::rng().random());
    eprintln!("ATTHENE_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut test = Test::new().await?;
    let mut deck = Deck::new(test.cluster.can_be_filled());
    for round in 0..rounds {
        let plan = deck.draw(HOSTS, &mut random);
        let began = Instant::now();
        test.round(&plan, &mut random).await.with_context(|| format!("round {round}, seed {seed}: {plan:?}"))?;
        eprintln!("round {round}: {plan:?}, {:?}, back {:?}", began.elapsed(), test.back.last());
    }
    test.end().await
}
