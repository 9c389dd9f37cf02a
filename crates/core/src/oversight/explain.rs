//! Why a call was refused: the ladder that every call climbs, up to the rung that broke.

use serde::Serialize;
use ts_rs::TS;

use super::TroubledCall;
use crate::error::Error;
use crate::keys::KeyState;
use crate::use_cases::Core;

/// How far the call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum RungState {
    /// This was fine.
    Passed,
    /// This was not.
    Failed,
    /// The call did not come this far.
    NotReached,
}

/// One thing that every call has to pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct Rung {
    /// What is looked at.
    pub name: &'static str,
    /// What came of it.
    pub state: RungState,
    /// What was found, where that says more.
    pub found: Option<String>,
}

/// The whole ladder of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct Explanation {
    /// The call.
    pub call: TroubledCall,
    /// In the order in which they are looked at.
    pub rungs: Vec<Rung>,
    /// What to do.
    pub remedy: String,
}

const RUNGS: [&str; 8] = [
    "The host is this machine",
    "The caller is a program, not a web page",
    "There is an Authorization header",
    "The header reads Bearer and one key",
    "The key has the right form",
    "The key was made here",
    "The key is live",
    "The call was answered",
];

/// The rung at which a call with this code ended.
fn broken_rung(code: &str, detail: &str) -> usize {
    match code {
        "forbidden_host" => 0,
        "forbidden_origin" => 1,
        "missing_key" => 2,
        "malformed_authorization" => 3,
        "invalid_key" if detail.starts_with("No such key") => 5,
        "invalid_key" => 4,
        "expired_key" | "replaced_key" | "revoked_key" => 6,
        _ => 7,
    }
}

/// The rungs that ask for the key: passed by a call that ended at the last one only where it
/// held a key. What asks for none (an unknown path, say) came by them.
const OF_THE_KEY: std::ops::RangeInclusive<usize> = 2..=6;

impl Core {
    /// The latest calls that were refused or failed, the newest first. Blocks on SQLite.
    pub fn troubled_calls(&self, most: u32) -> Result<Vec<TroubledCall>, Error> {
        Ok(self.store.troubled_calls(most)?)
    }

    /// Why the call of this request id was refused or failed. Blocks on SQLite.
    pub fn explain(&self, request_id: &str) -> Result<Explanation, Error> {
        let call = self.store.troubled_call(request_id.trim())?;
        let call = call.ok_or(Error::UnknownRequest)?;
        let broken = broken_rung(&call.code, &call.detail);
        let key = match &call.key_id {
            Some(id) => self.store.key(id)?,
            None => None,
        };
        let key = key.map(|key| key.view(self.clock.now()));
        let rungs = RUNGS.iter().enumerate().map(|(at, name)| {
            let state = match at.cmp(&broken) {
                std::cmp::Ordering::Less if broken == 7 && key.is_none() && OF_THE_KEY.contains(&at) => {
                    RungState::NotReached
                }
                std::cmp::Ordering::Less => RungState::Passed,
                std::cmp::Ordering::Equal => RungState::Failed,
                std::cmp::Ordering::Greater => RungState::NotReached,
            };
            let of_key = key.as_ref().filter(|_| at == 5 && broken > 5).map(|key| format!("It is {:?}.", key.name));
            let ended = key.as_ref().filter(|_| at == 6 && broken == 6).and_then(|key| {
                let how = match key.state {
                    KeyState::Expired => "expired",
                    KeyState::Replaced => "was replaced",
                    KeyState::Revoked => "was revoked",
                    KeyState::Active | KeyState::Expiring => return None,
                };
                let at = key.ended_at.or(key.expires_at)?;
                Some(format!("{:?} {how} on {}.", key.name, at.day()))
            });
            let found = of_key.or(ended).or_else(|| (at == broken).then(|| call.detail.clone()));
            Rung { name, state, found }
        });
        let rungs = rungs.collect();
        Ok(Explanation { rungs, remedy: remedy(&call.code).to_owned(), call })
    }
}

fn remedy(code: &str) -> &'static str {
    match code {
        "forbidden_host" => {
            "Call 127.0.0.1 or localhost. For another name, put a reverse proxy in front that sets the Host header."
        }
        "forbidden_origin" => {
            "If you did not expect this, a web page tried to reach your agents, and was kept out. Call from a server \
             or a script instead."
        }
        "missing_key" | "malformed_authorization" => "Let the application send the header Authorization: Bearer KEY.",
        "invalid_key" => {
            "Look into the settings of this application: it holds a mistyped key, or one of another machine. Create a \
             new key if the right one is lost."
        }
        "expired_key" | "replaced_key" | "revoked_key" => "Put the live key into this application, and restart it.",
        "stopped" => "Let the gateway go on: in the tray, or on the page Preferences.",
        "no_agent_runtime" | "runtime_unreachable" | "runtime_timeout" | "credential_unavailable" => {
            "Look at the agent runtime on the page Preferences, and test it there."
        }
        "needs_sign_in" | "connection_failing" | "connection_not_found" | "connection_waiting" => {
            "Look at the connection on the page Tools."
        }
        "body_too_large" => "Send less, or raise the limit on the page Preferences.",
        _ => "The detail above is what the application was told.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_breaks_its_own_rung() {
        for (code, detail, rung) in [
            ("forbidden_host", "", 0),
            ("missing_key", "", 2),
            ("invalid_key", "The key was mistyped or cut", 4),
            ("invalid_key", "No such key here.", 5),
            ("replaced_key", "", 6),
            ("runtime_unreachable", "", 7),
        ] {
            assert_eq!(broken_rung(code, detail), rung, "{code}");
        }
    }
}
