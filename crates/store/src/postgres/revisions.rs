//! How often rows were changed. The rows of `revisions` are the truth; that somebody is told of a change is a hint.

use atthene_core::port::Revisions;

use super::db::{Db, get};
use super::fault::Fault;

/// Rows that a unit of work changes, in the order in which all of them are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Approvals,
    Connections,
    Integrations,
    Keys,
    Settings,
}

impl Topic {
    fn as_str(self) -> &'static str {
        match self {
            Self::Approvals => "approvals",
            Self::Connections => "connections",
            Self::Integrations => "integrations",
            Self::Keys => "keys",
            Self::Settings => "settings",
        }
    }
}

/// The statement after which no other unit of work, on any host, changes these until this one has ended.
pub(super) fn hold(topics: &[Topic]) -> String {
    let words: Vec<String> = topics.iter().map(|topic| format!("'{}'", topic.as_str())).collect();
    if words.is_empty() {
        return String::new();
    }
    format!("SELECT 1 FROM revisions WHERE topic IN ({}) ORDER BY topic FOR UPDATE", words.join(", "))
}

/// One more change of these, where no trigger counts it.
pub(super) fn count(db: &Db<'_>, topic: Topic) -> Result<(), Fault> {
    db.run("UPDATE revisions SET n = n + 1 WHERE topic = $1", &[&topic.as_str()]).map(drop)
}

/// All of them, as one statement sees them. What each host appends and counts has a counter of its own: one for all
/// would have every host wait for every other.
pub(super) const READ: &str = "
    SELECT max(n) FILTER (WHERE topic = 'keys') AS keys, max(n) FILTER (WHERE topic = 'settings') AS settings,
           max(n) FILTER (WHERE topic = 'integrations') AS integrations,
           max(n) FILTER (WHERE topic = 'connections') AS connections,
           max(n) FILTER (WHERE topic = 'service') AS service, max(n) FILTER (WHERE topic = 'approvals') AS approvals,
           (SELECT coalesce(sum(appended), 0)::bigint FROM chains) AS activity,
           (SELECT coalesce(sum(counted), 0)::bigint FROM hosts) AS usage
    FROM revisions";

pub(super) fn of_row(row: &tokio_postgres::Row) -> Result<Revisions, Fault> {
    Ok(Revisions {
        keys: get(row, "keys")?,
        settings: get(row, "settings")?,
        integrations: get(row, "integrations")?,
        connections: get(row, "connections")?,
        activity: get(row, "activity")?,
        usage: get(row, "usage")?,
        service: get(row, "service")?,
        approvals: get(row, "approvals")?,
    })
}

pub(super) fn read(db: &Db<'_>) -> Result<Revisions, Fault> {
    of_row(&db.one(READ, &[])?)
}
