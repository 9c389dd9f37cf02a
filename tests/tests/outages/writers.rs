//! Who makes changes all the time, through whichever host, and remembers what came of each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::book::Book;
use crate::hosts::Host;
use crate::rows::{Doubt, Written};

/// How a change ended.
pub(crate) enum Outcome {
    Done(Value),
    /// Whether it was done is not known.
    NotKnown,
    /// It was not done, for this reason.
    Refused(String),
}

/// What a host may say of a change while its database is away. Anything else is wrong, or follows from a doubt.
const MAY_BE_SAID: [&str; 4] = ["database_unreachable", "database_locked", "disk_full", "secrets_unreachable"];

/// How changes ended, counted.
#[derive(Default)]
pub(crate) struct Tally(Mutex<BTreeMap<String, usize>>);

impl Tally {
    fn count(&self, what: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(what.to_owned()).or_default() += 1;
    }

    pub(crate) fn shown(&self) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(what, count)| format!("{what} {count}")).collect::<Vec<_>>().join(", ")
    }
}

/// What writers share.
pub(crate) struct Desk {
    pub(crate) hosts: Vec<Arc<Host>>,
    pub(crate) book: Arc<Book>,
    pub(crate) written: Mutex<Written>,
    pub(crate) tally: Tally,
}

impl Desk {
    pub(crate) fn written(&self) -> std::sync::MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn change(&self, host: usize, arguments: &[&str], is_in_doubt: bool) -> Result<Outcome> {
        let printed = self.hosts[host].machine.run(&[&["--json"], arguments].concat()).await?;
        if printed.code == 0 {
            self.tally.count("done");
            let is_empty = printed.out.trim().is_empty();
            return Ok(Outcome::Done(if is_empty { Value::Null } else { printed.json()? }));
        }
        let told = printed.err.lines().find_map(|line| serde_json::from_str::<Value>(line).ok());
        let told = told.with_context(|| format!("{arguments:?}: {printed:?}"))?;
        let code = told["error"]["code"].as_str().unwrap_or_default().to_owned();
        self.tally.count(&code);
        if code == "database_outcome_unknown" {
            return Ok(Outcome::NotKnown);
        }
        if !is_in_doubt && !MAY_BE_SAID.contains(&code.as_str()) {
            self.book.is_wrong(format!("{arguments:?} on host {host}: {}", printed.err.trim()));
        }
        Ok(Outcome::Refused(code))
    }

    /// A new key in place of the live one; whether it was acknowledged.
    pub(crate) async fn create_key(&self, host: usize) -> Result<bool> {
        let name = self.written().next_name("key");
        let is_in_doubt = self.book.begin_end() || self.written().has_doubtful_key();
        let create = ["key", "create", "--name", &name, "--expires", "30d", "--yes"];
        match self.change(host, &create, is_in_doubt).await? {
            Outcome::Done(made) => {
                let text = |field: &str| made[field].as_str().map(str::to_owned).context("a key");
                self.book.add(text("id")?, text("key")?);
                return Ok(true);
            }
            Outcome::NotKnown => self.written().doubt(Doubt::Key(name)),
            Outcome::Refused(_) => {
                self.written().refuse(&name);
                if !is_in_doubt {
                    self.book.withdraw_end();
                }
            }
        }
        Ok(false)
    }

    async fn revoke_key(&self, host: usize) -> Result<()> {
        let Some(key) = self.book.live() else { return Ok(()) };
        let is_in_doubt = self.book.begin_end();
        let doubts_key = self.written().has_doubtful_key();
        let revoke = ["key", "revoke", "--yes", "--id", &key.id];
        match self.change(host, &revoke, is_in_doubt || doubts_key).await? {
            Outcome::Done(_) => self.book.end(),
            // The one in doubt was done.
            Outcome::Refused(code) if code == "key_already_ended" => self.book.end(),
            Outcome::Refused(_) if !is_in_doubt => self.book.withdraw_end(),
            Outcome::Refused(_) | Outcome::NotKnown => {}
        }
        Ok(())
    }

    async fn set_days(&self, host: usize) -> Result<()> {
        let days = self.written().next_days();
        match self.change(host, &["config", "set", "record_days", &days.to_string()], false).await? {
            Outcome::Done(_) => self.written().days_are(days),
            Outcome::NotKnown => self.written().days_may_be(days),
            Outcome::Refused(_) => {}
        }
        Ok(())
    }

    async fn add_integration(&self, host: usize) -> Result<()> {
        let name = self.written().next_name("integration");
        let client = "11111111-2222-3333-4444-555555555555";
        let add = ["integration", "add", "--name", &name, "--client-id", client, "--tenant", "common"];
        match self.change(host, &[&add[..], &["--scopes", "User.Read"]].concat(), false).await? {
            Outcome::Done(made) => {
                let id = made["id"].as_str().context("an id")?.to_owned();
                self.written().integrations.insert(name, id);
            }
            Outcome::NotKnown => self.written().doubt(Doubt::Added(name)),
            Outcome::Refused(_) => self.written().refuse(&name),
        }
        Ok(())
    }

    async fn remove_integration(&self, host: usize) -> Result<()> {
        let Some((name, id)) = self.written().integrations.first_key_value().map(|(a, b)| (a.clone(), b.clone()))
        else {
            return Ok(());
        };
        match self.change(host, &["integration", "remove", &id], false).await? {
            Outcome::Done(_) => {
                self.written().integrations.remove(&name);
                self.written().refuse(&name);
            }
            Outcome::NotKnown => {
                self.written().integrations.remove(&name);
                self.written().doubt(Doubt::Removed(name, id));
            }
            Outcome::Refused(_) => {}
        }
        Ok(())
    }
}

/// Makes and ends keys until it is told to stop.
pub(crate) async fn change_keys(desk: Arc<Desk>, go_on: Arc<AtomicBool>, seed: u64) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    while go_on.load(Ordering::Relaxed) {
        let host = random.random_range(0..desk.hosts.len());
        if desk.book.live().is_some() && random.random_bool(0.35) {
            desk.revoke_key(host).await?;
        } else {
            desk.create_key(host).await?;
        }
    }
    Ok(())
}

/// Changes a setting and integrations until it is told to stop.
pub(crate) async fn change_others(desk: Arc<Desk>, go_on: Arc<AtomicBool>, seed: u64) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    while go_on.load(Ordering::Relaxed) {
        let host = random.random_range(0..desk.hosts.len());
        match [0, 1, 1, 2].choose(&mut random) {
            Some(0) => desk.set_days(host).await?,
            Some(1) => desk.add_integration(host).await?,
            _ => desk.remove_integration(host).await?,
        }
    }
    Ok(())
}
