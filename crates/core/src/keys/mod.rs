//! The one API key: its format, its hash, its life, and who may pass with it.

mod env_file;
mod hash;
mod lifecycle;
mod text;
mod verifier;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::clock::UnixMs;
use crate::error::Error;

pub use env_file::{EnvFileWritten, write_env_file};
pub use lifecycle::{Keys, PreparedKey};
pub use text::{KEY_LEN, KeyText, Malformed, PLACEHOLDER, parse};
pub use verifier::{Refusal, Verdict};

/// The public, stored name of a key: ten base62 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
pub struct KeyId(#[ts(type = "string")] pub Arc<str>);

/// How a key's life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    Expired,
    /// A newer key took its place.
    Replaced,
    Revoked,
}

impl Ending {
    /// The word in the rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Replaced => "replaced",
            Self::Revoked => "revoked",
        }
    }

    /// What a word of a row stands for.
    pub fn known(text: &str) -> Option<Self> {
        [Self::Expired, Self::Replaced, Self::Revoked].into_iter().find(|ending| ending.as_str() == text)
    }
}

/// What a key is at this moment, as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum KeyState {
    /// Opens the agent API.
    Active,
    /// Opens the agent API for seven days or less.
    Expiring,
    Expired,
    /// A newer key took its place.
    Replaced,
    Revoked,
}

impl KeyState {
    /// Whether the key opens the agent API.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Active | Self::Expiring)
    }
}

/// A key's row: everything but its text, which is nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its public name.
    pub id: KeyId,
    /// What the admin calls it.
    pub name: String,
    /// What else the admin wants to remember of it; empty: nothing.
    pub note: String,
    /// The argon2id PHC string of its text.
    pub hash: Arc<str>,
    /// The last four characters of its text.
    pub last_four: String,
    pub created_at: UnixMs,
    /// When it expires; `None`: never.
    pub expires_at: Option<UnixMs>,
    /// When and how it ended; `None` while it is live.
    pub ended: Option<(UnixMs, Ending)>,
    /// Whether an update of the app ended it: keys have another form since then.
    pub ended_by_update: bool,
    pub first_used: Option<Use>,
    pub last_used: Option<Use>,
    /// Answered calls in all.
    pub requests: u64,
}

/// What decides about a presented text, of one key's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedKey {
    pub id: KeyId,
    /// The argon2id PHC string of its text.
    pub hash: Arc<str>,
    /// When it expires; `None`: never.
    pub expires_at: Option<UnixMs>,
    /// How it ended; `None` while it is live.
    pub ending: Option<Ending>,
}

/// One call, as the list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Use {
    pub at: UnixMs,
    /// The calling program, as far as it could be told.
    pub by: String,
}

const EXPIRING_WITHIN: i64 = 7 * UnixMs::DAY;

impl KeyRecord {
    /// The state at the moment `now`.
    pub fn state(&self, now: UnixMs) -> KeyState {
        match (self.ended, self.expires_at) {
            (Some((_, Ending::Expired)), _) => KeyState::Expired,
            (Some((_, Ending::Replaced)), _) => KeyState::Replaced,
            (Some((_, Ending::Revoked)), _) => KeyState::Revoked,
            (None, Some(at)) if at <= now => KeyState::Expired,
            (None, Some(at)) if at.0 - now.0 <= EXPIRING_WITHIN => KeyState::Expiring,
            (None, _) => KeyState::Active,
        }
    }

    /// The row as it crosses to a window or a terminal, without its hash.
    pub fn view(&self, now: UnixMs) -> KeyView {
        KeyView {
            id: self.id.clone(),
            name: self.name.clone(),
            note: self.note.clone(),
            state: self.state(now),
            last_four: self.last_four.clone(),
            created_at: self.created_at,
            expires_at: self.expires_at,
            ended_at: self.ended.map(|(at, _)| at),
            ended_by_update: self.ended_by_update,
            first_used: self.first_used.clone(),
            last_used: self.last_used.clone(),
            requests: self.requests,
        }
    }
}

