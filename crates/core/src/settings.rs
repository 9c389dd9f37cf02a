//! What an admin can set. Only differences from the defaults are stored.

use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use url::Url;

use crate::change::{Change, Changes};
use crate::error::Error;
use crate::store::{Store, settings as rows};

/// Every setting, with its value in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default)]
#[ts(export)]
pub struct Settings {
    /// The loopback port that the gateway listens on.
    pub gateway_port: u16,
    /// The largest request body that the gateway takes, in MiB.
    pub largest_body_mib: u16,
    /// The base URL of the agent runtime; `None`: the built-in agent answers alone.
    pub runtime_url: Option<String>,
    /// Whether a credential for the agent runtime lies in the keychain.
    pub runtime_has_credential: bool,
    /// Seconds after which a copied key is cleared from the clipboard.
    pub clipboard_seconds: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gateway_port: 8765,
            largest_body_mib: 16,
            runtime_url: None,
            runtime_has_credential: false,
            clipboard_seconds: 30,
        }
    }
}

impl Settings {
    fn check(&mut self) -> Result<(), Error> {
        let wrong = |field, problem: &str| Err(Error::Setting { field, problem: problem.to_owned() });
        if self.gateway_port < 1024 {
            return wrong("gateway port", "must lie between 1024 and 65535");
        }
        if !(1..=1024).contains(&self.largest_body_mib) {
            return wrong("largest body", "must lie between 1 and 1,024 MiB");
        }
        if !(5..=600).contains(&self.clipboard_seconds) {
            return wrong("clipboard time", "must lie between 5 and 600 seconds");
        }
        if let Some(url) = self.runtime_url.take_if(|url| !url.trim().is_empty()) {
            self.runtime_url = Some(checked_runtime_url(&url)?);
        }
        Ok(())
    }
}

/// An http or https URL with a host and nothing that does not belong into a base URL.
fn checked_runtime_url(text: &str) -> Result<String, Error> {
    let wrong = |problem: &str| Error::Setting { field: "agent runtime URL", problem: problem.to_owned() };
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| {
        wrong("must start with http:// or https:// and name a host, as in https://agents.example.com")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not hold a user name or password; use the credential field"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must not have a query or fragment; the path of each call is added to it"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// The settings of this profile, in memory and in the store.
pub struct SettingsStore {
    store: Arc<Store>,
    changes: Changes,
    current: RwLock<Arc<Settings>>,
}

impl SettingsStore {
    pub(crate) fn load(store: Arc<Store>, changes: Changes) -> Result<Self, Error> {
        let settings = Self { store, changes, current: RwLock::default() };
        settings.reload()?;
        Ok(settings)
    }

    /// The values in force.
    pub fn current(&self) -> Arc<Settings> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checks and saves the values. Blocks on SQLite.
    pub fn save(&self, mut new: Settings) -> Result<Arc<Settings>, Error> {
        new.check()?;
        let (values, defaults) = (fields(&new)?, fields(&Settings::default())?);
        self.store.write(|tx| {
            for (name, value) in &values {
                let kept = (defaults.get(name) != Some(value)).then(|| value.to_string());
                rows::save(tx, name, kept.as_deref())?;
            }
            Ok(())
        })?;
        self.reload()?;
        self.changes.tell(Change::Settings);
        Ok(self.current())
    }

    /// Reads the rows again, as after a change by another process.
    pub fn reload(&self) -> Result<(), Error> {
        let mut values = fields(&Settings::default())?;
        for (name, text) in self.store.read(rows::all)? {
            // A name of a newer version is left alone; a value that can't be read falls back.
            if let (Some(value), Ok(stored)) = (values.get_mut(&name), serde_json::from_str(&text)) {
                *value = stored;
            }
        }
        let read = serde_json::from_value(values.into()).unwrap_or_else(|error| {
            tracing::warn!(%error, "stored settings could not be read; the defaults are in force");
            Settings::default()
        });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
        Ok(())
    }
}

fn fields(settings: &Settings) -> Result<serde_json::Map<String, serde_json::Value>, Error> {
    match serde_json::to_value(settings) {
        Ok(serde_json::Value::Object(fields)) => Ok(fields),
        _ => Err(Error::Internal("settings are not an object".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Arc<Store>) {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Arc::new(Store::open(dir.path()).expect("opens"));
        (dir, store)
    }

    #[test]
    fn only_differences_are_stored_and_they_survive_a_restart() {
        let (_dir, store) = store();
        let settings = SettingsStore::load(store.clone(), Changes::default()).expect("loads");
        let changed = Settings { gateway_port: 9000, ..Settings::default() };
        settings.save(changed.clone()).expect("saves");
        assert_eq!(store.read(rows::all).expect("reads"), [("gateway_port".to_owned(), "9000".to_owned())]);
        let again = SettingsStore::load(store.clone(), Changes::default()).expect("loads");
        assert_eq!(*again.current(), changed);
        again.save(Settings::default()).expect("saves");
        assert_eq!(store.read(rows::all).expect("reads"), []);
    }

    #[test]
    fn a_runtime_url_is_a_base_url_and_nothing_else() {
        for (text, kept) in [
            (" https://agents.example.com/ ", "https://agents.example.com"),
            ("http://127.0.0.1:9000/base/", "http://127.0.0.1:9000/base"),
        ] {
            assert_eq!(checked_runtime_url(text).expect("a good URL"), kept);
        }
        for text in
            ["agents.example.com", "ftp://x", "http://", "http://u:p@h", "http://h?q", "http://h#f", "file:///etc"]
        {
            assert!(checked_runtime_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_that_can_not_work_are_refused_and_change_nothing() {
        let (_dir, store) = store();
        let settings = SettingsStore::load(store, Changes::default()).expect("loads");
        for wrong in [
            Settings { gateway_port: 80, ..Settings::default() },
            Settings { largest_body_mib: 0, ..Settings::default() },
            Settings { clipboard_seconds: 0, ..Settings::default() },
        ] {
            assert!(settings.save(wrong).is_err());
        }
        assert_eq!(*settings.current(), Settings::default());
    }
}
