//! Appending to the record: one chain of hashes for each host, so that no host waits for another. From time to time a
//! row carries the ends of the other chains along: whoever rewrites one would have to rewrite all.

use std::cell::RefCell;

use atthene_core::activity::{ActOutcome, Actor, Entry, Kind};
use serde::{Deserialize, Serialize};

use super::db::{Db, get};
use super::fault::Fault;
use super::locks::APPENDING;
use crate::chain::{ChainLink, Hash, beginning};

/// The ends of the other chains are carried along after this many rows, or this long, in milliseconds.
const LINKED_AFTER: i64 = 100;
const LINKED_EVERY: i64 = 60_000;

/// An entry that waits for the rest of its unit of work.
pub(super) struct PendingEntry {
    at: i64,
    actor: Actor,
    kind: Kind,
    subject: String,
    outcome: ActOutcome,
    detail: String,
}

impl PendingEntry {
    pub(super) fn of(entry: &Entry<'_>) -> Self {
        Self {
            at: entry.at.0,
            actor: entry.actor,
            kind: entry.kind,
            subject: entry.subject.to_owned(),
            outcome: entry.outcome,
            detail: entry.detail.to_string(),
        }
    }
}

/// All that wait.
#[derive(Default)]
pub(super) struct PendingEntries(RefCell<Vec<PendingEntry>>);

impl PendingEntries {
    pub(super) fn push(&self, one: PendingEntry) {
        self.0.borrow_mut().push(one);
    }

    pub(super) fn take(&self) -> Vec<PendingEntry> {
        self.0.take()
    }
}

/// The end of another host's chain, as a row carries it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CarriedEnd {
    pub(super) host: String,
    pub(super) id: i64,
    /// In hexadecimal digits.
    pub(super) hash: String,
}

/// Appends these to the chain of this host. The last thing that a unit of work does: from here to its end, nobody else
/// on this host appends, and whoever holds this waits for nothing.
pub(super) fn append(db: &Db<'_>, host: &str, entries: Vec<PendingEntry>) -> Result<(), Fault> {
    if entries.is_empty() {
        return Ok(());
    }
    let head = db.one(
        &format!(
            "SELECT hash, linked_at, unlinked, pg_advisory_xact_lock_shared({APPENDING})::text FROM chains
             WHERE host = $1 FOR UPDATE"
        ),
        &[&host],
    )?;
    let mut before = match get::<Option<&[u8]>>(&head, "hash")? {
        Some(bytes) => hash_of(bytes)?,
        None => beginning(host),
    };
    let mut linked_at: Option<i64> = get(&head, "linked_at")?;
    let mut unlinked: i64 = get(&head, "unlinked")?;
    for entry in entries {
        // A clock that was set back is no reason to wait.
        let is_recent = linked_at.is_some_and(|at| (at..at + LINKED_EVERY).contains(&entry.at));
        let links = if is_recent && unlinked < LINKED_AFTER { None } else { ends_of_others(db, host)? };
        unlinked += 1;
        if links.is_some() {
            (linked_at, unlinked) = (Some(entry.at), 0);
        }
        before = append_one(db, host, &entry, links.as_deref(), before, (linked_at, unlinked))?;
    }
    Ok(())
}

fn append_one(
    db: &Db<'_>,
    host: &str,
    entry: &PendingEntry,
    links: Option<&str>,
    before: Hash,
    (linked_at, unlinked): (Option<i64>, i64),
) -> Result<Hash, Fault> {
    let link = ChainLink {
        at: entry.at,
        actor: entry.actor.as_str(),
        kind: entry.kind.as_str(),
        subject: &entry.subject,
        outcome: entry.outcome.as_str(),
        detail: &entry.detail,
        links,
    };
    let hash = link.hash(Some(before));
    db.run(
        "WITH added AS (
           INSERT INTO activity (host, at, actor, kind, subject, outcome, detail, links, hash)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id)
         UPDATE chains SET id = (SELECT id FROM added), hash = $9, appended = appended + 1, linked_at = $10, unlinked = $11
         WHERE host = $1",
        &[
            &host,
            &link.at,
            &link.actor,
            &link.kind,
            &link.subject,
            &link.outcome,
            &link.detail,
            &link.links,
            &hash.as_slice(),
            &linked_at,
            &unlinked,
        ],
    )?;
    Ok(hash)
}

/// `None`: there are none.
fn ends_of_others(db: &Db<'_>, host: &str) -> Result<Option<String>, Fault> {
    let rows =
        db.rows("SELECT host, id, hash FROM chains WHERE host <> $1 AND id IS NOT NULL ORDER BY host", &[&host])?;
    let ends = rows.iter().map(|row| {
        Ok(CarriedEnd {
            host: get(row, "host")?,
            id: get(row, "id")?,
            hash: atthene_core::hex(get::<&[u8]>(row, "hash")?),
        })
    });
    let ends = ends.collect::<Result<Vec<_>, Fault>>()?;
    if ends.is_empty() {
        return Ok(None);
    }
    serde_json::to_string(&ends).map(Some).map_err(|error| Fault::Unreadable(error.to_string()))
}

/// A hash as it lies in a row.
pub(super) fn hash_of(bytes: &[u8]) -> Result<Hash, Fault> {
    bytes.try_into().map_err(|_| Fault::Unreadable("a hash of the record has another length".to_owned()))
}
