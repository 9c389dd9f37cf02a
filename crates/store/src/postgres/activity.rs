//! Queries on `activity`: read, and cut off at its beginning. How it is appended to: `record`.

use atthene_core::activity::{ActivityFilter, ActivityRow, Chain, Entry, Kind};
use atthene_core::port::ActivityRows;
use atthene_core::{StoreError, UnixMs};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::database::{Postgres, Unit};
use super::db::{Db, get, limit};
use super::fault::Fault;
use super::locks::{APPENDING, CUTTING, take};
use super::verify::verify;

/// With what its host is called by now.
const COLUMNS: &str = "id, at, actor, kind, subject, outcome, detail,
    coalesce((SELECT name FROM hosts WHERE hosts.id = activity.host), host) AS host";

/// How long those who append may hold a reader up before it lets them, and others after them, go first.
const LET_GO_FIRST: &str = "BEGIN; SET LOCAL lock_timeout = '100ms'";

/// Rows held in memory at once while all are read.
const AT_ONCE: usize = 5000;

/// Rows that pass the filter, the newest first, older than `before`.
fn page(db: &Db<'_>, filter: &ActivityFilter, before: Option<i64>, most: usize) -> Result<Vec<ActivityRow>, Fault> {
    let mut passes = Passes::default();
    passes.read(filter);
    let before = passes.value(before.unwrap_or(i64::MAX));
    let most = passes.value(limit(most));
    let sql = format!(
        "SELECT {COLUMNS} FROM activity WHERE {} id < {before} ORDER BY id DESC LIMIT {most}",
        passes.conditions.concat()
    );
    let values: Vec<&(dyn ToSql + Sync)> = passes.values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
    db.rows(&sql, &values)?.iter().map(activity_row).collect()
}

/// What a filter lets through, with the values beside it.
#[derive(Default)]
struct Passes {
    conditions: Vec<String>,
    values: Vec<Box<dyn ToSql + Sync>>,
}

