//! Queries on `secrets`.
//!
//! Whoever writes a secret looks at the entry of the key in force first and holds it until the end of the transaction;
//! whoever changes that key holds the whole table, from before the look at its entries. So a secret is there before the
//! look, and sealed anew, or finds another key in force, and is refused.

use atthene_core::StoreError;
use atthene_core::port::{KEY_IN_FORCE, SealedEntry, SealedRows, SealedValue};

use super::database::{Postgres, Unit};
use super::db::{Db, get};
use super::fault::Fault;

/// Whether this proof's key is in force; it stays so until the end of the transaction.
fn hold_in_force(db: &Db<'_>, proof: &[u8]) -> Result<bool, Fault> {
    // Looked at again by the database where the entry was changed while this waited.
    let held = "SELECT 1 FROM secrets WHERE entry = $1 AND sealed = $2 FOR SHARE";
    Ok(db.row(held, &[&KEY_IN_FORCE, &proof])?.is_some())
}

/// Keeps the secret under the entry, over an older one. False: its key is over, and nothing was written.
pub(super) fn put(db: &Db<'_>, entry: &str, sealed: &SealedValue) -> Result<bool, Fault> {
    if !hold_in_force(db, &sealed.proof)? {
        return Ok(false);
    }
    let sql = "INSERT INTO secrets VALUES ($1, $2)
               ON CONFLICT (entry) DO UPDATE SET sealed = excluded.sealed";
    db.run(sql, &[&entry, &sealed.bytes]).map(|_| true)
}

fn all(db: &Db<'_>) -> Result<Vec<SealedEntry>, Fault> {
    let rows = db.rows("SELECT entry, sealed FROM secrets ORDER BY entry", &[])?;
    rows.iter().map(|row| Ok((get(row, "entry")?, get(row, "sealed")?))).collect()
}

fn replace_all(unit: &Unit<'_>, anew: &dyn Fn(Vec<SealedEntry>) -> Option<Vec<SealedEntry>>) -> Result<(), Fault> {
    // Reading goes on; all that writes or holds an entry ends before, or waits. It queues, so that many who write do not
    // keep it out.
    unit.batch("LOCK TABLE secrets IN EXCLUSIVE MODE")?;
    let Some(anew) = anew(all(unit)?) else { return Ok(()) };
    let (entries, sealed): (Vec<String>, Vec<Vec<u8>>) = anew.into_iter().unzip();
    let sql = "UPDATE secrets SET sealed = anew.sealed FROM unnest($1::text[], $2::bytea[]) AS anew (entry, sealed)
               WHERE secrets.entry = anew.entry";
    unit.run(sql, &[&entries, &sealed]).map(drop)
}

impl SealedRows for Postgres {
    fn get(&self, entry: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|db| {
            db.row("SELECT sealed FROM secrets WHERE entry = $1", &[&entry])?.map(|row| get(&row, "sealed")).transpose()
        })
    }

    fn all(&self) -> Result<Vec<SealedEntry>, StoreError> {
        self.read(all)
    }

    fn put(&self, entry: &str, sealed: &SealedValue) -> Result<bool, StoreError> {
        self.write(&[], |unit| put(unit, entry, sealed))
    }

    fn would_put(&self, proof: &[u8]) -> Result<bool, StoreError> {
        // What is written is the mark of this unit of work.
        self.write(&[], |unit| hold_in_force(unit, proof))
    }

    fn delete(&self, entry: &str) -> Result<(), StoreError> {
        self.write(&[], |unit| unit.run("DELETE FROM secrets WHERE entry = $1", &[&entry]).map(drop))
    }

    fn put_first(&self, proof: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT INTO secrets VALUES ($1, $2) ON CONFLICT (entry) DO NOTHING";
        self.write(&[], |unit| unit.run(sql, &[&KEY_IN_FORCE, &proof]).map(drop))
    }

    fn replace_all(&self, anew: &dyn Fn(Vec<SealedEntry>) -> Option<Vec<SealedEntry>>) -> Result<(), StoreError> {
        self.write_beside(&[], |unit| Ok(replace_all(unit, anew)?))
    }
}
