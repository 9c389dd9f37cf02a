//! Those who answer questions and say what is permitted, by the real command.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::Value;

use super::diary::Leaves;
use super::essence;
use super::judge::{AllowedAhead, Given, Judge};
use super::tally::Tally;
use crate::machine::Machine;

/// A person at the command line.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) machine: Arc<Machine>,
    pub(super) connections: [String; 2],
    pub(super) judge: Arc<Mutex<Judge>>,
    pub(super) tally: Arc<Mutex<Tally>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Person {
    async fn waiting(&self) -> Result<Vec<Value>> {
        let listed = self.machine.done(&["--json", "approval", "list"]).await?.json()?;
        Ok(listed.as_array().context("a list")?.clone())
    }

    /// Does one thing.
    pub(super) async fn acts(&self, random: &mut StdRng) -> Result<()> {
        match random.random_range(0..20) {
            0..12 => self.looks(random).await,
            12..19 => {
                let (through, leaves) = (random.random_range(0..2), Leaves::draw(random));
                self.permits(through, if random.random_bool(0.4) { Leaves::USUAL } else { leaves }).await
            }
            _ => {
                self.stops(true).await?;
                self.stops(false).await
            }
        }
    }

    /// Answers a question, where there is one.
    pub(super) async fn looks(&self, random: &mut StdRng) -> Result<()> {
        match self.waiting().await?.choose(random) {
            Some(one) => self.answers(one, random).await,
            None => Ok(()),
        }
    }

    async fn answers(&self, one: &Value, random: &mut StdRng) -> Result<()> {
        let id = one["id"].as_str().context("an id")?;
        if random.random_bool(0.2) {
            return self.denies(id).await.map(drop);
        }
        let through = self.connections.iter().position(|known| one["connection"] == **known).context("a connection")?;
        let essence = essence::of_shown(one["tool"].as_str().unwrap_or_default(), &one["shown"]);
        let essence = essence.with_context(|| format!("nobody can tell what this is: {one}"))?;
        let ahead = one["shown"]["are_addresses"] == true && random.random_bool(0.15);
        let number = {
            let mut judge = lock(&self.judge);
            judge.given.push(Given::new(id, through, essence, Instant::now()));
            judge.given.len() - 1
        };
        let mut arguments = vec!["approval", "approve", id];
        let allowed = if ahead {
            arguments.push("--recipients");
            let listed = one["shown"]["recipients"].as_array().into_iter().flatten();
            let addresses: HashSet<_> = listed.filter_map(|one| Some(one.as_str()?.to_lowercase())).collect();
            let mut judge = lock(&self.judge);
            judge.ahead.push(AllowedAhead { through, addresses, from: Instant::now(), said: None, until: None });
            Some(judge.ahead.len() - 1)
        } else {
            None
        };
        let said = self.machine.run(&arguments).await?.code == 0;
        lock(&self.tally).yes += usize::from(said);
        {
            let mut judge = lock(&self.judge);
            judge.given[number].is_void |= !said;
            if let Some(allowed) = allowed.and_then(|allowed| judge.ahead.get_mut(allowed)) {
                allowed.said = Some(Instant::now());
                if !said {
                    allowed.addresses.clear();
                }
            }
        }
        if said && random.random_bool(0.1) {
            self.denies(id).await?;
        }
        Ok(())
    }

    /// Whether the no came in time.
    async fn denies(&self, id: &str) -> Result<bool> {
        let in_time = self.machine.run(&["approval", "deny", id]).await?.code == 0;
        if in_time {
            // Somebody else may have said yes a moment ago.
            let mut judge = lock(&self.judge);
            judge.given.iter_mut().filter(|given| given.question == id).for_each(|given| given.is_void = true);
        }
        lock(&self.tally).no += usize::from(in_time);
        Ok(in_time)
    }

    /// Says no to whatever waits.
    pub(super) async fn denies_all(&self) -> Result<()> {
        for one in self.waiting().await? {
            self.denies(one["id"].as_str().context("an id")?).await?;
        }
        Ok(())
    }

    /// Says what agents may do.
    pub(super) async fn permits(&self, through: usize, leaves: Leaves) -> Result<()> {
        let id = self.connections[through].as_str();
        let before = Instant::now();
        let arguments = [vec!["connection", "permit", id], leaves.options()].concat();
        self.machine.done(&arguments).await?;
        let mut judge = lock(&self.judge);
        let after = Instant::now();
        let changed = judge.leaves[through].now() != Some(&leaves);
        judge.leaves[through].said(before, after, leaves);
        if changed {
            // What was being said meanwhile may have come later.
            let is_open = |ahead: &&mut AllowedAhead| {
                ahead.through == through && ahead.until.is_none() && ahead.said.is_some_and(|said| said < before)
            };
            let open = judge.ahead.iter_mut().filter(is_open);
            open.for_each(|ahead| ahead.until = Some(after));
        }
        drop(judge);
        lock(&self.tally).permits += 1;
        Ok(())
    }

    /// Stops everything, or resumes.
    pub(super) async fn stops(&self, stop: bool) -> Result<()> {
        let before = Instant::now();
        let done = self.machine.run(&[if stop { "stop" } else { "resume" }]).await?;
        ensure!(done.code == 0, "{done:?}");
        lock(&self.judge).stopped.said(before, Instant::now(), stop);
        lock(&self.tally).stops += usize::from(stop);
        Ok(())
    }
}
