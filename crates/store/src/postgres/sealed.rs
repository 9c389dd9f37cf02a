//! Queries on `secrets`.

use atthene_core::StoreError;
use atthene_core::port::SealedRows;

use super::database::Postgres;
use super::db::get;

impl SealedRows for Postgres {
    fn put(&self, entry: &str, sealed: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT INTO secrets VALUES ($1, $2)
                   ON CONFLICT (entry) DO UPDATE SET sealed = excluded.sealed, revision = excluded.revision";
        self.write(&[], |unit| unit.run(sql, &[&entry, &sealed]).map(drop))
    }

    fn get(&self, entry: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|db| {
            db.row("SELECT sealed FROM secrets WHERE entry = $1", &[&entry])?.map(|row| get(&row, "sealed")).transpose()
        })
    }

    fn delete(&self, entry: &str) -> Result<(), StoreError> {
        self.write(&[], |unit| unit.run("DELETE FROM secrets WHERE entry = $1", &[&entry]).map(drop))
    }

    fn list(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.read(|db| {
            let rows = db.rows("SELECT entry, revision FROM secrets ORDER BY entry", &[])?;
            rows.iter().map(|row| Ok((get(row, "entry")?, get(row, "revision")?))).collect()
        })
    }
}
