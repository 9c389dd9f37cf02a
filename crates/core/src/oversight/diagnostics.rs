//! What to send along when asking for help. Holds no secret and no address of a company.

use std::fmt::Write as _;

use url::Url;

use crate::Core;
use crate::activity::{ActivityFilter, Came};
use crate::error::Error;

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
        let failed = ActivityFilter { outcome: Some(Came::Failed), ..ActivityFilter::default() };
        for row in self.activity.page(&failed, None)?.rows.into_iter().take(FAILURES) {
            // The details may hold names and addresses; numbers and codes help without them.
            let codes = ["aadsts", "correlation_id", "reason", "status", "error"]
                .into_iter()
                .filter_map(|name| row.detail.get(name).map(|value| format!("{name} {value}")))
                .collect::<Vec<_>>();
            line("failed", &format_args!("{} {} {}", row.at.rfc3339(), row.kind, codes.join(", ")));
        }
        Ok(text)
    }
}
