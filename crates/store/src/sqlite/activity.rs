//! Queries on `activity`: append, read, and nothing else.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use atthene_core::StoreError;
use atthene_core::UnixMs;
use atthene_core::activity::{ActivityFilter, ActivityRow, Chain, Entry, Kind};
use atthene_core::port::ActivityRows;

use super::database::Sqlite;
use crate::chain::{ChainLink, Hash};

/// Appends the entry, chained to the one before it.
pub(super) fn append(connection: &Connection, entry: &Entry<'_>) -> rusqlite::Result<()> {
    let before = connection
        .prepare_cached("SELECT hash FROM activity ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let detail = entry.detail.to_string();
    let link = ChainLink {
        at: entry.at.0,
        actor: entry.actor.as_str(),
        kind: entry.kind.as_str(),
        subject: entry.subject,
        outcome: entry.outcome.as_str(),
        detail: &detail,
        links: None,
    };
    let hash = link.hash(before);
    connection
        .prepare_cached(
            "INSERT INTO activity (at, actor, kind, subject, outcome, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![link.at, link.actor, link.kind, link.subject, link.outcome, link.detail, hash])?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO activity_head VALUES (1, ?1, ?2)")?
        .execute(params![connection.last_insert_rowid(), hash])?;
    Ok(())
}

/// Rows within a span of time that are few enough to be found by their time and put in order: of more, enough are
/// found soon by going back from the newest one.
const FEW: i64 = 50_000;

/// Rows that pass the filter, the newest first, older than `before`.
fn page(
    connection: &Connection,
    filter: &ActivityFilter,
    before: Option<i64>,
    most: usize,
) -> rusqlite::Result<Vec<ActivityRow>> {
    let by_time = match filter.since {
        Some(since) => within(connection, since, filter.until)? <= FEW,
        None => false,
    };
    let by = if by_time { "INDEXED BY activity_by_time" } else { "" };
    let (passes, mut values) = conditions(filter);
    values.push(before.unwrap_or(i64::MAX).into());
    values.push(i64::try_from(most).unwrap_or(i64::MAX).into());
    connection
        .prepare_cached(&format!(
            "SELECT id, at, actor, kind, subject, outcome, detail FROM activity {by}
             WHERE {passes} AND id < ? ORDER BY id DESC LIMIT ?"
        ))?
        .query_map(params_from_iter(values), activity_row)?
        .collect()
}

/// How many rows lie in this span; one more than [`FEW`] stands for any more.
fn within(connection: &Connection, since: UnixMs, until: Option<UnixMs>) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM activity WHERE at >= ?1 AND at < ?2 LIMIT ?3)")?
        .query_row(params![since.0, until.map_or(i64::MAX, |until| until.0), FEW + 1], |row| row.get(0))
}

/// Rows after `after`, the oldest first.
fn after(connection: &Connection, after: i64, most: usize) -> rusqlite::Result<Vec<ActivityRow>> {
    connection
        .prepare_cached(
            "SELECT id, at, actor, kind, subject, outcome, detail FROM activity WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?
        .query_map(params![after, i64::try_from(most).unwrap_or(i64::MAX)], activity_row)?
        .collect()
}

/// The id of the newest row; 0 where there is none.
fn newest(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT coalesce(max(id), 0) FROM activity")?.query_row([], |row| row.get(0))
}

/// The detail of the newest row of this kind.
fn latest_detail(connection: &Connection, kind: &str) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT detail FROM activity WHERE kind = ?1 ORDER BY id DESC LIMIT 1")?
        .query_row([kind], |row| row.get(0))
        .optional()
}

fn conditions(filter: &ActivityFilter) -> (String, Vec<Sql>) {
    let mut passes = vec!["true".to_owned()];
    let mut values: Vec<Sql> = Vec::new();
    if !filter.kinds.is_empty() {
        passes.push(format!("kind IN ({})", vec!["?"; filter.kinds.len()].join(", ")));
        values.extend(filter.kinds.iter().map(|kind| Sql::from(kind.as_str().to_owned())));
    }
    if let Some(subject) = &filter.subject {
        passes.push("subject = ?".into());
        values.push(subject.clone().into());
    }
    if let Some(account) = &filter.account {
        // The LIKE passes few on, which are then read as what they are.
        passes.push(
            "((detail LIKE ? ESCAPE '!' AND json_valid(detail) AND detail ->> '$.account' = ? COLLATE NOCASE)
              OR subject IN (SELECT id FROM connections WHERE account = ? COLLATE NOCASE))"
                .to_owned(),
        );
        values.push(containing(serde_json::Value::from(&**account).to_string().trim_matches('"')));
        values.extend([Sql::from(account.clone()), Sql::from(account.clone())]);
    }
    if let Some(outcome) = filter.outcome {
        passes.push("outcome = ?".into());
        values.push(outcome.as_str().to_owned().into());
    }
    if let Some(since) = filter.since {
        passes.push("at >= ?".into());
        values.push(since.0.into());
    }
    if let Some(until) = filter.until {
        passes.push("at < ?".into());
        values.push(until.0.into());
    }
    if let Some(search) = filter.search.as_deref().map(str::trim).filter(|search| !search.is_empty()) {
        // Also what is called so today: a row that names an id alone is found by its name.
        passes.push(
            "(detail LIKE ?1 ESCAPE '!' OR subject LIKE ?1 ESCAPE '!'
              OR subject IN (SELECT id FROM connections WHERE account LIKE ?1 ESCAPE '!')
              OR subject IN (SELECT id FROM integrations WHERE name LIKE ?1 ESCAPE '!')
              OR subject IN (SELECT id FROM api_keys WHERE name LIKE ?1 ESCAPE '!'))"
                .replace("?1", &format!("?{}", values.len() + 1)),
        );
        values.push(containing(search));
    }
    (passes.join(" AND "), values)
}

