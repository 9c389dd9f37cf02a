//! Who signed in: the claims of the id token (OpenID Connect Core 1.0, 3.1.3.7). It came over
//! TLS from the token endpoint itself, so its signature proves nothing more (section 3.1.3.7,
//! item 6); what it says must still be for this client, this attempt and this tenant.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::Account;
use crate::clock::UnixMs;
use crate::keys::is_misleading;
use crate::microsoft::{Authority, ClientId, Discovery};

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    exp: i64,
    nonce: Option<String>,
    sub: String,
    oid: Option<String>,
    tid: Option<String>,
    preferred_username: Option<String>,
    email: Option<String>,
    name: Option<String>,
}

/// What the token has to fit.
pub(super) struct Expected<'a> {
    pub(super) found: &'a Discovery,
    pub(super) client_id: &'a ClientId,
    /// `None`: the flow has none.
    pub(super) nonce: Option<&'a str>,
    pub(super) now: UnixMs,
}

/// Clocks differ a little.
const SKEW: i64 = 5 * 60 * 1000;

/// Reads the account, or says what does not fit.
pub(super) fn account(token: &SecretString, expected: &Expected<'_>) -> Result<Account, &'static str> {
    let payload = token.expose_secret().split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Claims =
        payload.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or("the id token can't be read")?;
    // `common` and `organizations` describe themselves with a template.
    let issuer = expected.found.issuer.replace("{tenantid}", claims.tid.as_deref().unwrap_or_default());
    if claims.iss != issuer {
        return Err("the id token comes from another issuer");
    }
    if claims.aud != expected.client_id.as_str() {
        return Err("the id token was made for another app");
    }
    if claims.exp.saturating_mul(1000).saturating_add(SKEW) < expected.now.0 {
        return Err("the id token has expired; compare this computer's clock");
    }
    if expected.nonce.is_some() && claims.nonce.as_deref() != expected.nonce {
        return Err("the id token belongs to another attempt");
    }
    if let Authority::Entra { tenant, .. } = &expected.found.authority
        && tenant.is_id()
        && claims.tid.as_deref() != Some(tenant.as_str())
    {
        return Err("the account belongs to another tenant than the integration");
    }
    let label =
        [claims.preferred_username, claims.email, claims.name].into_iter().flatten().find(|text| !text.is_empty());
    let label: String =
        label.unwrap_or_else(|| claims.sub.clone()).chars().filter(|c| !is_misleading(*c)).take(200).collect();
    Ok(Account { oid: claims.oid.unwrap_or(claims.sub), tid: claims.tid.unwrap_or(claims.iss), label })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::microsoft::{Cloud, GraphUrl, Tenant};

    const CLIENT: &str = "11111111-2222-3333-4444-555555555555";
    const TENANT: &str = "99999999-2222-3333-4444-555555555555";
    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn check(tenant: &str, claims: serde_json::Value) -> Result<Account, &'static str> {
        let url = |path: &str| format!("https://login.microsoftonline.com/{path}").parse().expect("a URL");
        let named = if tenant == "common" { "{tenantid}" } else { TENANT };
        let authority = Authority::Entra { cloud: Cloud::Global, tenant: Tenant::parse(tenant).expect("a tenant") };
        let found = Discovery {
            authority,
            issuer: format!("https://login.microsoftonline.com/{named}/v2.0"),
            authorization_endpoint: url("authorize"),
            token_endpoint: url("token"),
            device_authorization_endpoint: None,
            names_issuer: false,
            graph: GraphUrl::parse("https://graph.microsoft.com").expect("a URL"),
        };
        let client_id = ClientId::parse(CLIENT).expect("an ID");
        let token = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let expected = Expected { found: &found, client_id: &client_id, nonce: Some("n"), now: NOW };
        account(&token.into(), &expected)
    }

    fn claims() -> serde_json::Value {
        serde_json::json!({
            "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"), "aud": CLIENT, "exp": 1_800_003_600,
            "nonce": "n", "sub": "s", "oid": "o", "tid": TENANT, "preferred_username": "ada@contoso.com",
        })
    }

    #[test]
    fn an_account_is_known_by_its_object_and_tenant() {
        for tenant in [TENANT, "contoso.com", "common"] {
            let account = check(tenant, claims()).expect("fits");
            assert_eq!(
                (account.oid.as_str(), account.tid.as_str(), account.label.as_str()),
                ("o", TENANT, "ada@contoso.com")
            );
        }
    }

    #[test]
    fn a_token_for_anything_else_is_refused() {
        for (claim, value) in [
            ("iss", "https://login.microsoftonline.com/other/v2.0".into()),
            ("aud", "other".into()),
            ("exp", 1_799_999_000.into()),
            ("nonce", "other".into()),
            ("nonce", serde_json::Value::Null),
            ("tid", "00000000-2222-3333-4444-555555555555".into()),
        ] {
            let mut changed = claims();
            changed[claim] = value;
            assert!(check(TENANT, changed).is_err(), "{claim}");
        }
    }
}
