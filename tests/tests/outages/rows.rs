//! What was acknowledged, refused or left in doubt, held against the rows as PostgreSQL's own tool shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, ensure};
use atthene_test_cluster::Cluster;

use crate::writers::Desk;

/// A change of which is not known whether it was done.
pub(crate) enum Doubt {
    Key(String),
    Added(String),
    Removed(String, String),
}

/// What the rows have to hold, apart from keys.
#[derive(Default)]
pub(crate) struct Written {
    names: usize,
    days: u16,
    /// What the setting may be: what was acknowledged last, and what was left in doubt since.
    days_in_force: BTreeSet<u16>,
    /// By name; their ids.
    pub(crate) integrations: BTreeMap<String, String>,
    /// Names that no row may have.
    absent: BTreeSet<String>,
    doubts: Vec<Doubt>,
    /// How many changes were in doubt, and how many of them had been done.
    pub(crate) doubted: (usize, usize),
}

impl Written {
    pub(crate) fn next_name(&mut self, what: &str) -> String {
        self.names += 1;
        format!("{what} {}", self.names)
    }

    /// Never one that was drawn lately.
    pub(crate) fn next_days(&mut self) -> u16 {
        self.days = (self.days + 1) % 2500;
        1000 + self.days
    }

    pub(crate) fn days_are(&mut self, days: u16) {
        self.days_in_force = BTreeSet::from([days]);
    }

    pub(crate) fn days_may_be(&mut self, days: u16) {
        if self.days_in_force.is_empty() {
            self.days_in_force.insert(365);
        }
        self.days_in_force.insert(days);
    }

    pub(crate) fn refuse(&mut self, name: &str) {
        self.absent.insert(name.to_owned());
    }

    pub(crate) fn doubt(&mut self, doubt: Doubt) {
        self.doubts.push(doubt);
    }

    pub(crate) fn has_doubtful_key(&self) -> bool {
        self.doubts.iter().any(|doubt| matches!(doubt, Doubt::Key(_)))
    }

    fn settle(&mut self, keys: &BTreeSet<String>, integrations: &BTreeMap<String, String>) {
        for doubt in std::mem::take(&mut self.doubts) {
            let was_done = match doubt {
                Doubt::Key(name) => keys.contains(&name),
                Doubt::Added(name) => match integrations.get(&name) {
                    Some(id) => self.integrations.insert(name, id.clone()).is_none(),
                    None => false,
                },
                Doubt::Removed(name, id) => match integrations.get(&name) {
                    Some(_) => self.integrations.insert(name, id).is_some(),
                    None => self.absent.insert(name),
                },
            };
            self.doubted = (self.doubted.0 + 1, self.doubted.1 + usize::from(was_done));
        }
    }
}

/// Waits for units of work that were under way when this begins: what is in doubt can't be done any more then.
async fn nothing_is_under_way(cluster: &Cluster) -> Result<()> {
    let now = cluster.sql("postgres", "SELECT clock_timestamp()")?.concat();
    let open = format!(
        "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
           AND xact_start < '{now}'"
    );
    for _ in 0..100 {
        if cluster.sql("postgres", &open)?.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("a unit of work does not end")
}

fn table(cluster: &Cluster, database: &str, sql: &str) -> Result<Vec<(String, String, String)>> {
    let rows = cluster.sql(database, sql)?;
    let cells = rows.iter().map(|row| {
        let mut cells = row.split('\t').map(str::to_owned);
        let mut next = || cells.next().unwrap_or_default();
        (next(), next(), next())
    });
    Ok(cells.collect())
}

/// Holds the rows against all that writers know, while none of them writes; settles what is in doubt.
pub(crate) async fn look(desk: &Desk, cluster: &Cluster, database: &str) -> Result<()> {
    nothing_is_under_way(cluster).await?;
    let keys = table(cluster, database, "SELECT id, name, ended_at IS NULL FROM api_keys")?;
    let integrations = table(cluster, database, "SELECT name, id FROM integrations")?;
    let by_name: BTreeMap<_, _> = integrations.into_iter().map(|(name, id, _)| (name, id)).collect();
    let names: BTreeSet<_> = keys.iter().map(|(_, name, _)| name.clone()).collect();
    let is_live: BTreeMap<_, _> = keys.iter().map(|(id, _, live)| (id.as_str(), live == "t")).collect();
    let mut written = desk.written();
    for fact in desk.book.keys() {
        let live = is_live.get(fact.id.as_str());
        ensure!(live.is_some(), "key {} was acknowledged and is not there", fact.id);
        ensure!(live != Some(&true) || fact.ended.is_none(), "the end of key {} is lost", fact.id);
        ensure!(live == Some(&true) || fact.may_have_ended || fact.ended.is_some(), "nobody ended key {}", fact.id);
        if fact.ended.is_none() {
            // The newest.
            if live == Some(&true) { desk.book.withdraw_end() } else { desk.book.end() }
        }
    }
    written.settle(&names, &by_name);
    for name in &written.absent {
        ensure!(!names.contains(name) && !by_name.contains_key(name), "{name} was refused or removed, and is there");
    }
    ensure!(by_name == written.integrations, "integrations: {by_name:?}, and not {:?}", written.integrations);
    let days = cluster.sql(database, "SELECT value FROM settings WHERE name = 'record_days'")?.concat();
    let days = if days.is_empty() { 365 } else { days.parse()? };
    let may_be = &written.days_in_force;
    ensure!(may_be.contains(&days) || may_be.is_empty(), "the setting is {days}, and not one of {may_be:?}");
    written.days_are(days);
    Ok(())
}

/// Answered calls, as all hosts have counted them.
pub(crate) fn counted(cluster: &Cluster, database: &str) -> Result<u64> {
    let sum = "SELECT coalesce(sum(requests), 0) FROM (
                 SELECT requests FROM usage_hours WHERE outcome = 'answered'
                 UNION ALL SELECT requests FROM usage_days WHERE outcome = 'answered') AS all_of_it";
    Ok(cluster.sql(database, sum)?.concat().parse()?)
}
