//! Integrations: OAuth app registrations through which people sign in.

mod authority_draft;
mod built_in;
mod draft;
mod field;
mod id;
mod put_back;
mod redirect;
mod registration;
mod registry;
mod step;

pub use authority_draft::AuthorityDraft;
pub use draft::{Draft, DraftReport, RedirectDraft};
pub use field::{Field, FieldProblem};
pub use id::IntegrationId;
pub use redirect::{Platform, Redirect, deep_link};
pub(crate) use registration::Registration;
pub use registry::Integrations;
pub(crate) use registry::{MOVED, ProfileParts};
pub use step::{Step, StepReport, StepState};

use serde::Serialize;
use ts_rs::TS;

use crate::bound::Recipient;
use crate::clock::UnixMs;
use crate::provider::{Authority, ClientId};

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

    /// Whether it should lie there.
    pub fn is_expected(self) -> bool {
        self != Self::None
    }
}

/// How the latest preflight ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct Check {
    pub at: UnixMs,
    /// The sentence of the step that failed; `None`: all passed.
    pub problem: Option<String>,
}

/// One custom app registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integration {
    pub id: IntegrationId,
    pub name: String,
    pub client_id: ClientId,
    pub authority: Authority,
    /// What is asked for, besides the automatic scopes.
    pub scopes: Vec<String>,
    /// How the answer comes back.
    pub redirect: Redirect,
    /// What is known of its client secret.
    pub secret: StoredSecret,
    /// When the secret expires, where the admin said so.
    pub secret_expires_at: Option<UnixMs>,
    pub created_at: UnixMs,
    /// How the latest preflight ended.
    pub check: Option<Check>,
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
    CheckFailed,
    /// The client secret expires within 30 days.
    SecretExpiring,
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
    pub id: IntegrationId,
    pub name: String,
    /// The Application (client) ID; `None` where the built-in one has none.
    pub client_id: Option<String>,
    /// Who signs people in, without the scheme.
    pub authority: String,
    /// What is asked for, besides the automatic scopes.
    pub scopes: Vec<String>,
    /// How the answer comes back.
    #[serde(rename = "way_back")]
    pub redirect: Redirect,
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

    fn view(&self, now: UnixMs, defaults: &[IntegrationId]) -> IntegrationView {
        IntegrationView {
            id: self.id.clone(),
            name: self.name.clone(),
            client_id: Some(self.client_id.as_str().to_owned()),
            authority: self.authority.label(),
            scopes: self.scopes.clone(),
            redirect_uri: self.redirect.redirect_uri(&self.id),
            platform: self.redirect.platform(self.secret.is_expected()),
            redirect: self.redirect.clone(),
            secret: self.secret,
            secret_expires_at: self.secret_expires_at,
            is_default: defaults.contains(&self.id),
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
        let id = IntegrationId::generate(crate::provider::Provider::Microsoft);
        assert_eq!(IntegrationId::try_from(id.as_str().to_owned()), Ok(id));
        for text in ["", "microsoft-", "microsoft-ABCDEF", "microsoft-abc/..", "google-abcdef", "built-in2"] {
            assert!(IntegrationId::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
