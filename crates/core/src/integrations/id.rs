//! What names an integration.

use rand::RngExt;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use ts_rs::TS;

use crate::provider::Provider;

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
    pub(crate) fn generate(provider: Provider) -> Self {
        /// Without letters that are mistaken for digits.
        const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
        let mut random = rand::rng();
        let tail: String = (0..6).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])).collect();
        Self(format!("{}-{tail}", provider.as_str()).into())
    }

    /// One that was checked when it was written.
    pub fn from_row(text: String) -> Self {
        Self(text.into())
    }

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
        let tail = text
            .split_once('-')
            .filter(|(provider, _)| Provider::ALL.iter().any(|known| known.as_str() == *provider))
            .map(|(_, tail)| tail);
        let custom = tail.is_some_and(|tail| {
            tail.len() == 6 && tail.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        });
        if custom || text == Self::BUILT_IN { Ok(Self(text.into())) } else { Err("this is no integration's id") }
    }
}
