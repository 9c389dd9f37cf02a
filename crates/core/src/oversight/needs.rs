//! The list of what needs attention, put together.

use super::attention::{About, Attention, Fix, Harm, Weight};
use super::causes::{about_key, newest};
use super::signals::StoreAway;
use crate::clock::UnixMs;
use crate::error::Error;
use crate::use_cases::Core;

impl Core {
    /// What needs attention now, the most harmful first; many alike are one. Blocks on SQLite.
    pub fn attention(&self) -> Result<Vec<Attention>, Error> {
        let now = self.clock.now();
        let mut found = Vec::new();
        if let Some(at) = self.settings.stopped_at() {
            found.push(
                Attention::daily(
                    format!("stopped {}", at.0),
                    Weight::Urgent,
                    "Everything is stopped".into(),
                    "Applications are refused until you resume.".into(),
                    Fix::Resume,
                )
                .harms(Harm::EverythingRefused),
            );
        }
        if let Some(away) = self.signals.away() {
            // Nothing else can be known.
            found.push(about_away(&away, &jiff::tz::TimeZone::system()));
            return Ok(found);
        }
        if let Some(trouble) = self.signals.store_trouble() {
            // Nothing else can be known.
            found.push(
                Attention::daily(
                    "store".into(),
                    Weight::Urgent,
                    "The data can\u{2019}t be read any more".into(),
                    format!("{trouble} Every call is refused. Put the file back, or restart the app."),
                    Fix::SelfCheck,
                )
                .harms(Harm::EverythingRefused),
            );
            return Ok(found);
        }
        if let Some(trouble) = self.signals.gateway_trouble() {
            let title = "Applications can\u{2019}t reach the gateway".into();
            let unreachable = Attention::daily("gateway".into(), Weight::Urgent, title, trouble, Fix::ShowPreferences);
            found.push(unreachable.harms(Harm::EverythingRefused));
        }
        self.about_hosts(&mut found)?;
        let keys = self.keys.list()?;
        let live = keys.iter().any(|key| key.state.is_live());
        if let Some((port, who)) = self.signals.stranger() {
            let replace = if live { " Then replace the key: applications may have sent it there." } else { "" };
            found.push(Attention::daily(
                format!("stranger {port}"),
                Weight::Urgent,
                format!("{who} has the gateway\u{2019}s port"),
                format!(
                    "It answers on port {port}, where applications send their key, and can\u{2019}t prove to be this \
                     gateway. End it, or choose another port in Preferences.{replace}"
                ),
                if live { Fix::CreateKey } else { Fix::ShowPreferences },
            ).harms(Harm::EverythingRefused));
        }
        found.extend(newest(&keys).and_then(|key| about_key(key, now)).map(|key| key.about(About::Key)));
        self.about_integrations(now, &mut found)?;
        self.about_connections(&mut found)?;
        self.about_approvals(&mut found)?;
        if let Some((_, reason)) = self.signals.runtime_trouble() {
            found.push(
                Attention::daily(
                    "runtime".into(),
                    Weight::Urgent,
                    "The agent runtime can\u{2019}t be reached".into(),
                    format!("Calls of applications fail: {reason}."),
                    Fix::ShowPreferences,
                )
                .harms(Harm::RuntimeAway),
            );
        }
        if let Some(trouble) = self.settings.policy_trouble() {
            found.push(Attention::daily(
                "policy".into(),
                Weight::Urgent,
                "The policy file is not in force as a whole".into(),
                format!("{trouble}. Ask the administrator of this machine to correct it."),
                Fix::SelfCheck,
            ));
        }
        if let Some(reason) = self.vault.trouble() {
            found.push(Attention::daily(
                "keychain".into(),
                Weight::Urgent,
                "The keychain gives nothing".into(),
                format!("{reason} Sign-ins and connections need it; API keys work without."),
                Fix::SelfCheck,
            ));
        }
        self.about_bursts(now, live, &mut found)?;
        found.sort_by_key(|attention| (attention.harm, attention.weight));
        Ok(found)
    }

    /// What needs attention and was not told on the desktop lately. What this returns counts as
    /// told, also for every other process on this data.
    pub fn due_notices(&self) -> Result<Vec<Attention>, Error> {
        let found = self.attention()?;
        let now = self.clock.now();
        let since = |attention: &Attention| attention.notice.1.map_or(UnixMs(i64::MIN), |pause| now.plus(-pause));
        let notices: Vec<_> = found.iter().map(|it| (it.notice.0.as_str(), since(it))).collect();
        let due = self.store.claim_notices(&notices, now)?;
        Ok(found.into_iter().zip(due).filter_map(|(attention, is_due)| is_due.then_some(attention)).collect())
    }
}

impl Core {
    /// A profile that hosts share, and that none of them serves. A window tells it: whoever is the service is there.
    fn about_hosts(&self, found: &mut Vec<Attention>) -> Result<(), Error> {
        if !self.signals.follows_service() || self.has_service() {
            return Ok(());
        }
        let Some(hosts) = self.hosts()? else { return Ok(()) };
        if hosts.iter().any(|host| host.is_there) {
            return Ok(());
        }
        let title = "No gateway serves this profile".into();
        let text = "None of the hosts that share it has been heard of lately, so applications reach nobody. Start a \
                    gateway: atthene serve, or in Preferences on this machine."
            .into();
        let none = Attention::daily("no host".into(), Weight::Urgent, title, text, Fix::ShowHosts);
        found.push(none.harms(Harm::EverythingRefused));
        Ok(())
    }
}

/// A database that any number of hosts share can't be reached from this one.
fn about_away(away: &StoreAway, zone: &jiff::tz::TimeZone) -> Attention {
    let time = |at: UnixMs| {
        let at = jiff::Timestamp::from_millisecond(at.0).map(|at| at.to_zoned(zone.clone()));
        at.map_or_else(|_| "an unknown time".to_owned(), |at| at.strftime("%H:%M:%S").to_string())
    };
    let (id, since) = ("store away".to_owned(), time(away.since));
    match away.trusted_until {
        Some(until) => Attention::daily(
            id,
            Weight::Warning,
            "The database can\u{2019}t be reached".into(),
            format!(
                "{} It has not been heard of since {since}. This host serves by what it knows until {}; nothing can be \
                 changed or renewed until the database is back. Nothing has to be done here then.",
                away.reason,
                time(until)
            ),
            Fix::SelfCheck,
        ),
        None => Attention::daily(
            id,
            Weight::Urgent,
            "The database can\u{2019}t be reached".into(),
            format!(
                "{} It has not been heard of since {since}, and every call is refused here. Once it can be reached, this \
                 host goes on by itself.",
                away.reason
            ),
            Fix::SelfCheck,
        )
        .harms(Harm::EverythingRefused),
    }
}
