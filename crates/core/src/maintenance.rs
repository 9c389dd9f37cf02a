//! Copies of the database, starting anew, and the main switch. Secrets stay in the keychain.

use std::path::Path;

use serde_json::json;

use crate::activity::{ActOutcome, Kind};
use crate::change::Change;
use crate::clock::UnixMs;
use crate::error::Error;
use crate::settings::Settings;
use crate::use_cases::Core;
use crate::vault::SecretChange;

/// Rows that are cut off in one transaction.
const CUT_AT_ONCE: usize = 5000;

impl Core {
    /// Copies the database to a file of that name, readable by its owner only. Blocks on SQLite.
    pub fn back_up(&self, to: &Path) -> Result<(), Error> {
        let failed = |reason: &dyn std::fmt::Display| Error::Backup(format!("The backup was not written: {reason}"));
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Made private before anything is in it, and put in place whole.
        let file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
        self.store.copy_for_others(file.path())?;
        file.persist(to).map_err(|error| failed(&error))?;
        self.append(Kind::BackedUp, json!({}))
    }

    /// Deletes every key, connection, integration, counter and setting, and the secrets that
    /// belong to them. The record stays.
    pub async fn reset(&self) -> Result<(), Error> {
        for connection in self.connections.list()? {
            self.connections.disconnect(&connection.id).await?;
        }
        for integration in self.integrations.list()?.iter().filter(|integration| !integration.id.is_built_in()) {
            self.integrations.delete(&integration.id).await?;
        }
        let fixed = Settings::clone(&self.settings.current()).reset_besides(&self.settings.fixed());
        self.save_settings(fixed, SecretChange::Remove).await?;
        self.store.forget_keys_and_usage()?;
        self.append(Kind::WasReset, json!({}))?;
        self.read_again()
    }

    /// Cuts off what is older than the record's span; the chain carries the hash of the last row on. Blocks on SQLite.
    pub fn cut_record(&self) -> Result<(), Error> {
        let days = self.settings.current().record_days;
        if days == 0 {
            return Ok(());
        }
        if !self.clock.is_steady() {
            // It may be right by now, or not: after a start from here on, it is taken for right.
            tracing::warn!("the clock was set far while this ran; the record is left as it is");
            return Ok(());
        }
        let now = self.clock.now();
        let before = now.plus(-i64::from(days) * UnixMs::DAY);
        let entry = |last: i64| {
            self.recorder.entry(Kind::RecordCut, "record", ActOutcome::Done, json!({ "up_to": last, "days": days }))
        };
        // In parts: whoever else writes waits for none of them for long.
        while self.store.cut_activity(before, now, CUT_AT_ONCE, &entry)? == CUT_AT_ONCE {}
        Ok(())
    }

    fn append(&self, kind: Kind, detail: serde_json::Value) -> Result<(), Error> {
        Ok(self.store.append(&self.recorder.entry(kind, "database", ActOutcome::Done, detail))?)
    }

    /// Stops everything: the gateway refuses, open calls are cut, nothing is handed out, until
    /// [`Core::resume`]. Blocks on SQLite.
    pub fn stop_everything(&self) -> Result<UnixMs, Error> {
        let now = self.clock.now();
        self.settings.set_stopped(Some(now))?;
        self.changes.publish(Change::Attention);
        Ok(self.settings.stopped_at().unwrap_or(now))
    }

    /// Lets the gateway go on. Blocks on SQLite.
    pub fn resume(&self) -> Result<(), Error> {
        self.settings.set_stopped(None)?;
        self.changes.publish(Change::Attention);
        Ok(())
    }
}
