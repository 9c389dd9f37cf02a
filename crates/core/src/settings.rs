//! What an admin can set. Only differences from the defaults are stored.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use serde_json::json;
use ts_rs::TS;
use url::Url;

use crate::activity::{ActOutcome, Kind, Recorder};
use crate::address::{is_loopback, is_safe};
use crate::change::{Change, Changes};
use crate::clock::UnixMs;
use crate::error::Error;
use crate::policy::Policy;
use crate::port::Store;
use crate::vault::VaultKind;

/// Every setting, with its value in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default)]
#[ts(export)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Settings {
    /// Whether the gateway listens at all.
    pub gateway_on: bool,
    /// The loopback port that the gateway listens on.
    pub gateway_port: u16,
    /// The largest request body that the gateway takes, in MiB.
    pub largest_body_mib: u16,
    /// The base URL of the agent runtime; `None`: the built-in agent answers alone.
    pub runtime_url: Option<String>,
    /// Whether the agent runtime hears what a proxy in front of the gateway says of a caller's address
    /// (`X-Forwarded-For`, `-Proto` and `-Host`).
    pub trust_front_proxy: bool,
    /// Seconds after which a copied key is cleared from the clipboard.
    pub clipboard_seconds: u16,
    /// Whether the app starts, without a window, when the person signs in to the desktop.
    pub start_at_login: bool,
    /// What closing the window does.
    pub on_close: OnClose,
    /// Whether the desktop shows what needs attention.
    pub notifications: bool,
    /// The colours of the window.
    pub theme: Theme,
    /// What the log holds.
    pub log_level: LogLevel,
    pub vault: VaultKind,
    /// Days after which rows of the record are cut off; 0: never.
    pub record_days: u16,
    /// Seconds for which this host serves by what it knows while a database that several hosts share can't be reached;
    /// 0: not at all. Of no effect where the rows lie on this machine.
    pub trust_period: u16,
}

/// The settings with what follows from them and can't be set as such.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct SettingsInForce {
    /// What can be set.
    #[serde(flatten)]
    pub settings: Settings,
    /// Whether a credential for the agent runtime lies in the keychain.
    pub runtime_has_credential: bool,
}

/// What closing the window does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum OnClose {
    /// The gateway goes on where the desktop has a tray; where it has none, the person is asked.
    Ask,
    /// The gateway goes on.
    KeepRunning,
    /// The app ends, and the gateway with it.
    Quit,
}

/// The colours of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Theme {
    /// As the desktop has it.
    System,
    Light,
    Dark,
}

/// What the log holds: this and what is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum LogLevel {
    /// Only what failed.
    Error,
    /// What may become a problem.
    Warn,
    Info,
    /// What helps to find a defect.
    Debug,
}

impl LogLevel {
    /// What a log of this level holds, as `tracing_subscriber` reads it. Others' crates speak of themselves
    /// only when something is wrong; the one for MCP calls each caller who hangs up an error.
    pub fn directives(self) -> String {
        let level = match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        };
        // The name of every crate here begins so.
        format!("warn,rmcp=off,atthene={level}")
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gateway_on: true,
            gateway_port: 8765,
            largest_body_mib: 16,
            runtime_url: None,
            trust_front_proxy: false,
            clipboard_seconds: 30,
            start_at_login: false,
            on_close: OnClose::Ask,
            notifications: true,
            theme: Theme::System,
            log_level: LogLevel::Info,
            vault: VaultKind::Keychain,
            record_days: 365,
            trust_period: 60,
        }
    }
}

/// Characters of a value that are shown.
const LONGEST_SHOWN: usize = 60;
/// Ten years, in days.
const LONGEST_RECORD: u16 = 3650;
/// An hour, in seconds.
const LONGEST_TRUST: u16 = 3600;

impl Settings {
    /// The defaults, besides the settings of these names.
    pub(crate) fn reset_besides(&self, kept: &[String]) -> Self {
        let reset = || {
            let (mine, mut values) = (fields(self).ok()?, fields(&Self::default()).ok()?);
            values.extend(mine.into_iter().filter(|(name, _)| kept.contains(name)));
            serde_json::from_value(values.into()).ok()
        };
        reset().unwrap_or_default()
    }

