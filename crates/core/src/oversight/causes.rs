//! What each part of the profile has that needs attention.

use super::attention::{About, Attention, Fix, Harm, Weight};
use crate::activity::{ActivityFilter, Kind};
use crate::clock::UnixMs;
use crate::connections::ConnectionState;
use crate::error::Error;
use crate::integrations::{Health, StoredSecret};
use crate::keys::{KeyState, KeyView};
use crate::problem::ProblemCode;
use crate::use_cases::Core;

/// An API key older than this should be rotated.
const OLD_KEY: i64 = 90 * UnixMs::DAY;
/// Days before the end of a key on which a notice is raised.
const KEY_NOTICES: [i64; 3] = [1, 3, 7];
/// Days before the end of a client secret on which a notice is raised.
const SECRET_NOTICES: [i64; 3] = [1, 7, 30];
/// So many of a kind are named each; more are told as one.
const MOST_ALIKE: usize = 3;
/// Between two notices of what agents ask.
const PAUSE_OF_QUESTIONS: i64 = 30_000;
/// A burst of refused calls is shown for a day.
const BURST_SHOWN: i64 = UnixMs::DAY;

/// The days that are left, when they are few enough, and the notice that this falls under.
fn days_left(at: UnixMs, now: UnixMs, steps: [i64; 3]) -> Option<(i64, i64)> {
    let days = (at.0 - now.0).div_euclid(UnixMs::DAY) + 1;
    steps.into_iter().find(|step| days <= *step).map(|step| (days, step))
}

fn in_days(days: i64) -> String {
    match days {
        ..=1 => "within a day".into(),
        days => format!("in {days} days"),
    }
}

impl Core {
    pub(super) fn about_integrations(&self, now: UnixMs, found: &mut Vec<Attention>) -> Result<(), Error> {
        let integrations = self.integrations.list()?;
        let gone = integrations.iter().filter(|it| it.secret == StoredSecret::Missing).count();
        if gone > MOST_ALIKE {
            let title = format!("The client secrets of {gone} integrations are gone");
            let text = "They are not in the keychain any more, so nobody can sign in through them.".into();
            let alike = Attention::daily("secrets missing".into(), Weight::Urgent, title, text, Fix::ShowIntegrations);
            found.push(alike.about(About::ClientSecret));
        }
        for integration in integrations {
            let fix = Fix::EditIntegration { id: integration.id.clone() };
            let (id, name) = (integration.id.as_str(), &integration.name);
            if integration.secret == StoredSecret::Missing {
                if gone > MOST_ALIKE {
                    continue;
                }
                found.push(
                    Attention::daily(
                        format!("secret missing {id}"),
                        Weight::Urgent,
                        format!("The client secret of \u{201c}{name}\u{201d} is gone"),
                        "It is not in the keychain any more, so nobody can sign in through it.".into(),
                        fix,
                    )
                    .about(About::ClientSecret),
                );
                continue;
            }
            if let Some(problem) = integration.check.as_ref().and_then(|check| check.problem.clone())
                && integration.health == Health::CheckFailed
            {
                let title = format!("\u{201c}{name}\u{201d} was not accepted when it was checked");
                found.push(Attention::daily(format!("check {id}"), Weight::Warning, title, problem, fix));
                continue;
            }
            let Some(at) = integration.secret_expires_at else { continue };
            let expired = at <= now;
            let Some((days, step)) = days_left(at, now, SECRET_NOTICES) else { continue };
            let (weight, title) = if expired {
                (Weight::Urgent, format!("The client secret of \u{201c}{name}\u{201d} has expired"))
            } else {
                (Weight::Warning, format!("The client secret of \u{201c}{name}\u{201d} expires {}", in_days(days)))
            };
            let text = "Create a new one in Azure and enter it here; then sign-ins and connections go on.".into();
            let attention = Attention::daily(format!("secret {id} {}", at.0), weight, title, text, fix);
            let attention = attention.about(About::ClientSecret);
            found.push(attention.stepped(if expired { 0 } else { step }));
        }
        Ok(())
    }

    pub(super) fn about_connections(&self, found: &mut Vec<Attention>) -> Result<(), Error> {
        let connections = self.connections.list()?;
        let alike = |state| connections.iter().filter(|connection| connection.state == state).count();
        let (ended, failing) = (alike(ConnectionState::NeedsSignIn), alike(ConnectionState::Failing));
        for (count, id, title) in [
            (ended, "connections ended", format!("{ended} accounts have to sign in again")),
            (failing, "connections failing", format!("The connections of {failing} accounts fail")),
        ] {
            if count > MOST_ALIKE {
                let text = "Agents get nothing through them.".into();
                let alike = Attention::daily(id.into(), Weight::Urgent, title, text, Fix::ShowTools);
                found.push(alike.about(About::Connection));
            }
        }
        for connection in connections {
            let many = match connection.state {
                ConnectionState::Connected => false,
                ConnectionState::NeedsSignIn => ended > MOST_ALIKE,
                ConnectionState::Failing => failing > MOST_ALIKE,
            };
            if many {
                continue;
            }
            let (id, account) = (connection.id.as_str(), &connection.account);
            let why = connection.problem.clone().unwrap_or_default();
            let (title, fix) = match connection.state {
                ConnectionState::Connected => continue,
                ConnectionState::NeedsSignIn => {
                    (format!("{account} has to sign in again"), Fix::SignInAgain { id: connection.id.clone() })
                }
                ConnectionState::Failing => (format!("The connection of {account} fails"), Fix::ShowTools),
            };
            let attention = Attention::daily(format!("connection {id}"), Weight::Urgent, title, why, fix);
            found.push(attention.about(About::Connection));
        }
        Ok(())
    }

