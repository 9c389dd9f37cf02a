//! A refusal of an authority, as people read it.

use std::fmt;

use serde::Serialize;
use ts_rs::TS;

use crate::bound::Bound;
use crate::port::NetworkError;

/// A refusal, as people read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct AuthorityFailure {
    pub what: String,
    /// What to do about it.
    pub fix: String,
    /// Entra's number of the error.
    pub aadsts: Option<u32>,
    /// What Microsoft's support asks for.
    pub correlation_id: Option<String>,
    /// The authority's own words, cut.
    pub said: Option<String>,
    /// Whether it may pass by itself: nothing was learned about what was asked about.
    #[serde(skip)]
    pub may_pass: bool,
}

impl AuthorityFailure {
    /// A failure that the authority did not word itself.
    pub fn own(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into(), aadsts: None, correlation_id: None, said: None, may_pass: false }
    }

    /// The same of trouble that may pass by itself.
    #[must_use]
    pub fn passing(self) -> Self {
        Self { may_pass: true, ..self }
    }

    /// The same of an error that is worded as a part of a sentence.
    pub fn sentence(what: &str, fix: impl Into<String>) -> Self {
        Self::own(capitalised(what), fix)
    }

    /// Drops the authority's words where they repeat the secret: one that echoes what it got
    /// must not carry it into a window or a record.
    #[must_use]
    pub fn without(mut self, secret: &Bound) -> Self {
        if self.said.as_deref().is_some_and(|said| secret.is_in(said)) {
            self.said = None;
        }
        self
    }
}

impl fmt::Display for AuthorityFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.aadsts.map_or(Ok(()), |number| write!(f, " (AADSTS{number})"))
    }
}

impl From<&NetworkError> for AuthorityFailure {
    fn from(error: &NetworkError) -> Self {
        let fix = match error {
            NetworkError::Unreachable { .. } => "Check the network, and whether a proxy has to be set.",
            NetworkError::Timeout(_) => "Try again; if it stays, a firewall or proxy may hold the call back.",
            NetworkError::Certificate { .. } => {
                "Have your IT department install the certificate of the network's proxy in the system's store."
            }
            NetworkError::Redirect(_) => "Type the final address as the authority.",
            NetworkError::TooLarge { .. } => "Check the address; no authority answers that much.",
        };
        let may_pass = matches!(error, NetworkError::Unreachable { .. } | NetworkError::Timeout(_));
        Self { may_pass, ..Self::sentence(&error.to_string(), fix) }
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