    /// As the value of this name is stored; `None`: it is the default.
    pub(crate) fn stored(&self, name: &str) -> Option<String> {
        let (mine, defaults) = (fields(self).ok()?, fields(&Self::default()).ok()?);
        mine.get(name).filter(|value| defaults.get(name) != Some(*value)).map(ToString::to_string)
    }

    /// Corrects what can be corrected, and refuses what can't work. `has_credential`: whether one is sent to the
    /// agent runtime.
    pub(crate) fn check(&mut self, has_credential: bool) -> Result<(), Error> {
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
        if self.record_days > LONGEST_RECORD {
            return wrong("span of the record", "must lie between 1 and 3,650 days, or be 0 for no end");
        }
        if self.trust_period > LONGEST_TRUST {
            return wrong("trust period", "must lie between 0 and 3,600 seconds");
        }
        let url = self.runtime_url.take().filter(|url| !url.trim().is_empty());
        self.runtime_url = url.as_deref().map(checked_runtime_url).transpose()?;
        if self.runtime_url.as_deref().is_some_and(|url| leads_to(url, self.gateway_port)) {
            return wrong("agent runtime URL", "leads back to this gateway: each call would call itself again");
        }
        if has_credential && !self.runtime_url.as_deref().is_none_or(may_send_secrets_to) {
            return wrong(
                "agent runtime URL",
                "must start with https:// where a credential is sent along; http:// would show it to the network",
            );
        }
        Ok(())
    }
}

/// Whether the URL is that of a port on this machine.
fn leads_to(url: &str, port: u16) -> bool {
    Url::parse(url).is_ok_and(|url| is_loopback(&url) && url.port_or_known_default() == Some(port))
}

/// Whether a secret may be sent to this address: over https, or without leaving this machine.
pub fn may_send_secrets_to(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| is_safe(&url))
}