impl Passes {
    /// The place that stands for this value.
    fn value(&mut self, value: impl ToSql + Sync + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    fn only(&mut self, condition: &str) {
        self.conditions.push(format!("({condition}) AND "));
    }

    fn read(&mut self, filter: &ActivityFilter) {
        if !filter.kinds.is_empty() {
            let kinds = self.value(filter.kinds.iter().map(|kind| kind.as_str().to_owned()).collect::<Vec<_>>());
            self.only(&format!("kind = ANY({kinds})"));
        }
        if let Some(subject) = &filter.subject {
            let subject = self.value(subject.clone());
            self.only(&format!("subject = {subject}"));
        }
        if let Some(account) = &filter.account {
            // The pattern passes few on, which are then read as what they are.
            let pattern = self.value(containing(serde_json::Value::from(&**account).to_string().trim_matches('"')));
            let account = self.value(account.clone());
            self.only(&format!(
                "CASE WHEN detail ILIKE {pattern} ESCAPE '!' THEN lower(detail::json ->> 'account') = lower({account})
                      ELSE false END
                 OR subject IN (SELECT id FROM connections WHERE lower(account) = lower({account}))"
            ));
        }
        if let Some(outcome) = filter.outcome {
            let outcome = self.value(outcome.as_str());
            self.only(&format!("outcome = {outcome}"));
        }
        if let Some(since) = filter.since {
            let since = self.value(since.0);
            self.only(&format!("at >= {since}"));
        }
        if let Some(until) = filter.until {
            let until = self.value(until.0);
            self.only(&format!("at < {until}"));
        }
        if let Some(search) = filter.search.as_deref().map(str::trim).filter(|search| !search.is_empty()) {
            // Also what is called so today: a row that names an id alone is found by its name.
            let search = self.value(containing(search));
            self.only(&format!(
                "detail ILIKE {search} ESCAPE '!' OR subject ILIKE {search} ESCAPE '!'
                 OR subject IN (SELECT id FROM connections WHERE account ILIKE {search} ESCAPE '!')
                 OR subject IN (SELECT id FROM integrations WHERE name ILIKE {search} ESCAPE '!')
                 OR subject IN (SELECT id FROM api_keys WHERE name ILIKE {search} ESCAPE '!')"
            ));
        }
    }
}

/// The pattern of LIKE for texts that contain this one, with `!` as its escape.
fn containing(text: &str) -> String {
    format!("%{}%", text.replace('!', "!!").replace('%', "!%").replace('_', "!_"))
}

fn activity_row(row: &Row) -> Result<ActivityRow, Fault> {
    Ok(ActivityRow {
        id: get(row, "id")?,
        at: UnixMs(get(row, "at")?),
        actor: get(row, "actor")?,
        kind: get(row, "kind")?,
        subject: get(row, "subject")?,
        outcome: get(row, "outcome")?,
        detail: serde_json::from_str(get(row, "detail")?).unwrap_or_default(),
        host: get(row, "host")?,
    })
}

/// The id of the newest row; 0 where there is none.
fn newest(db: &Db<'_>) -> Result<i64, Fault> {
    get(&db.one("SELECT coalesce(max(id), 0) AS id FROM activity", &[])?, "id")
}

/// The newest id below which no row can appear any more.
fn settled(db: &Db<'_>) -> Result<i64, Fault> {
    db.batch(LET_GO_FIRST)?;
    let seen = db
        .rows(&take(APPENDING), &[])
        // Whoever appended until now has ended; whoever does from now on gets higher ids.
        .and_then(|_| newest(db));
    db.batch("ROLLBACK")?;
    seen
}

/// Cuts the oldest rows off that are older than `before`; the newest row of all stays, so that the chain has its end. A
/// row from after `now`, written when the clock was wrong, goes with the older ones that follow it.
fn cut(
    unit: &Unit<'_>,
    (before, now): (UnixMs, UnixMs),
    most: usize,
    entry: &dyn Fn(i64) -> Entry<'static>,
) -> Result<usize, Fault> {
    unit.rows(&take(CUTTING), &[])?;
    let newest = newest(unit)?;
    let rows = unit.rows("SELECT id, at FROM activity ORDER BY id LIMIT $1", &[&limit(most)])?;
    let mut last = None;
    let mut count = 0;
    for (seen, row) in rows.iter().enumerate() {
        let (id, at): (i64, i64) = (get(row, "id")?, get(row, "at")?);
        if (before.0..=now.0).contains(&at) || id == newest {
            break;
        }
        if at < before.0 {
            last = Some(id);
            count = seen + 1;
        }
    }
    let Some(id) = last else { return Ok(0) };
    unit.run(
        "INSERT INTO activity_cuts SELECT DISTINCT ON (host) host, id, hash FROM activity WHERE id <= $1
         ORDER BY host, id DESC ON CONFLICT (host) DO UPDATE SET id = excluded.id, hash = excluded.hash",
        &[&id],
    )?;
    unit.run("DELETE FROM activity WHERE id <= $1", &[&id])?;
    unit.record(&entry(id));
    Ok(count)
}

impl ActivityRows for Postgres {
    fn append(&self, entry: &Entry<'_>) -> Result<(), StoreError> {
        self.write(&[], |unit| {
            unit.record(entry);
            Ok(())
        })
    }

    fn activity(
        &self,
        filter: &ActivityFilter,
        before: Option<i64>,
        most: usize,
    ) -> Result<Vec<ActivityRow>, StoreError> {
        self.read(|db| page(db, filter, before, most))
    }

    fn activity_after(&self, after: i64, most: usize) -> Result<Vec<ActivityRow>, StoreError> {
        let until = self.read_patiently(settled)?;
        let sql = format!("SELECT {COLUMNS} FROM activity WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3");
        self.read(|db| db.rows(&sql, &[&after, &until, &limit(most)])?.iter().map(activity_row).collect())
    }

    fn newest_activity(&self) -> Result<i64, StoreError> {
        self.read_patiently(settled)
    }

    fn latest_detail(&self, kind: Kind) -> Result<Option<String>, StoreError> {
        let sql = "SELECT detail FROM activity WHERE kind = $1 ORDER BY id DESC LIMIT 1";
        self.read(|db| db.row(sql, &[&kind.as_str()])?.map(|row| get(&row, "detail")).transpose())
    }

    fn cut_activity(
        &self,
        before: UnixMs,
        now: UnixMs,
        most: usize,
        entry: &dyn Fn(i64) -> Entry<'static>,
    ) -> Result<usize, StoreError> {
        self.write(&[], |unit| cut(unit, (before, now), most, entry))
    }

    fn verify_activity(&self) -> Result<Chain, StoreError> {
        self.view_beside(verify)
    }

    fn export_activity(
        &self,
        filter: &ActivityFilter,
        each: &mut dyn FnMut(ActivityRow) -> bool,
    ) -> Result<(), StoreError> {
        self.view_beside(|db| {
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