/// The pattern of LIKE for texts that contain this one, with `!` as its escape.
fn containing(text: &str) -> Sql {
    let literal = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    Sql::from(format!("%{literal}%"))
}

fn activity_row(row: &Row<'_>) -> rusqlite::Result<ActivityRow> {
    let detail: String = row.get("detail")?;
    Ok(ActivityRow {
        id: row.get("id")?,
        at: UnixMs(row.get("at")?),
        actor: row.get("actor")?,
        kind: row.get("kind")?,
        subject: row.get("subject")?,
        outcome: row.get("outcome")?,
        detail: serde_json::from_str(&detail).unwrap_or_default(),
        host: None,
    })
}

/// Walks the whole chain.
fn verify(connection: &Connection) -> rusqlite::Result<Chain> {
    let mut statement =
        connection.prepare("SELECT id, at, actor, kind, subject, outcome, detail, hash FROM activity ORDER BY id")?;
    let mut rows = statement.query([])?;
    // What was cut off by its age carries its hash on.
    let mut before = last_cut(connection)?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let text = |at: usize| row.get_ref(at).and_then(|value| Ok(value.as_str()?));
        let link = ChainLink {
            at: row.get(1)?,
            actor: text(2)?,
            kind: text(3)?,
            subject: text(4)?,
            outcome: text(5)?,
            detail: text(6)?,
            links: None,
        };
        let hash: Hash = row.get(7)?;
        if link.hash(before.map(|(_, hash)| hash)) != hash {
            return Ok(Chain::Broken { id, at: UnixMs(link.at), intact: count });
        }
        before = Some((id, hash));
        count += 1;
    }
    let head: Option<(i64, Hash)> = connection
        .prepare("SELECT id, hash FROM activity_head")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if head == before {
        return Ok(Chain::Sound { rows: count });
    }
    Ok(Chain::CutOff { intact: count, missing_after: before.map_or(0, |(id, _)| id) })
}

/// Cuts the oldest rows off that are older than `before`; the newest row of all stays, so that the chain has its end. A
/// row from after `now`, written when the clock was wrong, goes with the older ones that follow it.
fn cut(
    tx: &Connection,
    (before, now): (UnixMs, UnixMs),
    most: usize,
    entry: &dyn Fn(i64) -> Entry<'static>,
) -> rusqlite::Result<usize> {
    let newest = newest(tx)?;
    let mut oldest = tx.prepare_cached("SELECT id, at, hash FROM activity ORDER BY id LIMIT ?1")?;
    let mut rows = oldest.query([i64::try_from(most).unwrap_or(i64::MAX)])?;
    let mut last: Option<(i64, Hash)> = None;
    let (mut count, mut seen) = (0, 0);
    while let Some(row) = rows.next()? {
        let (id, at): (i64, i64) = (row.get(0)?, row.get(1)?);
        if (before.0..=now.0).contains(&at) || id == newest {
            break;
        }
        seen += 1;
        if at < before.0 {
            last = Some((id, row.get(2)?));
            count = seen;
        }
    }
    drop(rows);
    let Some((id, hash)) = last else { return Ok(0) };
    tx.execute("DELETE FROM activity WHERE id <= ?1", [id])?;
    tx.execute("INSERT OR REPLACE INTO activity_cut VALUES (1, ?1, ?2)", params![id, hash])?;
    append(tx, &entry(id))?;
    Ok(count)
}

/// The last row that was cut off, where any were.
fn last_cut(connection: &Connection) -> rusqlite::Result<Option<(i64, Hash)>> {
    connection
        .prepare_cached("SELECT id, hash FROM activity_cut")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// Rows held in memory at once while all are read.
const AT_ONCE: usize = 5000;

impl ActivityRows for Sqlite {
    fn append(&self, entry: &Entry<'_>) -> Result<(), StoreError> {
        self.write(|tx| append(tx, entry))
    }

    fn activity(
        &self,
        filter: &ActivityFilter,
        before: Option<i64>,
        most: usize,
    ) -> Result<Vec<ActivityRow>, StoreError> {
        self.read_beside(|db| page(db, filter, before, most))
    }

    fn activity_after(&self, id: i64, most: usize) -> Result<Vec<ActivityRow>, StoreError> {
        self.read(|db| after(db, id, most))
    }

    fn newest_activity(&self) -> Result<i64, StoreError> {
        self.read(newest)
    }

    fn latest_detail(&self, kind: Kind) -> Result<Option<String>, StoreError> {
        self.read(|db| latest_detail(db, kind.as_str()))
    }

    fn cut_activity(
        &self,
        before: UnixMs,
        now: UnixMs,
        most: usize,
        entry: &dyn Fn(i64) -> Entry<'static>,
    ) -> Result<usize, StoreError> {
        self.write(|tx| cut(tx, (before, now), most, entry))
    }

    fn verify_activity(&self) -> Result<Chain, StoreError> {
        self.read_beside(verify)
    }

    fn export_activity(
        &self,
        filter: &ActivityFilter,
        each: &mut dyn FnMut(ActivityRow) -> bool,
    ) -> Result<(), StoreError> {
        self.read_beside(|db| {
            let mut before = None;
            loop {
                let rows = page(db, filter, before, AT_ONCE)?;
                let Some(last) = rows.last() else { return Ok(()) };
                before = Some(last.id);
                if !rows.into_iter().all(&mut *each) {
                    return Ok(());
                }
            }
        })
    }
}