/// An http or https URL with a host and nothing that does not belong into a base URL.
pub(crate) fn checked_runtime_url(text: &str) -> Result<String, Error> {
    let wrong = |problem: &str| Error::Setting { field: "agent runtime URL", problem: problem.to_owned() };
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| {
        wrong("must start with http:// or https:// and name a host, as in https://agents.example.com")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not hold a user name or password; use the credential field"));
    }
    // A socket's path is read as the path of a host that is called "unix".
    if url.host_str() == Some("unix") && text.contains("unix:") {
        return Err(wrong("must name a host and port; a Unix socket can't be called"));
    }
    if url.path().trim_end_matches('/').ends_with("/api/amas") {
        return Err(wrong("must end before /api/amas; the path of each call, which begins with that, is added to it"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must not have a query or fragment; the path of each call is added to it"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// The settings of this profile, in memory and in the store.
pub struct SettingsStore {
    store: Arc<dyn Store>,
    changes: Changes,
    recorder: Recorder,
    /// What the machine's administrator has fixed.
    fixed: Fields,
    /// Why that is not all that they meant to fix.
    policy_trouble: Option<String>,
    /// As they were read last, with what was written since.
    rows: Mutex<BTreeMap<String, String>>,
    current: RwLock<Current>,
}

#[derive(Clone, Default)]
struct Current {
    settings: Arc<Settings>,
    stopped_at: Option<UnixMs>,
    has_credential: bool,
    credential_writing: Option<String>,
}

type Fields = serde_json::Map<String, serde_json::Value>;

/// Not one of [`Settings`]: a page that saves what it read a while ago must not let the gateway go on.
const STOPPED_AT: &str = "stopped_at";
/// The same: it follows from what is done with the credential.
const HAS_CREDENTIAL: &str = "runtime_has_credential";
/// Another value for each credential that is kept, so that whoever holds the one before hears of it.
const CREDENTIAL_WRITING: &str = "runtime_credential_writing";

impl SettingsStore {
    pub(crate) fn load(
        store: Arc<dyn Store>,
        changes: Changes,
        recorder: Recorder,
        policy: &Policy,
    ) -> Result<Self, Error> {
        let known = fields(&Settings::default())?;
        let (mut fixed, mut trouble) = (Fields::new(), policy.trouble.clone());
        for (name, value) in &policy.settings {
            let mut with = known.clone();
            // A name of a newer version, or a value that can't be, is left alone.
            let known = with.insert(name.clone(), value.clone()).is_some();
            let read = serde_json::from_value::<Settings>(with.into()).ok().filter(|_| known);
            let checked = read.and_then(|mut with| with.check(false).is_ok().then_some(with));
            if let Some(value) = checked.map(|with| fields(&with)).transpose()?.and_then(|mut with| with.remove(name)) {
                // As it would be kept: what a person saves is compared with it.
                fixed.insert(name.clone(), value);
            } else {
                tracing::warn!(name, "the policy file fixes a setting that can't be understood");
                trouble.get_or_insert_with(|| {
                    let shown: String = value.to_string().chars().take(LONGEST_SHOWN).collect();
                    format!("it fixes {name} to {shown}, which can't be understood, so that setting is free")
                });
            }
        }
        let (rows, current) = (Mutex::default(), RwLock::default());
        let settings = Self { store, changes, recorder, fixed, policy_trouble: trouble, rows, current };
        settings.record_policy()?;
        settings.reload()?;
        Ok(settings)
    }

    pub fn current(&self) -> Arc<Settings> {
        self.read().settings
    }

    /// The names of the settings that the machine's administrator has fixed.
    pub fn fixed(&self) -> Vec<String> {
        self.fixed.keys().cloned().collect()
    }

    /// Why the policy file is not in force, or a part of it; `None`: it is, or there is none.
    pub fn policy_trouble(&self) -> Option<&str> {
        self.policy_trouble.as_deref()
    }

    /// Since when everything is stopped; `None`: nothing is.
    pub fn stopped_at(&self) -> Option<UnixMs> {
        self.read().stopped_at
    }

    /// Whether a credential for the agent runtime is kept.
    pub fn has_runtime_credential(&self) -> bool {
        self.read().has_credential
    }

    /// Tells one credential for the agent runtime from the one before it; says nothing about either.
    pub fn credential_writing(&self) -> Option<String> {
        self.read().credential_writing
    }

    /// The values in force, with what follows from them.
    pub fn in_force(&self) -> SettingsInForce {
        let Current { settings, has_credential, .. } = self.read();
        SettingsInForce { settings: Settings::clone(&settings), runtime_has_credential: has_credential }
    }

    /// Checks and saves the values. Blocks on SQLite.
    pub fn save(&self, new: Settings) -> Result<Arc<Settings>, Error> {
        self.save_with(new, self.has_runtime_credential())
    }

    /// The same, with whether a credential for the agent runtime is kept from now on.
    pub(crate) fn save_with(&self, mut new: Settings, has_credential: bool) -> Result<Arc<Settings>, Error> {
        new.check(has_credential)?;
        let with = |settings: &Settings, has_credential: bool| {
            let mut values = fields(settings)?;
            values.insert(HAS_CREDENTIAL.into(), has_credential.into());
            Ok::<_, Error>(values)
        };
        let before = with(&self.current(), self.has_runtime_credential())?;
        let values = with(&new, has_credential)?;
        let changed: Fields = values.iter().filter(|(name, value)| before.get(*name) != Some(value)).map(own).collect();
        if let Some(name) = changed.keys().find(|name| self.fixed.contains_key(*name)) {
            return Err(Error::FixedByPolicy(name.clone()));
        }
        if changed.is_empty() {
            return Ok(self.current());
        }
        let stored = |name: &str| match name {
            HAS_CREDENTIAL => has_credential.then(|| true.to_string()),
            name => new.stored(name),
        };
        let rows: Vec<_> = changed.keys().map(|name| (name.as_str(), stored(name))).collect();
        let was: Fields = before.iter().filter(|(name, _)| changed.contains_key(*name)).map(own).collect();
        self.write(&rows, Kind::SettingsChanged, "settings", json!({ "is": changed, "was": was }))?;
        Ok(self.current())
    }

    /// Another credential has taken the place of the one that lay in the keychain: no setting
    /// changed, and yet the gateway has to hear of it.
    pub(crate) fn credential_replaced(&self) -> Result<(), Error> {
        let detail = json!({ "is": { "runtime_credential": "replaced" } });
        let kept = format!("{:016x}", rand::random::<u64>());
        let value = serde_json::Value::from(kept).to_string();
        self.write(&[(CREDENTIAL_WRITING, Some(value))], Kind::SettingsChanged, "settings", detail)
    }

    /// Stops everything, or lets it go on. Blocks on SQLite.
    pub fn set_stopped(&self, stopped_at: Option<UnixMs>) -> Result<(), Error> {
        if stopped_at.is_some() == self.stopped_at().is_some() {
            return Ok(());
        }
        let kind = if stopped_at.is_some() { Kind::Stopped } else { Kind::Resumed };
        self.write(&[(STOPPED_AT, stopped_at.map(|at| at.0.to_string()))], kind, "gateway", json!({}))
    }

    /// Writes values down, recorded, and tells everybody.
    fn write(
        &self,
        values: &[(&str, Option<String>)],
        kind: Kind,
        subject: &str,
        detail: serde_json::Value,
    ) -> Result<(), Error> {
        self.store.save_settings(values, &self.recorder.entry(kind, subject, ActOutcome::Done, detail))?;
        // What was written down is in force, also where it can't be read again now: the watch reads it once it can.
        if let Err(error) = self.reload() {
            tracing::warn!(%error, "settings were changed, and could not be read again");
            self.take_over(|rows| {
                for (name, value) in values {
                    match value {
                        Some(value) => rows.insert((*name).to_owned(), value.clone()),
                        None => rows.remove(*name),
                    };
                }
            })?;
        }
        self.changes.publish(Change::Settings);
        Ok(())
    }

    /// Reads the rows again, as after a change by another process.
    pub fn reload(&self) -> Result<(), Error> {
        let read = self.store.settings()?.into_iter().collect();
        self.take_over(|rows| *rows = read)
    }

    /// Changes what is known of the rows, and puts that in force.
    fn take_over(&self, change: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<(), Error> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut rows);
        let mut values = fields(&Settings::default())?;
        let (mut stopped_at, mut has_credential, mut credential_writing) = (None, false, None);
        for (name, text) in &*rows {
            if name == STOPPED_AT {
                // What can't be read was meant to stop.
                stopped_at = Some(UnixMs(text.parse().unwrap_or_default()));
            }
            if name == CREDENTIAL_WRITING {
                credential_writing = Some(text.clone());
            }
            has_credential |= name == HAS_CREDENTIAL && text == "true";
            // A name of a newer version is left alone; a value that can't be read falls back.
            if let (Some(value), Ok(stored)) = (values.get_mut(name), serde_json::from_str(text)) {
                *value = stored;
            }
        }
        values.extend(self.fixed.iter().map(own));
        let read = serde_json::from_value(values.into()).unwrap_or_else(|error| {
            tracing::warn!(%error, "stored settings could not be read; the defaults are in force");
            Settings::default()
        });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) =
            Current { settings: Arc::new(read), stopped_at, has_credential, credential_writing };
        Ok(())
    }

    /// A policy that fixes other settings than the one before is an act of the administrator.
    fn record_policy(&self) -> Result<(), Error> {
        let detail = json!({ "is": self.fixed });
        let before = self.store.latest_detail(Kind::PolicyApplied)?;
        if before.map_or(self.fixed.is_empty(), |before| *before == *detail.to_string()) {
            return Ok(());
        }
        Ok(self.store.append(&self.recorder.entry(Kind::PolicyApplied, "settings", ActOutcome::Done, detail))?)
    }

    fn read(&self) -> Current {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn own((name, value): (&String, &serde_json::Value)) -> (String, serde_json::Value) {
    (name.clone(), value.clone())
}

fn fields(settings: &Settings) -> Result<Fields, Error> {
    match serde_json::to_value(settings) {
        Ok(serde_json::Value::Object(fields)) => Ok(fields),
        _ => Err(Error::Internal("settings are not an object".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
