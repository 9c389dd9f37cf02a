//! What becomes of the database and of the ways to it, for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use atthene_test_cluster::{Cluster, Victim};
use atthene_test_support::line::Flow;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use tokio::time::sleep;

use crate::hosts::Host;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The server is stopped as by a crash, and started later.
    Stopped,
    /// A process of the server is killed, so that it recovers as after a crash.
    Killed,
    /// Connections are ended by the server.
    Terminated,
    /// Nothing arrives any more, and nobody is told.
    Stalled,
    /// Connections are thrown away in the middle of whatever is sent, and can be made again.
    Reset,
    /// Everything arrives late.
    Delayed,
    /// The server's disk is full.
    DiskFull,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::Stopped, Self::Killed, Self::Terminated, Self::Stalled, Self::Reset, Self::Delayed, Self::DiskFull];

    /// Whether from its beginning on nothing is heard of the database.
    fn is_silent(self) -> bool {
        matches!(self, Self::Stopped | Self::Stalled)
    }
}

/// What is to happen in one round.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) kinds: Vec<Kind>,
    lasts: Duration,
    /// The hosts whose lines are meant, where lines are.
    lines: Vec<usize>,
    seed: u64,
}

impl Plan {
    pub(crate) fn is_silent(&self) -> bool {
        self.kinds.iter().all(|kind| kind.is_silent())
    }
}

/// Draws rounds so that each kind comes as often as the others.
pub(crate) struct Deck {
    left: Vec<Kind>,
    can_be_filled: bool,
}

impl Deck {
    pub(crate) fn new(can_be_filled: bool) -> Self {
        Self { left: Vec::new(), can_be_filled }
    }

    fn kind(&mut self, random: &mut StdRng) -> Kind {
        loop {
            match self.left.pop() {
                Some(Kind::DiskFull) if !self.can_be_filled => {}
                Some(kind) => return kind,
                None => {
                    self.left = Kind::ALL.to_vec();
                    self.left.shuffle(random);
                }
            }
        }
    }

    pub(crate) fn draw(&mut self, hosts: usize, random: &mut StdRng) -> Plan {
        let mut kinds = vec![self.kind(random)];
        if random.random_bool(0.25) {
            kinds.extend(Some(self.kind(random)).filter(|second| *second != kinds[0]));
        }
        // Shorter than the trust period, or longer.
        let ms = if random.random_bool(0.6) { 300..2500 } else { 5000..7000 };
        let mut lines: Vec<_> = (0..hosts).collect();
        lines.shuffle(random);
        lines.truncate(random.random_range(1..=hosts));
        Plan { kinds, lasts: Duration::from_millis(random.random_range(ms)), lines, seed: random.random() }
    }
}

/// Lets it happen, and ends it: the server runs again, and every line is open.
pub(crate) async fn happen(plan: &Plan, cluster: &Arc<Cluster>, hosts: &[Arc<Host>]) -> Result<()> {
    let all = plan.kinds.iter().enumerate().map(|(number, kind)| {
        let (plan, kind, cluster, hosts) = (plan.clone(), *kind, cluster.clone(), hosts.to_vec());
        tokio::spawn(async move { one(kind, &plan, number as u64, &cluster, &hosts).await })
    });
    let all: Vec<_> = all.collect();
    for one in all {
        one.await??;
    }
    // After a crash that it could not recover from, for want of room, somebody starts it.
    if !cluster.is_running() {
        cluster.start_again()?;
    }
    while cluster.sql("postgres", "SELECT 1").is_err() {
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn one(kind: Kind, plan: &Plan, number: u64, cluster: &Cluster, hosts: &[Arc<Host>]) -> Result<()> {
    let mut random = StdRng::seed_from_u64(plan.seed.wrapping_add(number));
    let until = Instant::now() + plan.lasts;
    let set = |flow| plan.lines.iter().for_each(|line| hosts[*line].line.set(flow));
    match kind {
        Kind::Stopped => {
            // Where another kind has ended it already, or lets it not begin, the end of the round starts it.
            let _ = cluster.stop_now();
            sleep(plan.lasts).await;
            let _ = cluster.start_again();
        }
        Kind::Killed => {
            let victims = [Victim::Backend, Victim::Checkpointer, Victim::LogWriter];
            while Instant::now() < until {
                let _ = cluster.kill(*victims.choose(&mut random).unwrap_or(&Victim::Backend));
                pause(&mut random, 50..900).await;
            }
        }
        Kind::Terminated => {
            let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                       WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND random() < 0.4";
            while Instant::now() < until {
                let _ = cluster.sql("postgres", sql);
                pause(&mut random, 10..200).await;
            }
        }
        Kind::Stalled => {
            set(Flow::Stalled);
            sleep(plan.lasts).await;
        }
        Kind::Reset => {
            while Instant::now() < until {
                set(Flow::Reset);
                pause(&mut random, 1..60).await;
                set(Flow::Open);
                pause(&mut random, 1..300).await;
            }
        }
        Kind::Delayed => {
            while Instant::now() < until {
                set(Flow::Delayed(Duration::from_millis(random.random_range(5..1200))));
                pause(&mut random, 200..1500).await;
            }
        }
        Kind::DiskFull => {
            while Instant::now() < until {
                // What the server gives back is taken again.
                cluster.fill()?;
                pause(&mut random, 50..150).await;
            }
            cluster.free()?;
        }
    }
    if matches!(kind, Kind::Stalled | Kind::Reset | Kind::Delayed) {
        set(Flow::Open);
    }
    Ok(())
}

async fn pause(random: &mut StdRng, ms: std::ops::Range<u64>) {
    sleep(Duration::from_millis(random.random_range(ms))).await;
}
