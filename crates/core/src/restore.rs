//! Putting a backup back. What it holds comes from outside: each row is read through the domain's own
//! checks and added to the present database, in one transaction. Nothing of the backup ends or deletes
//! what is here, brings a key back, or leads a secret elsewhere; what is left out is told, with why.

use std::path::Path;

use serde::Serialize;
use serde_json::json;
use ts_rs::TS;

use crate::activity::{ActOutcome, Kind};
use crate::blocking::blocking;
use crate::bound::Bound;
use crate::change::Change;
use crate::clock::UnixMs;
use crate::connections::{Connection, Connections};
use crate::error::Error;
use crate::integrations::{Integration, IntegrationId, StoredSecret};
use crate::names::is_misleading;
use crate::oversight::Fix;
use crate::port::backup::{Addition, BackupContents, Present, RawCounter};
use crate::settings::Settings;
use crate::use_cases::Core;

/// What came of putting a backup back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct RestoreReport {
    /// What was taken from it, in words.
    pub taken: Vec<String>,
    pub left: Vec<LeftOut>,
    /// What a person has to do now.
    pub to_do: Vec<ToDo>,
}

/// Something of a backup that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct LeftOut {
    pub what: String,
    pub why: String,
}

/// Something that a person has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct ToDo {
    pub what: String,
    /// How the faces offer it.
    pub fix: Fix,
}

/// Settings that may be anything without harm.
const HARMLESS: [&str; 5] = ["largest_body_mib", "start_at_login", "on_close", "theme", "log_level"];
/// Settings that leave a door to others where they are wrong: a port that applications still send their
/// key to, a key in the clipboard, an alarm that nobody hears, a key that was revoked elsewhere. What was there is told, and not taken.
const PROTECTING: [&str; 5] = ["gateway_on", "gateway_port", "clipboard_seconds", "notifications", "trust_period"];

/// Longer lists are cut, with a word on how much more there was.
const MOST_TOLD: usize = 100;

impl RestoreReport {
    fn take(&mut self, what: String) {
        self.taken.push(what);
    }

    fn leave(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.left.push(LeftOut { what: what.into(), why: why.into() });
    }

    fn ask(&mut self, what: String, fix: Fix) {
        self.to_do.push(ToDo { what, fix });
    }

    fn cut(&mut self) {
        let more = |all: usize| format!("and {} more", all - MOST_TOLD);
        if self.taken.len() > MOST_TOLD {
            let more = more(self.taken.len());
            self.taken.truncate(MOST_TOLD);
            self.taken.push(more);
        }
        if self.left.len() > MOST_TOLD {
            let more = more(self.left.len());
            self.left.truncate(MOST_TOLD);
            self.leave(more, "for reasons like these");
        }
        self.to_do.truncate(MOST_TOLD);
    }
}

/// How often a backup is looked at anew because something else was changed meanwhile.
const TRIES: usize = 5;

impl Core {
    /// Puts back what a backup holds and the present profile lacks. Keys, the record, what is stopped and
    /// every secret stay as they are. Blocks on SQLite, and waits for the keychain.
    pub async fn restore(&self, from: &Path) -> Result<RestoreReport, Error> {
        let (store, file) = (self.store.clone(), from.to_owned());
        let contents = blocking(move || store.read_backup(&file)).await?;
        self.store.set_aside()?;
        let (mut report, integrations, connections) = self.put_back(&contents)?;
        self.keys.reload()?;
        self.settings.reload()?;
        for change in [Change::Settings, Change::Integrations, Change::Connections, Change::Usage] {
            self.changes.publish(change);
        }
        self.look_for_client_secrets(integrations, &mut report).await;
        self.look_for_sign_ins(connections, &mut report).await;
        if self.keys.live()?.is_none() {
            report.ask("No key is live, and a backup brings none back. Create one.".into(), Fix::CreateKey);
        }
        report.cut();
        Ok(report)
    }