    pub(super) fn about_approvals(&self, found: &mut Vec<Attention>) -> Result<(), Error> {
        let waiting = self.approvals.waiting()?;
        let Some(newest) = waiting.last() else { return Ok(()) };
        let title = match waiting.len() {
            1 => format!("{} waits for your answer", newest.program),
            many => format!("{many} acts of agents wait for your answer"),
        };
        let text =
            format!("It wants to use {} as {}. Nothing is done before you allow it.", newest.tool, newest.account);
        let asked = Attention::daily("approvals".into(), Weight::Urgent, title, text, Fix::ShowApprovals);
        // However many come, a person is told once in a while.
        found.push(asked.harms(Harm::AgentWaits).every(PAUSE_OF_QUESTIONS));
        Ok(())
    }

    pub(super) fn about_bursts(&self, now: UnixMs, is_live: bool, found: &mut Vec<Attention>) -> Result<(), Error> {
        let since = Some(now.plus(-BURST_SHOWN));
        let filter =
            ActivityFilter { kinds: vec![Kind::RefusalBurst, Kind::WasReset], since, ..ActivityFilter::default() };
        let advice = if is_live { "give it the live key" } else { "create a key and give it that" };
        let mut told: Vec<String> = Vec::new();
        for row in self.activity.page(&filter, None)?.rows {
            if row.kind == Kind::WasReset.as_str() {
                // The key that they sent is gone with everything else.
                break;
            }
            let program = row.detail["program"].as_str().unwrap_or_default().to_owned();
            if told.contains(&program) {
                continue;
            }
            let reason = row.detail["reason"].as_str().unwrap_or_default();
            found.push(Attention::daily(
                format!("burst {program}"),
                Weight::Warning,
                format!("Many calls of {program} were refused"),
                format!("{}. If it is an application of yours, {advice}.", refused_as(reason)),
                Fix::ShowUsage,
            ));
            told.push(program);
        }
        Ok(())
    }
}

/// The live key, or the one that was it last.
pub(super) fn newest(keys: &[KeyView]) -> Option<&KeyView> {
    keys.iter().find(|key| key.state.is_live()).or_else(|| keys.first())
}

pub(super) fn about_key(key: &KeyView, now: UnixMs) -> Option<Attention> {
    let name = &key.name;
    let id = &key.id.0;
    if key.state == KeyState::Expired {
        return Some(
            Attention::daily(
                format!("key expired {id}"),
                Weight::Urgent,
                format!("The key \u{201c}{name}\u{201d} has expired"),
                "Every application is refused. Create a new key and put it into each.".into(),
                Fix::CreateKey,
            )
            .harms(Harm::EverythingRefused)
            .stepped(0),
        );
    }
    if key.ended_at.is_some() && !key.ended_by_update {
        let title = "No key is live".into();
        let text = "Every application is refused. Create a key and put it into each.".into();
        let none = Attention::daily(format!("no key {id}"), Weight::Urgent, title, text, Fix::CreateKey);
        return Some(none.harms(Harm::EverythingRefused).stepped(0));
    }
    if key.ended_by_update {
        return Some(
            Attention::daily(
                format!("key outdated {id}"),
                Weight::Urgent,
                format!("The key \u{201c}{name}\u{201d} ended with the update"),
                "Keys have a new form that can\u{2019}t be guessed at. Create a new key and put it into each \
                 application; until then all of them are refused."
                    .into(),
                Fix::CreateKey,
            )
            .harms(Harm::EverythingRefused)
            .stepped(0),
        );
    }
    if let Some((days, step)) = key.expires_at.and_then(|at| days_left(at, now, KEY_NOTICES)) {
        return Some(
            Attention::daily(
                format!("key expires {id}"),
                Weight::Warning,
                format!("The key \u{201c}{name}\u{201d} expires {}", in_days(days)),
                "Create a new one and put it into your applications before that.".into(),
                Fix::CreateKey,
            )
            .harms(Harm::KeyEnds)
            .stepped(step),
        );
    }
    (now.0 - key.created_at.0 > OLD_KEY).then(|| {
        Attention::daily(
            format!("key old {id}"),
            Weight::Warning,
            format!("The key \u{201c}{name}\u{201d} is {} days old", (now.0 - key.created_at.0) / UnixMs::DAY),
            "The longer a key lives, the more places it may have leaked to. Create a new one.".into(),
            Fix::CreateKey,
        )
        .stepped(0)
    })
}

fn refused_as(reason: &str) -> &'static str {
    match ProblemCode::known(reason) {
        Some(ProblemCode::ReplacedKey) => "It sends a key that was replaced",
        Some(ProblemCode::RevokedKey) => "It sends a key that was revoked",
        Some(ProblemCode::ExpiredKey) => "It sends a key that has expired",
        Some(ProblemCode::MissingKey) => "It sends no key",
        Some(ProblemCode::MalformedAuthorization | ProblemCode::InvalidKey) => "It sends no key of this app",
        Some(ProblemCode::ForbiddenHost | ProblemCode::ForbiddenOrigin) => {
            "It looks like a web page that tries to reach this machine"
        }
        _ => "It did not get through",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_up_to_the_end_and_fall_under_one_notice() {
        let now = UnixMs(1_800_000_000_000);
        let left = |ms: i64| days_left(now.plus(ms), now, KEY_NOTICES);
        assert_eq!(left(8 * UnixMs::DAY), None);
        assert_eq!(left(7 * UnixMs::DAY - 1), Some((7, 7)));
        assert_eq!(left(3 * UnixMs::DAY - 1), Some((3, 3)));
        assert_eq!(left(UnixMs::DAY + 1), Some((2, 3)));
        assert_eq!(left(UnixMs::HOUR), Some((1, 1)));
    }
}
