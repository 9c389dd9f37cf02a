//! Queries on `secrets`.

use atthene_core::StoreError;
use atthene_core::port::SealedRows;

use super::database::Postgres;
use super::db::{Db, get};
use super::fault::Fault;

/// Keeps these bytes under the entry, over older ones.
pub(super) fn put(db: &Db<'_>, entry: &str, sealed: &[u8]) -> Result<(), Fault> {
    let sql = "INSERT INTO secrets VALUES ($1, $2)
               ON CONFLICT (entry) DO UPDATE SET sealed = excluded.sealed";
    db.run(sql, &[&entry, &sealed]).map(drop)
}

impl SealedRows for Postgres {
    fn put(&self, entry: &str, sealed: &[u8]) -> Result<(), StoreError> {
        self.write(&[], |unit| put(unit, entry, sealed))
    }

    fn get(&self, entry: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|db| {
            db.row("SELECT sealed FROM secrets WHERE entry = $1", &[&entry])?.map(|row| get(&row, "sealed")).transpose()
        })
    }

    fn delete(&self, entry: &str) -> Result<(), StoreError> {
        self.write(&[], |unit| unit.run("DELETE FROM secrets WHERE entry = $1", &[&entry]).map(drop))
    }

    fn all(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.read(|db| {
            let rows = db.rows("SELECT entry, sealed FROM secrets ORDER BY entry", &[])?;
            rows.iter().map(|row| Ok((get(row, "entry")?, get(row, "sealed")?))).collect()
        })
    }

    fn replace_all(&self, old_and_new: &[(String, Vec<u8>, Vec<u8>)]) -> Result<bool, StoreError> {
        // In the order that was given, which is the same for everybody: nobody waits for who waits for them.
        self.write(&[], |unit| {
            for (entry, old, _) in old_and_new {
                let held = "SELECT 1 FROM secrets WHERE entry = $1 AND sealed = $2 FOR UPDATE";
                if unit.row(held, &[entry, old])?.is_none() {
                    return Ok(false);
                }
            }
            for (entry, _, new) in old_and_new {
                unit.run("UPDATE secrets SET sealed = $2 WHERE entry = $1", &[entry, new])?;
            }
            Ok(true)
        })
    }
}
