//! The rows of a test profile beneath every rule: as whoever has the database reads and changes them.

use std::path::Path;

use atthene_store::DATABASE_FILE;

use crate::databases;

pub enum RawRows {
    File(rusqlite::Connection),
    /// By its URL.
    Database(String),
}

impl RawRows {
    /// Those of the profile in this folder.
    pub fn of(folder: &Path) -> Self {
        match databases::server() {
            None => Self::File(rusqlite::Connection::open(folder.join(DATABASE_FILE)).expect("opens")),
            Some(_) => Self::Database(databases::made(folder)),
        }
    }

    /// Statements that mean the same to both.
    pub fn run(&self, sql: &str) {
        match self {
            Self::File(db) => db.execute_batch(sql).expect(sql),
            Self::Database(url) => databases::run(url, sql),
        }
    }

    /// The one number that this asks for.
    pub fn number(&self, sql: &str) -> i64 {
        match self {
            Self::File(db) => db.query_row(sql, [], |row| row.get(0)).expect(sql),
            Self::Database(url) => {
                databases::asked(url, async move |client| client.query_one(sql, &[]).await.expect(sql).get(0))
            }
        }
    }

    /// Rows of two texts.
    pub fn pairs(&self, sql: &str) -> Vec<(String, String)> {
        match self {
            Self::File(db) => {
                let mut asked = db.prepare(sql).expect(sql);
                let rows = asked.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect(sql);
                rows.collect::<Result<_, _>>().expect(sql)
            }
            Self::Database(url) => databases::asked(url, async move |client| {
                let rows = client.query(sql, &[]).await.expect(sql);
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            }),
        }
    }
}
