//! The rows of a test profile beneath every rule: as whoever has the database reads and changes them.

use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;

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
        if databases::lies_in_file(folder) {
            Self::File(rusqlite::Connection::open(folder.join(DATABASE_FILE)).expect("opens"))
        } else {
            Self::Database(databases::made(folder))
        }
    }

    /// Statements that mean the same to both.
    pub fn run(&self, sql: &str) {
        match self {
            Self::File(db) => db.execute_batch(sql).expect(sql),
            Self::Database(url) => databases::run(url, sql),
        }
    }

    /// Keeps everybody else from writing until what is returned is dropped.
    pub fn hold(self) -> HeldRows {
        let (let_go, is_let_go) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let held = std::thread::spawn(move || {
            let wait = move || {
                tell.send(()).expect("is waited for");
                // Until the other end is dropped.
                let _ = is_let_go.recv();
            };
            match self {
                Self::File(db) => {
                    db.execute_batch("BEGIN EXCLUSIVE").expect("locks");
                    wait();
                }
                Self::Database(url) => databases::asked(&url, async move |client| {
                    // Every unit of work leaves its mark there.
                    client.batch_execute("BEGIN; LOCK TABLE marks IN ACCESS EXCLUSIVE MODE").await.expect("locks");
                    wait();
                }),
            }
        });
        told.recv().expect("holds");
        HeldRows { let_go: Some(let_go), held: Some(held) }
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

pub struct HeldRows {
    let_go: Option<mpsc::Sender<()>>,
    held: Option<JoinHandle<()>>,
}

impl Drop for HeldRows {
    fn drop(&mut self) {
        self.let_go = None;
        self.held.take().expect("once").join().expect("lets go");
    }
}
