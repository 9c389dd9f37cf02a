//! The whole profile in one view, for another database.

use atthene_core::StoreError;
use rusqlite::{Connection, OptionalExtension, Row};

use super::database::Sqlite;
use super::error::store_error;
use super::profile_secret;
use crate::copied::{Column, CopiedTable, MOST_BYTES, MOST_ROWS, RowHash, Source};

struct WholeView<'a>(&'a Connection);

impl Sqlite {
    /// Runs `copy` on one view of everything: what is changed meanwhile is not in there.
    pub(crate) fn copied<T>(&self, copy: impl FnOnce(&dyn Source) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.read_beside(|connection| Ok(copy(&WholeView(connection))))?
    }
}

/// Adds a value to a column; tells how many bytes it has.
fn add(column: &mut Column, row: &Row<'_>, at: usize) -> rusqlite::Result<usize> {
    match column {
        Column::Whole(values) => values.push(row.get(at)?),
        Column::Truth(values) => values.push(row.get(at)?),
        Column::Text(values) => {
            let value: Option<String> = row.get(at)?;
            let len = value.as_ref().map_or(0, String::len);
            values.push(value);
            return Ok(len);
        }
        Column::Bytes(values) => {
            let value: Option<Vec<u8>> = row.get(at)?;
            let len = value.as_ref().map_or(0, Vec::len);
            values.push(value);
            return Ok(len);
        }
    }
    Ok(8)
}

impl WholeView<'_> {
    fn hash(&self, sql: &str) -> Result<Option<RowHash>, StoreError> {
        self.0.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional().map_err(store_error)
    }
}

fn read(connection: &Connection, table: &CopiedTable, each: &mut dyn FnMut(&[Column]) -> bool) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(table.from)?;
    let mut rows = statement.query([])?;
    let empty = || -> Vec<Column> { table.columns.iter().map(|(_, kind)| Column::of(*kind)).collect() };
    let (mut columns, mut held, mut bytes) = (empty(), 0, 0);
    while let Some(row) = rows.next()? {
        for (at, column) in columns.iter_mut().enumerate() {
            bytes += add(column, row, at)?;
        }
        held += 1;
        if held == MOST_ROWS || bytes >= MOST_BYTES {
            if !each(&columns) {
                return Ok(());
            }
            (columns, held, bytes) = (empty(), 0, 0);
        }
    }
    if held > 0 {
        each(&columns);
    }
    Ok(())
}

impl Source for WholeView<'_> {
    fn secret(&self) -> Result<[u8; 32], StoreError> {
        Ok(*profile_secret::read(self.0).map_err(store_error)?.bytes())
    }

    fn count(&self, table: &CopiedTable) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM ({})", table.from);
        let count: i64 = self.0.query_row(&sql, [], |row| row.get(0)).map_err(store_error)?;
        Ok(count.cast_unsigned())
    }

    fn read(&self, table: &CopiedTable, each: &mut dyn FnMut(&[Column]) -> bool) -> Result<(), StoreError> {
        read(self.0, table, each).map_err(store_error)
    }

    fn head(&self) -> Result<Option<RowHash>, StoreError> {
        self.hash("SELECT id, hash FROM activity_head")
    }

    fn cut(&self) -> Result<Option<RowHash>, StoreError> {
        self.hash("SELECT id, hash FROM activity_cut")
    }
}
