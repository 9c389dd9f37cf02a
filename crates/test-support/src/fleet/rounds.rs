//! Keys are created, replaced and revoked, each time on another host, while callers call.

use anyhow::{Context, Result};

use super::callers::{Callers, Pace, now};
use super::commits::Commits;
use super::hosts::Fleet;
use super::judge::{Call, Life};

/// Every so many ends, nobody waits until the gateways know the key: some of them check it as it ends.
const HURRIED_EVERY: usize = 5;

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Rounds {
    /// How many keys end: one is replaced, the next one revoked.
    pub ends: usize,
    pub pace: Pace,
}

/// What was seen.
pub struct Evidence {
    pub lives: Vec<Life>,
    pub calls: Vec<Call>,
    /// How many calls were answered with a yes though they began after the command that ended their key had returned.
    pub after_return: usize,
}

impl Rounds {
    /// Goes through them. Every gateway serves.
    pub fn go(&self, fleet: &Fleet) -> Result<Evidence> {
        let callers = Callers::start(fleet, self.pace);
        let (mut commits, mut returned) = (Commits::default(), Vec::new());
        let mut turn = 0;
        let mut change = |commits: &mut Commits, arguments: &[&str]| {
            let host = &fleet.hosts[turn % fleet.hosts.len()];
            turn += 1;
            let printed = host.installation.run(arguments)?;
            let at = now();
            commits.read(&fleet.url)?;
            Ok::<_, anyhow::Error>((printed, at))
        };
        let create = ["key", "create", "--name", "Many", "--expires", "30d", "--yes"];
        let mut key = callers.add(&change(&mut commits, &create)?.0);
        for end in 0..self.ends {
            let is_hurried = end % HURRIED_EVERY == HURRIED_EVERY - 1;
            if !is_hurried {
                callers.until_all_say(key, 200).context("a new key")?;
            }
            if end % 2 == 0 {
                let (text, at) = change(&mut commits, &create)?;
                returned.push(at);
                key = callers.add(&text);
            } else {
                returned.push(change(&mut commits, &["key", "revoke", "--yes"])?.1);
                callers.until_all_say(key, 401).context("a revoked key")?;
                key = callers.add(&change(&mut commits, &create)?.0);
            }
        }
        callers.until_all_say(key, 200).context("the last key")?;
        let calls = callers.end()?;
        let late =
            |call: &&Call| call.status == 200 && returned.get(call.key).is_some_and(|returned| call.began > *returned);
        let after_return = calls.iter().filter(late).count();
        Ok(Evidence { lives: commits.lives, calls, after_return })
    }
}
