//! Why a call was refused: the ladder that every call climbs, up to the rung that broke.

use std::cmp::Ordering;

use serde::Serialize;
use ts_rs::TS;

use super::TroubledCall;
use crate::clock::UnixMs;
use crate::error::Error;
use crate::keys::{KeyState, KeyView};
use crate::problem::{CallCheck, ProblemCode};
use crate::use_cases::Core;

/// How far the call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum RungState {
    Passed,
    Failed,
    /// The call did not come this far.
    NotReached,
}

/// One thing that every call has to pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct Rung {
    pub name: &'static str,
    pub state: RungState,
    /// What was found, where that says more; with [`Self::at`] it wants "on" and the day.
    pub found: Option<String>,
    /// When that came about.
    pub at: Option<UnixMs>,
}

/// The whole ladder of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct Explanation {
    pub call: TroubledCall,
    /// In the order in which they are looked at.
    pub rungs: Vec<Rung>,
    pub remedy: String,
}

impl Core {
    /// The latest calls that were refused or failed, the newest first. Blocks on SQLite.
    pub fn troubled_calls(&self, most: u32) -> Result<Vec<TroubledCall>, Error> {
        Ok(self.store.troubled_calls(most)?)
    }

    /// Why the call of this request id was refused or failed. Blocks on SQLite.
    pub fn explain(&self, request_id: &str) -> Result<Explanation, Error> {
        let call = self.store.troubled_call(request_id.trim())?;
        let call = call.ok_or(Error::UnknownRequest)?;
        let problem = ProblemCode::known(&call.code);
        let failed = call.check.or(problem.map(ProblemCode::check)).unwrap_or(CallCheck::Answer);
        let key = match &call.key_id {
            Some(id) => self.store.key(id)?,
            None => None,
        };
        let key = key.map(|key| key.view(self.clock.now()));
        let rungs = CallCheck::ALL.into_iter().map(|check| {
            let state = match check.cmp(&failed) {
                // What asks for no key (an unknown path, say) came by these.
                Ordering::Less if failed == CallCheck::Answer && key.is_none() && check.is_of_the_key() => {
                    RungState::NotReached
                }
                Ordering::Less => RungState::Passed,
                Ordering::Equal => RungState::Failed,
                Ordering::Greater => RungState::NotReached,
            };
            let found = match (check, &key) {
                (CallCheck::MadeHere, Some(key)) if failed > check => Some((format!("It is {:?}.", key.name), None)),
                (CallCheck::Live, Some(key)) if failed == check => ended(key).map(|(how, at)| (how, Some(at))),
                _ => None,
            };
            let (found, at) = match found {
                Some((found, at)) => (Some(found), at),
                None => ((check == failed).then(|| call.detail.clone()), None),
            };
            let name = if state == RungState::Failed { check.failed_name() } else { check.name() };
            Rung { name, state, found, at }
        });
        let rungs = rungs.collect();
        let remedy = problem.map_or("The detail above is what the application was told.", ProblemCode::remedy);
        Ok(Explanation { rungs, remedy: remedy.to_owned(), call })
    }
}

/// How a key ended, in words, and when.
fn ended(key: &KeyView) -> Option<(String, UnixMs)> {
    let how = match key.state {
        KeyState::Expired => "expired",
        KeyState::Replaced => "was replaced",
        KeyState::Revoked => "was revoked",
        KeyState::Active | KeyState::Expiring => return None,
    };
    let at = key.ended_at.or(key.expires_at)?;
    Some((format!("{:?} {how}", key.name), at))
}
