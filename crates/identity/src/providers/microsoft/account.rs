//! Who signed in: an account of Entra is its object in its directory, never its name, which may change.

use atthene_core::connections::Account;
use atthene_core::port::Expected;
use atthene_core::provider::Authority;
use secrecy::SecretString;
use serde::Deserialize;

use super::client::is_guid;
use crate::oauth::id_token::claims;

/// Entra's own claims.
#[derive(Deserialize)]
struct EntraClaims {
    /// The account's number in its directory.
    oid: Option<String>,
    /// The directory's number.
    tid: Option<String>,
}

/// Reads the account, or says what does not fit.
pub(crate) fn account(token: &SecretString, expected: &Expected<'_>) -> Result<Account, &'static str> {
    // `common` and `organizations` describe themselves with a template.
    let template = &expected.found.issuer;
    let issuer = |own: &EntraClaims| template.replace("{tenantid}", own.tid.as_deref().unwrap_or_default());
    let claims = claims(token, issuer, expected)?;
    if let Authority::Entra { tenant, .. } = &expected.found.authority
        && is_guid(tenant.as_str())
        && claims.added.tid.as_deref() != Some(tenant.as_str())
    {
        return Err("the account belongs to another tenant than the integration");
    }
    let label = claims.label();
    let EntraClaims { oid, tid } = claims.added;
    Ok(Account { id: oid.unwrap_or(claims.sub), directory: tid.unwrap_or(claims.iss), label })
}

#[cfg(test)]
mod tests {
    use super::*;
    use atthene_core::UnixMs;
    use atthene_core::provider::{Cloud, Discovery};
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::super::authority::{graph_url, tenant};
    use super::super::client::client_id;

    const CLIENT: &str = "11111111-2222-3333-4444-555555555555";
    const TENANT: &str = "99999999-2222-3333-4444-555555555555";
    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn check(named: &str, claims: serde_json::Value) -> Result<Account, &'static str> {
        let url = |path: &str| format!("https://login.microsoftonline.com/{path}").parse().expect("a URL");
        let issuer = if named == "common" { "{tenantid}" } else { TENANT };
        let authority = Authority::Entra { cloud: Cloud::Global, tenant: tenant(named).expect("a tenant") };
        let found = Discovery {
            authority,
            issuer: format!("https://login.microsoftonline.com/{issuer}/v2.0"),
            authorization_endpoint: url("authorize"),
            token_endpoint: url("token"),
            device_authorization_endpoint: None,
            names_issuer: false,
            posts_answers: false,
            graph: graph_url("https://graph.microsoft.com").expect("a URL"),
        };
        let client_id = client_id(CLIENT).expect("an ID");
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
                (account.id.as_str(), account.directory.as_str(), account.label.as_str()),
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