/// A key as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct KeyView {
    /// Its public name.
    pub id: KeyId,
    /// What the admin calls it.
    pub name: String,
    /// What else the admin wants to remember of it; empty: nothing.
    pub note: String,
    /// What it is now.
    pub state: KeyState,
    /// The last four characters of its text.
    pub last_four: String,
    pub created_at: UnixMs,
    /// When it expires; `None`: never.
    pub expires_at: Option<UnixMs>,
    /// When it ended; `None` while it is live.
    pub ended_at: Option<UnixMs>,
    /// Whether an update of the app ended it: keys have another form since then.
    pub ended_by_update: bool,
    pub first_used: Option<Use>,
    pub last_used: Option<Use>,
    /// Answered calls in all.
    #[ts(type = "number")]
    pub requests: u64,
}

/// What an admin asks for.
#[derive(Debug, Clone, Deserialize, TS)]
#[ts(export)]
pub struct NewKey {
    /// What the admin calls it.
    pub name: String,
    /// When it is to expire.
    pub expiry: Expiry,
    /// The live key that the admin was told will stop; `None` where there was none.
    /// Another one being live by now is refused: nobody was told about that one.
    pub replaces: Option<KeyId>,
}

/// Why an admin ends a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum RevokeReason {
    /// Somebody may have it who must not.
    Leaked,
    /// Nothing uses it any more.
    Unused,
    Other,
}

/// When a new key is to expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export)]
pub enum Expiry {
    /// This many days after its creation.
    Days {
        /// 1 to 1,826 (five years).
        days: u16,
    },
    /// At a chosen moment.
    At {
        at: UnixMs,
    },
    Never,
}

const LONGEST_DAYS: i64 = 5 * 365 + 1;

impl Expiry {
    /// The moment it stands for, when it is a sensible one.
    pub fn resolve(self, now: UnixMs) -> Result<Option<UnixMs>, Error> {
        let at = match self {
            Self::Never => return Ok(None),
            Self::Days { days } => now.plus(i64::from(days) * UnixMs::DAY),
            Self::At { at } => at,
        };
        if at <= now {
            return Err(Error::Expiry("lies in the past"));
        }
        if at > now.plus(LONGEST_DAYS * UnixMs::DAY) {
            return Err(Error::Expiry("is more than five years ahead"));
        }
        Ok(Some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_lies_between_now_and_five_years_ahead() {
        let now = UnixMs(1_800_000_000_000);
        let year_9999 = UnixMs(253_370_764_800_000);
        assert!(Expiry::At { at: now.plus(-1) }.resolve(now).is_err());
        assert!(Expiry::At { at: now }.resolve(now).is_err());
        assert!(Expiry::At { at: year_9999 }.resolve(now).is_err());
        assert!(Expiry::At { at: UnixMs(i64::MAX) }.resolve(now).is_err());
        assert!(Expiry::Days { days: 0 }.resolve(now).is_err());
        assert!(Expiry::Days { days: u16::MAX }.resolve(now).is_err());
        assert_eq!(Expiry::Days { days: 7 }.resolve(now).expect("fine"), Some(now.plus(7 * UnixMs::DAY)));
        assert_eq!(Expiry::Never.resolve(now).expect("fine"), None);
    }

    #[test]
    fn a_key_is_expiring_in_its_last_seven_days() {
        let now = UnixMs(1_800_000_000_000);
        let record = |left: i64| KeyRecord {
            id: KeyId("abcdefghij".into()),
            name: "CI".into(),
            note: String::new(),
            hash: "".into(),
            last_four: "wxyz".into(),
            created_at: now.plus(-UnixMs::DAY),
            expires_at: Some(now.plus(left)),
            ended: None,
            ended_by_update: false,
            first_used: None,
            last_used: None,
            requests: 0,
        };
        assert_eq!(record(7 * UnixMs::DAY + 1).state(now), KeyState::Active);
        assert_eq!(record(7 * UnixMs::DAY).state(now), KeyState::Expiring);
        assert_eq!(record(1).state(now), KeyState::Expiring);
        assert_eq!(record(0).state(now), KeyState::Expired);
    }
}
