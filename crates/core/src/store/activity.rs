//! Queries on `activity`.

use blake2::{Blake2s256, Digest};
use rusqlite::{Connection, OptionalExtension, params};

use crate::activity::Entry;
use crate::clock::UnixMs;

/// Appends the entry, chained to the one before it.
pub(crate) fn append(connection: &Connection, at: UnixMs, actor: &str, entry: &Entry<'_>) -> rusqlite::Result<()> {
    let before: Option<[u8; 32]> = connection
        .prepare_cached("SELECT hash FROM activity ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let detail = entry.detail.to_string();
    let outcome = entry.outcome.as_str();
    let mut hash = Blake2s256::new();
    hash.update(before.unwrap_or_default());
    hash.update(at.0.to_le_bytes());
    for field in [actor, entry.kind.as_str(), entry.subject, outcome, &detail] {
        // The length before each field, so that no two rows read alike.
        hash.update((field.len() as u64).to_le_bytes());
        hash.update(field);
    }
    let hash: [u8; 32] = hash.finalize().into();
    connection.prepare_cached("INSERT INTO activity (at, actor, kind, subject, outcome, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![at.0, actor, entry.kind.as_str(), entry.subject, outcome, detail, hash])?;
    Ok(())
}