    fn put_back(&self, contents: &BackupContents) -> Result<(RestoreReport, Vec<Integration>, Vec<Connection>), Error> {
        for _ in 0..TRIES {
            let here = self.store.present()?;
            let (report, rows) = self.read_backup(contents, &here);
            let detail = json!({ "taken": report.taken.len(), "left": report.left.len() });
            let entry = self.recorder.entry(Kind::Restored, "database", ActOutcome::Done, detail);
            if self.store.add(&rows, &here.revisions, &entry)? {
                return Ok((report, rows.integrations, rows.connections));
            }
        }
        Err(Error::Backup("Nothing was put back: something else is changed here again and again".into()))
    }

    /// What of a backup is taken, by the domain's own checks.
    fn read_backup<'a>(&self, contents: &'a BackupContents, here: &Present) -> (RestoreReport, Addition<'a>) {
        let (mut report, mut rows) = (RestoreReport::default(), Addition::default());
        self.read_settings(contents, &mut rows, &mut report);
        let mut integrations = here.integrations.clone();
        for raw in &contents.integrations {
            match self.integrations.read_back(&integrations, raw, self.clock.now()) {
                Err(why) => report.leave(format!("Integration {}", shown(&raw.name)), why),
                Ok(None) => {}
                Ok(Some(row)) => {
                    let at = row.authority.label();
                    report.take(format!("Integration \u{201c}{}\u{201d}, which signs in at {at}", row.name));
                    integrations.push(row.clone());
                    rows.integrations.push(row);
                }
            }
        }
        // What is pre-selected is chosen by many without a second look: no backup decides about it.
        if !contents.defaults.iter().map(String::as_str).eq(here.defaults.iter().map(IntegrationId::as_str)) {
            report.leave("Which integration is the default", "it is pre-selected for everybody; choose it yourself");
        }
        let mut connections = here.connections.clone();
        for raw in &contents.connections {
            match Connections::read_back(&integrations, &connections, raw, self.clock.now()) {
                Err(why) => report.leave(format!("Connection of {}", shown(&raw.account)), why),
                Ok(None) => {}
                Ok(Some(row)) => {
                    report.take(format!("Connection of {} ({})", row.account.label, row.toolkit.as_str()));
                    connections.push(row.clone());
                    rows.connections.push(row);
                }
            }
        }
        self.read_counters(contents, here, &mut rows, &mut report);
        report.leave("Keys and the record of acts", "a backup never brings back what has ended or was done");
        if contents.unreadable > 0 {
            report.leave(format!("{} rows", contents.unreadable), "they were not written by this app");
        }
        (report, rows)
    }

    fn read_settings<'a>(&self, contents: &'a BackupContents, rows: &mut Addition<'a>, report: &mut RestoreReport) {
        let fixed = self.settings.fixed();
        for (name, text) in &contents.settings {
            let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else { continue };
            if name == "runtime_url" {
                let here = self.settings.current().runtime_url.clone();
                if let Some(url) = value.as_str().filter(|url| here.as_deref() != Some(url)) {
                    let why = "calls and a credential would go there; set it yourself if it is right";
                    report.leave(format!("Agent runtime {}", shown(url)), why);
                    report.ask("Set the URL of the agent runtime, and its credential.".into(), Fix::ShowPreferences);
                }
                continue;
            }
            let is_protecting = PROTECTING.contains(&name.as_str());
            if !(is_protecting || HARMLESS.contains(&name.as_str())) || fixed.contains(name) {
                continue;
            }
            let current = self.settings.current();
            match current.with(name, value, self.settings.has_runtime_credential()) {
                Some(changed) if changed != *current && is_protecting => {
                    let what = format!("Setting {name}: {}", shown(text));
                    report.leave(what, "it protects the key; set it yourself if it is right");
                }
                Some(changed) if changed != *current => {
                    rows.settings.push((name, changed.stored(name)));
                    report.take(format!("Setting {name}"));
                }
                Some(_) => {}
                None => report.leave(format!("Setting {name}"), "its value can't be used"),
            }
        }
    }

    /// Counters are taken into a profile that has none: added to others, they would count twice.
    fn read_counters<'a>(
        &self,
        contents: &'a BackupContents,
        here: &Present,
        rows: &mut Addition<'a>,
        report: &mut RestoreReport,
    ) {
        let all = contents.hours.len() + contents.days.len();
        if all == 0 {
            return;
        }
        if here.has_counters {
            report.leave("Counters of calls", "this profile has counters of its own");
            return;
        }
        let now = self.clock.now();
        rows.hours = contents.hours.iter().filter(|row| is_counter(row, UnixMs::HOUR, now)).collect();
        rows.days = contents.days.iter().filter(|row| is_counter(row, UnixMs::DAY, now)).collect();
        let taken = rows.hours.len() + rows.days.len();
        report.take(format!("Counters of calls: {taken}"));
        if taken < all {
            report.leave(format!("Counters of calls: {}", all - taken), "their values can't be");
        }
    }

    /// What was put back has its secret where the vault still holds the very one.
    async fn look_for_client_secrets(&self, added: Vec<Integration>, report: &mut RestoreReport) {
        for row in added.into_iter().filter(|row| row.secret == StoredSecret::Missing) {
            let secret = self.secrets.get(&row.id.secret_entry()).await;
            let fits = secret.map(|secret| secret.is_some_and(|it: Bound| it.is_for(&row.recipient(), None)));
            let found = fits.and_then(|fits| if fits { self.integrations.secret_is_there(&row.id) } else { Ok(false) });
            if !found.is_ok_and(|found| found) {
                let what = format!("Enter the client secret of \u{201c}{}\u{201d}.", row.name);
                report.ask(what, Fix::EditIntegration { id: row.id });
            }
        }
        self.changes.publish(Change::Integrations);
    }

    /// The same with sign-ins.
    async fn look_for_sign_ins(&self, added: Vec<Connection>, report: &mut RestoreReport) {
        for row in added {
            if !self.connections.find_sign_in(&row).await.is_ok_and(|found| found) {
                let what = format!("Sign {} in again ({}).", row.account.label, row.toolkit.as_str());
                report.ask(what, Fix::SignInAgain { id: row.id });
            }
        }
        self.changes.publish(Change::Connections);
    }
}

