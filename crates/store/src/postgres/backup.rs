//! What is here, and adding to it. Copies of the whole are the affair of PostgreSQL's own tools.

use std::path::Path;

use atthene_core::activity::Entry;
use atthene_core::port::Revisions;
use atthene_core::port::backup::{Addition, Backup, BackupContents, Present};
use atthene_core::{Error, StoreError};

use super::database::Postgres;
use super::revisions::{self, Topic};
use super::{connections, counting, integrations, settings, usage};
use crate::keys_and_usage::TABLES;

impl Backup for Postgres {
    fn copy_for_others(&self, _: &Path) -> Result<(), Error> {
        Err(StoreError::HasOwnTools.into())
    }

    fn set_aside(&self) -> Result<(), Error> {
        Err(StoreError::HasOwnTools.into())
    }

    fn read_backup(&self, _: &Path) -> Result<BackupContents, Error> {
        Err(StoreError::HasOwnTools.into())
    }

    fn present(&self) -> Result<Present, StoreError> {
        self.view(|db| {
            Ok(Present {
                revisions: revisions::read(db)?,
                integrations: integrations::all(db)?,
                defaults: integrations::defaults(db)?,
                connections: connections::all(db)?,
                has_counters: !usage::is_empty(db)?,
            })
        })
    }

    fn add(&self, rows: &Addition<'_>, seen: &Revisions, entry: &Entry<'_>) -> Result<bool, StoreError> {
        self.write(&[Topic::Connections, Topic::Integrations, Topic::Settings], |unit| {
            if !rows.fits(seen, &revisions::read(unit)?, || usage::is_empty(unit))? {
                return Ok(false);
            }
            let host = self.host().id();
            for (name, value) in &rows.settings {
                settings::save(unit, name, value.as_deref())?;
            }
            rows.integrations.iter().try_for_each(|row| integrations::save(unit, row))?;
            rows.connections.iter().try_for_each(|row| connections::save(unit, row))?;
            rows.hours.iter().try_for_each(|row| counting::put_back(unit, host, "usage_hours", row))?;
            rows.days.iter().try_for_each(|row| counting::put_back(unit, host, "usage_days", row))?;
            unit.record(entry);
            Ok(true)
        })
    }

    fn forget_keys_and_usage(&self) -> Result<(), StoreError> {
        self.write(&[Topic::Approvals, Topic::Keys], |unit| {
            for table in TABLES {
                unit.run(&format!("DELETE FROM {table}"), &[])?;
            }
            // Deleting is no change that a trigger counts: nothing else deletes keys.
            revisions::count(unit, Topic::Keys)
        })
    }
}
