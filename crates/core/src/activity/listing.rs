//! The record as people read it: filtered, page by page, exported, verified.

use std::io::Write;
use std::sync::Arc;

use super::{ActivityFilter, ActivityPage, ActivityRow, Chain};
use crate::error::Error;
use crate::export::{ExportTable, Format, with_host};
use crate::port::Store;

const PAGE: usize = 200;
/// What a window shows, and some that are scrolled to next: a search reads no further than it takes to fill it.
const SCREEN: usize = 50;

/// Reads the record. All calls block on SQLite.
pub struct Activity {
    pub(super) store: Arc<dyn Store>,
}

impl Activity {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Rows that pass the filter, the newest first; `before` is the `next` of the page before.
    pub fn page(&self, filter: &ActivityFilter, before: Option<i64>) -> Result<ActivityPage, Error> {
        self.rows(filter, before, PAGE)
    }

    /// The same, as few as a window shows.
    pub fn screen(&self, filter: &ActivityFilter, before: Option<i64>) -> Result<ActivityPage, Error> {
        self.rows(filter, before, SCREEN)
    }

    fn rows(&self, filter: &ActivityFilter, before: Option<i64>, most: usize) -> Result<ActivityPage, Error> {
        let rows = self.store.activity(filter, before, most)?;
        let next = (rows.len() == most).then(|| rows.last().map(|row| row.id)).flatten();
        Ok(ActivityPage { rows, next })
    }

    /// Rows that were written after the row `id`, the oldest first.
    pub fn after(&self, id: i64) -> Result<Vec<ActivityRow>, Error> {
        Ok(self.store.activity_after(id, PAGE)?)
    }

    /// The id of the newest row; 0 where there is none.
    pub fn newest(&self) -> Result<i64, Error> {
        Ok(self.store.newest_activity()?)
    }

    /// Walks the chain of hashes over every row.
    pub fn verify(&self) -> Result<Chain, Error> {
        Ok(self.store.verify_activity()?)
    }

    /// Writes the rows that pass the filter, the newest first.
    pub fn export(&self, filter: &ActivityFilter, format: Format, to: impl Write) -> Result<u64, Error> {
        let is_shared = self.store.shared().is_some();
        let names = ["id", "at", "actor", "kind", "subject", "outcome", "detail", "host"];
        let mut table = ExportTable::begin(to, format, with_host(&names, is_shared))?;
        self.store.export_activity(filter, &mut |row| {
            let values = [
                row.id.into(),
                row.at.rfc3339().into(),
                row.actor.into(),
                row.kind.into(),
                row.subject.into(),
                row.outcome.into(),
                row.detail,
                row.host.into(),
            ];
            table.row(with_host(&values, is_shared))
        })?;
        table.end()
    }
}
