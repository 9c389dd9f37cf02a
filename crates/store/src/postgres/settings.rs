//! Queries on `settings`.

use atthene_core::StoreError;
use atthene_core::activity::Entry;
use atthene_core::port::SettingRows;

use super::database::Postgres;
use super::db::{Db, get};
use super::fault::Fault;
use super::revisions::Topic;

fn all(db: &Db<'_>) -> Result<Vec<(String, String)>, Fault> {
    let rows = db.rows("SELECT name, value FROM settings", &[])?;
    rows.iter().map(|row| Ok((get(row, "name")?, get(row, "value")?))).collect()
}

/// Saves the value, or forgets it where it is the default (`None`).
pub(super) fn save(db: &Db<'_>, name: &str, value: Option<&str>) -> Result<(), Fault> {
    match value {
        Some(value) => db.run(
            "INSERT INTO settings VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
             WHERE settings.value <> excluded.value",
            &[&name, &value],
        )?,
        None => db.run("DELETE FROM settings WHERE name = $1", &[&name])?,
    };
    Ok(())
}

impl SettingRows for Postgres {
    fn settings(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.read(all)
    }

    fn save_settings(&self, values: &[(&str, Option<String>)], entry: &Entry<'_>) -> Result<(), StoreError> {
        self.write(&[Topic::Settings], |unit| {
            for (name, value) in values {
                save(unit, name, value.as_deref())?;
            }
            unit.record(entry);
            Ok(())
        })
    }
}
