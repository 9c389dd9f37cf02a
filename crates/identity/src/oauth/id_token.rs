//! Who signed in: the claims of the id token (OpenID Connect Core 1.0, 3.1.3.7). It came over
//! TLS from the token endpoint itself, so its signature proves nothing more (section 3.1.3.7,
//! item 6); what it says must still be for this client, this attempt and this issuer.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::lenient;
use atthene_core::names::is_misleading;
use atthene_core::port::Expected;

/// What an id token says, with the claims that a provider adds.
#[derive(Deserialize)]
pub(crate) struct Claims<Added> {
    pub(crate) iss: String,
    #[serde(deserialize_with = "lenient::texts")]
    aud: Vec<String>,
    /// Whom it was issued to, where it is for several (OpenID Connect Core 1.0, 2).
    #[serde(default, deserialize_with = "lenient::text")]
    azp: Option<String>,
    #[serde(default, deserialize_with = "lenient::number")]
    exp: Option<u64>,
    nonce: Option<String>,
    pub(crate) sub: String,
    preferred_username: Option<String>,
    email: Option<String>,
    name: Option<String>,
    #[serde(flatten)]
    pub(crate) added: Added,
}

/// Clocks differ a little.
const SKEW: i64 = 5 * 60 * 1000;

/// Reads the claims of a token of this issuer, or says what does not fit.
pub(crate) fn claims<Added: DeserializeOwned>(
    token: &SecretString,
    issuer: impl FnOnce(&Added) -> String,
    expected: &Expected<'_>,
) -> Result<Claims<Added>, &'static str> {
    let payload = token.expose_secret().split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Claims<Added> =
        payload.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or("the id token can't be read")?;
    if claims.iss != issuer(&claims.added) {
        return Err("the id token comes from another issuer");
    }
    let ours = expected.client_id.as_str();
    // Among several that it is for, the one that asked is named (section 3.1.3.7, items 3 to 5).
    let is_for_us = claims.aud.iter().any(|audience| audience == ours)
        && claims.azp.as_deref().map_or(claims.aud.len() == 1, |issued_to| issued_to == ours);
    if !is_for_us {
        return Err("the id token was made for another app");
    }
    let exp = i64::try_from(claims.exp.ok_or("the id token can't be read")?).unwrap_or(i64::MAX);
    if exp.saturating_mul(1000).saturating_add(SKEW) < expected.now.0 {
        return Err("the id token has expired; compare this computer's clock");
    }
    if expected.nonce.is_some() && claims.nonce.as_deref() != expected.nonce {
        return Err("the id token belongs to another attempt");
    }
    Ok(claims)
}

impl<Added> Claims<Added> {
    /// How people recognise the account.
    pub(crate) fn label(&self) -> String {
        const LONGEST: usize = 200;
        let named = [&self.preferred_username, &self.email, &self.name];
        let named = named.into_iter().flatten().find(|text| !text.is_empty());
        named.unwrap_or(&self.sub).chars().filter(|c| !is_misleading(*c)).take(LONGEST).collect()
    }
}