/// A name of a backup, in a sentence.
fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let clean: String = text.chars().filter(|c| !is_misleading(*c)).take(LONGEST).collect();
    format!("\u{201c}{clean}\u{201d}")
}

fn is_counter(row: &RawCounter, step: i64, now: UnixMs) -> bool {
    const KEPT: i64 = 3 * 366 * UnixMs::DAY;
    let moment = |at: i64| (now.0 - KEPT..=now.0 + UnixMs::HOUR).contains(&at);
    let word = |text: &str| (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let name = |text: &str| text.chars().count() <= 120 && !text.chars().any(is_misleading);
    let key = row.key.is_empty() || (row.key.len() == 10 && row.key.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    moment(row.since)
        && row.since % step == 0
        && moment(row.last_at)
        && key
        && word(&row.outcome)
        && name(&row.program)
        && name(&row.user_agent)
        && [row.requests, row.bytes_in, row.bytes_out].iter().all(|count| (0..=1 << 50).contains(count))
}

impl Settings {
    /// The same with one value of this name changed; `None`: it can't be used.
    fn with(&self, name: &str, value: serde_json::Value, has_credential: bool) -> Option<Self> {
        let serde_json::Value::Object(mut fields) = serde_json::to_value(self).ok()? else { return None };
        fields.insert(name.to_owned(), value);
        let mut changed: Self = serde_json::from_value(fields.into()).ok()?;
        changed.check(has_credential).ok()?;
        Some(changed)
    }
}
