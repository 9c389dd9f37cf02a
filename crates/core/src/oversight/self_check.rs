//! Whether the set-up is sound, thing by thing, each with its remedy.

use serde::Serialize;
use ts_rs::TS;

use super::{About, Fix, Weight};
use crate::error::Error;
use crate::integrations::Health;
use crate::port::NetworkError;
use crate::use_cases::Core;
use crate::vault::VaultKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum FindingState {
    Good,
    /// It works, and could be better.
    Warning,
    Bad,
    /// There is nothing to look at.
    NotSetUp,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct Finding {
    /// Names it, the same in every version.
    pub id: &'static str,
    pub name: &'static str,
    pub state: FindingState,
    /// The same in words.
    pub found: String,
    /// What to do; `None`: nothing.
    pub remedy: Option<String>,
    /// What fixes it, where a face can offer it.
    pub fix: Option<Fix>,
}

impl Finding {
    pub fn good(id: &'static str, name: &'static str, found: impl Into<String>) -> Self {
        Self { id, name, state: FindingState::Good, found: found.into(), remedy: None, fix: None }
    }

    /// There is nothing to look at.
    pub fn not_set_up(id: &'static str, name: &'static str, found: impl Into<String>) -> Self {
        Self { state: FindingState::NotSetUp, ..Self::good(id, name, found) }
    }

    /// It works, and could be better.
    pub fn warning(id: &'static str, name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: FindingState::Warning, remedy: Some(remedy.into()), ..Self::good(id, name, found) }
    }

    pub fn bad(id: &'static str, name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: FindingState::Bad, remedy: Some(remedy.into()), ..Self::good(id, name, found) }
    }

    fn fixed_by(self, fix: Fix) -> Self {
        Self { fix: Some(fix), ..self }
    }
}

/// A clock further off than this breaks sign-ins: tokens would seem to be of the future.
const CLOCK_OFF: i64 = 5 * 60_000;

impl Core {
    /// Looks at everything that no face needs to be asked for. Waits for the keychain and the
    /// network.
    pub async fn self_check(&self) -> Result<Vec<Finding>, Error> {
        let mut checks = vec![self.check_key()?, self.check_keychain().await];
        // What is missing is looked for again, not remembered.
        if let Err(error) = self.reconcile_secrets().await {
            tracing::debug!(%error, "secrets could not be compared with the rows");
        }
        let (authority, clock) = self.check_authority().await?;
        checks.extend([authority, clock]);
        checks.push(self.check_runtime().await);
        checks.push(self.check_ways_out()?);
        checks.extend(self.check_way_in()?);
        checks.push(self.check_integrations()?);
        checks.push(self.check_secrets()?);
        checks.push(self.check_connections()?);
        checks.push(self.check_record()?);
        checks.extend(self.check_policy());
        checks.push(self.check_folder());
        Ok(checks)
    }

    fn check_key(&self) -> Result<Finding, Error> {
        let (id, name) = ("key", "API key");
        let Some(key) = self.keys.live()? else {
            if self.keys.list()?.is_empty() {
                return Ok(Finding::not_set_up(id, name, "There is none yet.").fixed_by(Fix::CreateKey));
            }
            let remedy = "Create one and put it into each application.";
            let none = Finding::bad(id, name, "No key is live, so every application is refused.", remedy);
            return Ok(none.fixed_by(Fix::CreateKey));
        };
        let about = self.attention()?.into_iter().find(|attention| attention.about == About::Key);
        Ok(match about {
            Some(about) => Finding::warning(id, name, format!("{}.", about.title), about.text).fixed_by(about.fix),
            None => Finding::good(id, name, format!("\u{201c}{}\u{201d} is live.", key.name)),
        })
    }

    async fn check_keychain(&self) -> Finding {
        let (id, name) = ("keychain", "Keychain");
        match self.vault.check_writable().await {
            Ok(()) if self.settings.current().vault == VaultKind::File => Finding::warning(
                id,
                name,
                "Secrets lie in an encrypted file, as was chosen here.",
                "Where the machine has a keychain, use that: whoever reads the passphrase of the file reads every secret.",
            ),
            Ok(()) => Finding::good(id, name, "It is open."),
            Err(error) => {
                let error = Error::from(error);
                // Keys lie in no keychain: a server may do without one.
                let make = if self.needs_secrets() { Finding::bad } else { Finding::warning };
                make(id, name, error.to_string(), error.remedy())
            }
        }
    }

    /// Whether anything that is set up has a secret.
    fn needs_secrets(&self) -> bool {
        self.settings.has_runtime_credential() || !self.expected_secrets().is_ok_and(|expected| expected.is_empty())
    }

    /// Whether secrets can be kept at all: a keychain that can be read may have nothing to write to.
    pub async fn check_vault(&self) -> Result<(), Error> {
        Ok(self.vault.check_writable().await?)
    }

    /// Whether the authority of the default integration answers, and what time it has.
    async fn check_authority(&self) -> Result<(Finding, Finding), Error> {
        let (id, name) = ("authority", "Sign-in service");
        let clock = ("clock", "Clock");
        let Some(url) = self.integrations.default_discovery_url()? else {
            let none = "No integration is set up.";
            return Ok((Finding::not_set_up(id, name, none), Finding::not_set_up(clock.0, clock.1, none)));
        };
        let asked = self.clock.now();
        Ok(match self.http.get(&url).await {
            Ok(answer) => {
                let host = url::Url::parse(&url).ok().and_then(|url| url.host_str().map(str::to_owned));
                let reached = Finding::good(id, name, format!("{} answers.", host.unwrap_or_default()));
                (reached, clock_check(clock, answer.headers(), i64::midpoint(asked.0, self.clock.now().0)))
            }
            Err(error) => {
                let remedy = match &error {
                    NetworkError::Certificate { .. } => {
                        "Ask whoever looks after your network: something between you and Microsoft opens the connection."
                    }
                    _ => "Check the connection of this machine, its proxy and its firewall.",
                };
                let unknown =
                    Finding::not_set_up(clock.0, clock.1, "It can only be compared while the service answers.");
                (Finding::bad(id, name, format!("It can\u{2019}t be asked: {error}."), remedy), unknown)
            }
        })
    }

    /// Through which proxy each of those that are called is reached: the same rule for all of them.
    fn check_ways_out(&self) -> Result<Finding, Error> {
        let (id, name) = ("ways_out", "Ways out");
        let runtime = self.settings.current().runtime_url.clone();
        let graph = self.integrations.default_graph_url()?;
        let called = [
            ("sign-in service", self.integrations.default_discovery_url()?),
            ("Microsoft Graph", graph),
            ("agent runtime", runtime),
        ];
        let ways: Vec<String> = called
            .into_iter()
            .filter_map(|(who, url)| {
                let way = self.http.proxy_to(&url?).map_or("directly".to_owned(), |proxy| format!("through {proxy}"));
                Some(format!("{who} {way}"))
            })
            .collect();
        Ok(if ways.is_empty() {
            Finding::not_set_up(id, name, "Nothing outside of this machine is called.")
        } else {
            Finding::good(id, name, format!("{}.", ways.join(", ")))
        })
    }

    async fn check_runtime(&self) -> Finding {
        let (id, name) = ("runtime", "Agent runtime");
        let Some(url) = self.settings.current().runtime_url.clone() else {
            return Finding::not_set_up(id, name, "None is set; the built-in agent answers alone.");
        };
        match self.test_runtime(&url).await {
            Ok(answered) => Finding::good(id, name, answered),
            Err(error) => Finding::bad(id, name, error.to_string(), "Check that it runs and that its URL is right.")
                .fixed_by(Fix::ShowPreferences),
        }
    }

    /// Asks an agent runtime whether it is there; tells what answered. Any answer is one: what
    /// it says to a bare GET is its own affair.
    pub async fn test_runtime(&self, url: &str) -> Result<String, Error> {
        let url = crate::settings::checked_runtime_url(url)?;
        let answer = self.http.get(&url).await;
        match answer {
            Ok(answer) if answer.headers().contains_key(super::FOLDER_HEADER) => {
                Err(Error::RuntimeTest(format!("at {url} a gateway of this app answers, and no agent runtime")))
            }
            Ok(answer) => {
                let server = answer.headers().get(http::header::SERVER).and_then(|value| value.to_str().ok());
                let by = server.map_or(String::new(), |server| format!(" ({server})"));
                Ok(format!("{url} answers{by} with status {}.", answer.status().as_u16()))
            }
            Err(NetworkError::Redirect(_)) => Ok(format!("{url} answers with a redirect.")),
            Err(error) => Err(Error::RuntimeTest(error.to_string())),
        }
    }

    /// Nothing to say where there is no policy file.
    fn check_policy(&self) -> Option<Finding> {
        let (id, name) = ("policy", "Policy file");
        if let Some(trouble) = self.settings.policy_trouble() {
            let remedy = "Ask the administrator of this machine to correct the file; until then nothing, or not all, of it is in force.";
            return Some(Finding::bad(
                id,
                name,
                format!("The policy file is not in force as a whole: {trouble}."),
                remedy,
            ));
        }
        let fixed = self.settings.fixed().len();
        (fixed > 0).then(|| Finding::good(id, name, format!("It is in force, and fixes settings: {fixed}.")))
    }

    /// What Microsoft said when it was asked last.
    fn check_integrations(&self) -> Result<Finding, Error> {
        let (id, name) = ("integrations", "Integrations");
        let all = self.integrations.list()?;
        let refused: Vec<_> = all.iter().filter(|it| it.health == Health::CheckFailed).collect();
        let Some(first) = refused.first() else {
            return Ok(match all.iter().filter(|it| it.health == Health::Passed).count() {
                0 => Finding::not_set_up(id, name, "None was checked yet."),
                _ => Finding::good(id, name, "None was refused at its last check."),
            });
        };
        let others = match refused.len() {
            1 => String::new(),
            many => format!(" Nor were {} others.", many - 1),
        };
        let found = format!("\u{201c}{}\u{201d} was not accepted at its last check.{others}", first.name);
        let fix = Fix::EditIntegration { id: first.id.clone() };
        Ok(Finding::bad(id, name, found, "Open it, correct what the check names, and check again.").fixed_by(fix))
    }

    fn check_secrets(&self) -> Result<Finding, Error> {
        let (id, name) = ("secrets", "Client secrets");
        let about = self.attention()?.into_iter().find(|attention| attention.about == About::ClientSecret);
        let Some(about) = about else { return Ok(Finding::good(id, name, "None is missing or expires soon.")) };
        let make = if about.weight == Weight::Urgent { Finding::bad } else { Finding::warning };
        Ok(make(id, name, format!("{}.", about.title), about.text).fixed_by(about.fix))
    }

    fn check_connections(&self) -> Result<Finding, Error> {
        let (id, name) = ("connections", "Connections");
        let all = self.connections.list()?.len();
        let broken: Vec<_> = self.attention()?.into_iter().filter(|found| found.about == About::Connection).collect();
        Ok(match (all, broken.into_iter().next()) {
            (0, _) => Finding::not_set_up(id, name, "Nobody is connected."),
            (_, None) => Finding::good(id, name, "All of them work."),
            (_, Some(first)) => Finding::bad(id, name, format!("{}.", first.title), first.text).fixed_by(first.fix),
        })
    }

    /// Whether keys come in clear text from other machines. `None`: they come from this one alone, or encrypted, or as a
    /// proxy is said to do.
    fn check_way_in(&self) -> Result<Option<Finding>, Error> {
        let in_clear = self.service_status()?.map(|status| status.in_clear).unwrap_or_default();
        if in_clear.is_empty() || self.settings.current().trust_front_proxy {
            return Ok(None);
        }
        let addresses: Vec<String> = in_clear.iter().map(ToString::to_string).collect();
        let found = format!(
            "Keys come to {} in clear text, since the gateway was started without a certificate: whoever is between can \
             read and use them.",
            addresses.join(", ")
        );
        let remedy = "Start it with --tls-cert FILE and --tls-key FILE. Where a service mesh or a proxy encrypts the way, and \
                      nobody reaches the address past it: atthene config set trust_front_proxy true.";
        Ok(Some(Finding::warning("way_in", "Way to the gateway", found, remedy)))
    }

    /// Whether other accounts may enter the data folder. Its files are private all the same.
    fn check_folder(&self) -> Finding {
        let (id, name, folder) = ("folder", "Data folder", self.store.folder());
        if !others_may_enter(folder) {
            return Finding::good(id, name, "Only this account may enter it.");
        }
        let remedy = format!("Run: chmod 700 '{}'.", folder.display());
        Finding::warning(id, name, "Other accounts may enter it, and see which files it holds.", remedy)
    }

    /// The chain of the record is walked on the page Activity; here the database is looked through, and written to: a
    /// disk that is full lets everything be read.
    fn check_record(&self) -> Result<Finding, Error> {
        let (id, name) = ("database", "Database");
        let looked = self.look_through().and_then(|()| Ok(self.store.check_writable()?));
        if let Err(error) = looked {
            return Ok(Finding::bad(id, name, error.to_string(), error.remedy()));
        }
        let rows = self.activity.newest()?;
        Ok(Finding::good(id, name, format!("It is sound; the record has come to row {rows}.")))
    }
}

#[cfg(unix)]
fn others_may_enter(folder: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    const OTHERS: u32 = 0o077;
    folder.metadata().is_ok_and(|meta| meta.permissions().mode() & OTHERS != 0)
}

/// The profile's own folder is private to its account there, unless somebody opened it.
#[cfg(not(unix))]
fn others_may_enter(_: &std::path::Path) -> bool {
    false
}

fn clock_check((id, name): (&'static str, &'static str), headers: &http::HeaderMap, ours: i64) -> Finding {
    let date = headers.get(http::header::DATE).and_then(|value| value.to_str().ok());
    let theirs = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let Some(theirs) = theirs.map(|at| at.timestamp().as_millisecond()) else {
        return Finding::not_set_up(id, name, "The service did not say what time it has.");
    };
    let off = ours - theirs;
    let minutes = off.abs() / 60_000;
    if off.abs() > CLOCK_OFF {
        let side = if off > 0 { "ahead" } else { "behind" };
        return Finding::bad(
            id,
            name,
            format!("This machine\u{2019}s clock is {minutes} minutes {side}."),
            "Turn on automatic time; sign-ins fail with a wrong clock.",
        );
    }
    Finding::good(id, name, "It agrees with the sign-in service\u{2019}s, within seconds to a few minutes.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_told_by_how_much() {
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::DATE, http::HeaderValue::from_static("Mon, 23 Nov 2026 12:00:00 GMT"));
        let noon = 1_795_435_200_000;
        let at = |ms: i64| clock_check(("clock", "Clock"), &headers, noon + ms);
        assert_eq!(at(30_000).state, FindingState::Good);
        assert_eq!(at(-4 * 60_000).state, FindingState::Good);
        let ahead = at(7 * 60_000);
        assert_eq!((ahead.state, ahead.found.contains("7 minutes ahead")), (FindingState::Bad, true));
        assert!(at(-90 * 60_000).found.contains("90 minutes behind"));
    }
}
