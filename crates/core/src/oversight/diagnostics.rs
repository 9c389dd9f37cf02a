//! What to send along when asking for help. Holds no secret and no address of a company.

use std::fmt::Write as _;

use url::Url;

use crate::activity::{ActOutcome, ActivityFilter};
use crate::error::Error;
use crate::use_cases::Core;

/// Failures of the record that are told.
const FAILURES: usize = 20;

impl Core {
    /// Versions, settings and the latest failures, as text. Blocks on SQLite.
    pub fn diagnostics(&self) -> Result<String, Error> {
        let mut text = String::new();
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{name}: {value}");
        };
        line("ATTHENE Settings", &env!("CARGO_PKG_VERSION"));
        line("system", &format_args!("{} {}", std::env::consts::OS, std::env::consts::ARCH));
        line("time", &self.clock.now().rfc3339());
        let settings = self.settings.current();
        let kind_of_url = settings.runtime_url.as_deref().and_then(|url| Url::parse(url).ok());
        line("agent runtime", &kind_of_url.map_or("none".to_owned(), |url| format!("set, {}", url.scheme())));
        let mut values = serde_json::to_value(&*settings).unwrap_or_default();
        if let Some(values) = values.as_object_mut() {
            values.remove("runtime_url");
        }
        line("settings", &values);
        line("credential of the agent runtime", &self.settings.has_runtime_credential());
        line("fixed by policy", &self.settings.fixed().join(", "));
        line("stopped", &self.settings.stopped_at().is_some());
        let keys = self.keys.list()?;
        line("keys", &keys.len());
        line("live key", &keys.first().map_or("none".to_owned(), |key| format!("{:?}", key.state)));
        line("integrations", &self.integrations.list()?.len());
        for connection in self.connections.list()? {
            line("connection", &format_args!("{} {:?}", connection.id.as_str(), connection.state));
        }
        line("keychain", &self.vault.trouble().unwrap_or_else(|| "no trouble seen".into()));
        line("runtime trouble", &self.signals.runtime_trouble().map_or("none seen".into(), |(_, reason)| reason));
        let failed = ActivityFilter { outcome: Some(ActOutcome::Failed), ..ActivityFilter::default() };
        for row in self.activity.page(&failed, None)?.rows.into_iter().take(FAILURES) {
            // The details may hold names and addresses; numbers and codes help without them.
            let codes = ["aadsts", "correlation_id", "reason", "status", "error"]
                .into_iter()
                .filter_map(|name| row.detail.get(name).map(|value| format!("{name} {value}")))
                .collect::<Vec<_>>();
            line("failed", &format_args!("{} {} {}", row.at.rfc3339(), row.kind, codes.join(", ")));
        }
        Ok(without_places(&text))
    }
}

/// Takes out what names a place or a person: hosts, addresses, accounts, folders. What helps to find a
/// defect is left. Every face passes what it adds through this, too.
pub fn without_places(text: &str) -> String {
    let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().display().to_string());
    let text = home.filter(|home| home.len() > 1).map_or_else(|| text.to_owned(), |home| text.replace(&home, "~"));
    let lines = text.lines().map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" "));
    lines.fold(String::new(), |text, line| text + &line + "\n")
}

/// The word, or what kind of place stood there. A word may hold several, as JSON does.
fn word(word: &str) -> String {
    let edge = |c: char| "\"'(){}[]<>,;=".contains(c);
    word.split_inclusive(edge).fold(String::new(), |text, part| {
        let (inner, end) = part.strip_suffix(edge).map_or((part, ""), |inner| (inner, &part[inner.len()..]));
        text + kind_of_place(inner).unwrap_or(inner) + end
    })
}

fn without_port(authority: &str) -> &str {
    authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(authority, |(host, _)| host)
}

fn kind_of_place(part: &str) -> Option<&'static str> {
    let bare = part.trim_end_matches(['.', ':', '!', '?']);
    let before_path = |text: &'_ str| text.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
    let authority = before_path(bare);
    let host = without_port(&authority);
    let is_address = |text: &str| text.parse::<std::net::IpAddr>().is_ok_and(|address| !address.is_loopback());
    // A top-level domain is letters; a version, a file of ours and a code are not.
    let is_host = |text: &str| {
        let mut labels = text.rsplit('.');
        let top = labels.next().unwrap_or_default();
        let label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
        top.chars().count() >= 2
            && top.chars().all(char::is_alphabetic)
            && labels.clone().count() > 0
            && labels.all(label)
    };
    let in_url = bare.split_once("://").map(|(_, rest)| before_path(rest));
    match bare {
        _ if in_url.is_some() => {
            in_url.filter(|found| !["127.0.0.1", "localhost"].contains(&without_port(found))).map(|_| "(address)")
        }
        text if text.contains('@') => Some("(account)"),
        text if is_address(text) || is_address(host) => Some("(address)"),
        text if text.starts_with(['/', '~']) || text.contains('\\') || text.get(1..3) == Some(":/") => Some("(folder)"),
        text if !text.starts_with("com.atthene") && is_host(host) => Some("(host)"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s20_places_and_people_are_taken_out_and_the_rest_stays() {
        for (text, shown) in [
            ("runtime trouble: connection refused", "runtime trouble: connection refused\n"),
            ("lookup of agents.contoso.example: failed", "lookup of (host) failed\n"),
            ("keychain: /home/ada/.local/share/x is locked", "keychain: (folder) is locked\n"),
            ("it is at C:\\Users\\ada\\x", "it is at (folder)\n"),
            (
                "url https://agents.contoso.example/base and http://127.0.0.1:8765",
                "url (address) and http://127.0.0.1:8765\n",
            ),
            ("by ada@contoso.example, 10.1.2.3:443, [2001:db8::1]", "by (account), (address), [(address)]\n"),
            ("{\"host\":\"contoso.example\",\"n\":1.5}", "{\"host\":\"(host)\",\"n\":1.5}\n"),
            ("at http://127.0.0.1.nip.example/ or http://localhost@contoso.example/x", "at (address) or (address)\n"),
            ("http://localhost.contoso.example:80, host=contoso.example", "(address), host=(host)\n"),
            ("agents.contoso.example/base below C:/Users/ada", "(host) below (folder)\n"),
            ("system: linux x86_64, ATTHENE Settings: 0.1.0", "system: linux x86_64, ATTHENE Settings: 0.1.0\n"),
            ("2026-11-26T15:00:00.000Z refresh aadsts 50076", "2026-11-26T15:00:00.000Z refresh aadsts 50076\n"),
        ] {
            assert_eq!(without_places(text), shown);
        }
        let home = directories::BaseDirs::new().expect("a home").home_dir().join("x").display().to_string();
        assert!(!without_places(&format!("at {home} now")).contains(&home));
    }
}
