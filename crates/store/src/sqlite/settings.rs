//! Queries on `settings`.

use atthene_core::StoreError;
use atthene_core::activity::Entry;
use atthene_core::port::SettingRows;
use rusqlite::{Connection, params};

use super::activity;
use super::database::Sqlite;

fn all(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = connection.prepare_cached("SELECT name, value FROM settings")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Saves the value, or forgets it where it is the default (`None`).
pub(super) fn save(connection: &Connection, name: &str, value: Option<&str>) -> rusqlite::Result<()> {
    match value {
        Some(value) => connection.execute(
            "INSERT INTO settings VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
             WHERE value IS NOT excluded.value",
            params![name, value],
        )?,
        None => connection.execute("DELETE FROM settings WHERE name = ?1", [name])?,
    };
    Ok(())
}

impl SettingRows for Sqlite {
    fn settings(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.read(all)
    }

    fn save_settings(&self, values: &[(&str, Option<String>)], entry: &Entry<'_>) -> Result<(), StoreError> {
        // Everything is stopped through this, too.
        self.write_ending(|tx| {
            for (name, value) in values {
                save(tx, name, value.as_deref())?;
            }
            activity::append(tx, entry)
        })
    }
}
