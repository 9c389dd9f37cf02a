//! Integrations: OAuth app registrations through which people sign in.

mod built_in;
mod draft;
mod preflight;
mod registry;
mod way_back;

pub use draft::{AuthorityDraft, Draft, DraftReport, Field, FieldProblem, WayBackDraft};
pub use preflight::{Step, StepReport, StepState};
pub use registry::Integrations;
pub(crate) use registry::{MOVED, Shared};
pub use way_back::{Platform, WayBack, deep_link};

use rand::RngExt;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use ts_rs::TS;

use crate::bound::Recipient;
use crate::clock::UnixMs;
use crate::microsoft::{Authority, ClientId};

/// The one provider so far, as it stands in the rows.
pub const PROVIDER: &str = "microsoft";

/// A short name that never changes: it is part of the registered redirect URI.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, TS)]
#[ts(export)]
pub struct IntegrationId(Box<str>);

impl<'de> Deserialize<'de> for IntegrationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

impl IntegrationId {
    const BUILT_IN: &'static str = "built-in";

    /// The built-in integration.
    pub fn built_in() -> Self {
        Self(Self::BUILT_IN.into())
    }

    /// Whether it is the built-in integration.
    pub fn is_built_in(&self) -> bool {
        &*self.0 == Self::BUILT_IN
    }

    /// A new one. Told apart, not secret.
    pub(crate) fn generate() -> Self {
        /// Without letters that are mistaken for digits.
        const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
        let mut random = rand::rng();
        let tail: String = (0..6).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])).collect();
        Self(format!("{PROVIDER}-{tail}").into())
    }

    /// One that was checked when it was written.
    pub fn from_row(text: String) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The keychain entry of its client secret, in words for the keychain's own window.
    pub(crate) fn secret_entry(&self) -> String {
        format!("Client secret of {}", self.0)
    }
}

impl TryFrom<String> for IntegrationId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let tail = text.strip_prefix(PROVIDER).and_then(|rest| rest.strip_prefix('-'));
        let custom = tail.is_some_and(|tail| {
            tail.len() == 6 && tail.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        });
        if custom || text == Self::BUILT_IN { Ok(Self(text.into())) } else { Err("this is no integration's id") }
    }
}

/// What is known of the client secret. The secret itself lies in the keychain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum StoredSecret {
    /// There is none: a public client.
    None,
    /// It lies in the keychain.
    Stored,
    /// It should lie there, but was gone when it was looked for.
    Missing,
}

impl StoredSecret {
    /// The word in the rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Stored => "stored",
            Self::Missing => "missing",
        }
    }

    /// What a word of a row stands for.
    pub fn known(text: &str) -> Option<Self> {
        [Self::None, Self::Stored, Self::Missing].into_iter().find(|secret| secret.as_str() == text)
    }

    fn is_expected(self) -> bool {
        self != Self::None
    }
}

/// How the latest preflight ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct Check {
    /// When it ended.
    pub at: UnixMs,
    /// The sentence of the step that failed; `None`: all passed.
    pub problem: Option<String>,
}

/// One custom app registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integration {
    /// Its short name.
    pub id: IntegrationId,
    /// What people call it.
    pub name: String,
    /// The Application (client) ID.
    pub client_id: ClientId,
    /// Who signs people in.
    pub authority: Authority,
    /// What is asked for, besides the automatic scopes.
    pub scopes: Vec<String>,
    /// How the answer comes back.
    pub way_back: WayBack,
    /// What is known of its client secret.
    pub secret: StoredSecret,
    /// When the secret expires, where the admin said so.
    pub secret_expires_at: Option<UnixMs>,
    /// When it was added.
    pub created_at: UnixMs,
    /// How the latest preflight ended.
    pub check: Option<Check>,
}

/// What a sign-in needs to know of an integration, custom or built-in.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub(crate) id: IntegrationId,
    pub(crate) client_id: ClientId,
    pub(crate) authority: Authority,
    pub(crate) scopes: Vec<String>,
    pub(crate) way_back: WayBack,
    pub(crate) has_secret: bool,
}

impl Registration {
    /// Whom its secrets may be sent to.
    pub(crate) fn recipient(&self) -> Recipient {
        Recipient::app(&self.authority, &self.client_id)
    }
}

/// Whether an integration can be expected to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Health {
    /// The built-in one has no client ID in this build and on this machine.
    NotSetUp,
    /// The client secret is gone from the keychain.
    SecretMissing,
    /// The client secret's day has come.
    SecretExpired,
    /// The latest preflight failed.
    CheckFailed,
    /// The client secret expires within 30 days.
    SecretExpiring,
    /// The latest preflight passed.
    Passed,
    /// No preflight has been run since it was last changed.
    Unchecked,
}

/// From how many days before its end a secret counts as expiring.
const EXPIRING_DAYS: i64 = 30;

/// An integration as the faces show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct IntegrationView {
    /// Its short name.
    pub id: IntegrationId,
    /// What people call it.
    pub name: String,
    /// The Application (client) ID; `None` where the built-in one has none.
    pub client_id: Option<String>,
    /// Who signs people in, without the scheme.
    pub authority: String,
    /// What is asked for, besides the automatic scopes.
    pub scopes: Vec<String>,
    /// How the answer comes back.
    pub way_back: WayBack,
    /// The URI to register.
    pub redirect_uri: String,
    /// Where to register it.
    pub platform: Platform,
    /// What is known of the client secret.
    pub secret: StoredSecret,
    /// When the secret expires, where the admin said so.
    pub secret_expires_at: Option<UnixMs>,
    /// Whether it is pre-selected when a connection is made.
    pub is_default: bool,
    /// Whether it can be expected to work.
    pub health: Health,
    /// How the latest preflight ended.
    pub check: Option<Check>,
}

impl Integration {
    /// Whom its secrets may be sent to.
    pub fn recipient(&self) -> Recipient {
        Recipient::app(&self.authority, &self.client_id)
    }

    fn health(&self, now: UnixMs) -> Health {
        let failed = self.check.as_ref().map(|check| check.problem.is_some());
        match (self.secret, self.secret_expires_at) {
            (StoredSecret::Missing, _) => Health::SecretMissing,
            (_, Some(at)) if at <= now => Health::SecretExpired,
            _ if failed == Some(true) => Health::CheckFailed,
            (_, Some(at)) if at <= now.plus(EXPIRING_DAYS * UnixMs::DAY) => Health::SecretExpiring,
            _ if failed == Some(false) => Health::Passed,
            _ => Health::Unchecked,
        }
    }

    fn view(&self, now: UnixMs, default: Option<&IntegrationId>) -> IntegrationView {
        IntegrationView {
            id: self.id.clone(),
            name: self.name.clone(),
            client_id: Some(self.client_id.as_str().to_owned()),
            authority: self.authority.label(),
            scopes: self.scopes.clone(),
            redirect_uri: self.way_back.redirect_uri(&self.id),
            platform: self.way_back.platform(self.secret.is_expected()),
            way_back: self.way_back.clone(),
            secret: self.secret,
            secret_expires_at: self.secret_expires_at,
            is_default: default == Some(&self.id),
            health: self.health(now),
            check: self.check.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_of_a_known_shape() {
        let id = IntegrationId::generate();
        assert_eq!(IntegrationId::try_from(id.as_str().to_owned()), Ok(id));
        for text in ["", "microsoft-", "microsoft-ABCDEF", "microsoft-abc/..", "google-abcdef", "built-in2"] {
            assert!(IntegrationId::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
