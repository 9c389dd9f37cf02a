//! When the database committed what became of keys, by its own stamps (`track_commit_timestamp`).
//!
//! The stamp is taken as the commit begins, before it is on the disk and before anybody can see it: no gateway can know
//! of it earlier.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};

use super::judge::Life;
use crate::databases;

/// A row is written as its key is created and as it ends: whoever looks between the two sees both stamps.
const LATEST: &str = "
    SELECT id, ended_at IS NOT NULL AS has_ended,
           (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint AS at
    FROM api_keys ORDER BY n DESC LIMIT 2";

/// The lives of keys, in the order of their creation.
#[derive(Default)]
pub(super) struct Commits {
    pub(super) lives: Vec<Life>,
    numbers: HashMap<String, usize>,
}

impl Commits {
    /// Reads what the last change committed.
    pub(super) fn read(&mut self, url: &str) -> Result<()> {
        let rows =
            databases::asked(url, async |client| client.query(LATEST, &[]).await).context("the stamps of commits")?;
        for row in rows.iter().rev() {
            let (id, has_ended, at): (String, bool, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let Some(number) = self.numbers.get(&id) else {
                ensure!(!has_ended, "a key came and went between two looks");
                self.numbers.insert(id, self.lives.len());
                self.lives.push(Life { created: at, ended: None });
                continue;
            };
            let life = &mut self.lives[*number];
            if has_ended && life.ended.is_none() {
                life.ended = Some(at);
            }
        }
        Ok(())
    }
}
