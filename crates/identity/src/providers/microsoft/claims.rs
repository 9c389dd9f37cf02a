//! Continuous access evaluation: Graph may refuse a token before its time and say what the next
//! one must hold. The app declares that it understands this (`cp1`) and passes it on.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, header};
use serde_json::{Value, json};

use atthene_core::provider::Authority;

/// The claims that Graph asks for, as JSON, from a 401 with `insufficient_claims`.
pub(super) fn claims_challenge(headers: &HeaderMap) -> Option<String> {
    const LONGEST: usize = 8 * 1024;
    let challenges = headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let challenge = challenges.filter(|text| text.contains("insufficient_claims")).find_map(|text| {
        let (_, rest) = text.split_once("claims=\"")?;
        rest.split('"').next()
    })?;
    if challenge.len() > LONGEST {
        return None;
    }
    let bytes = STANDARD.decode(challenge).or_else(|_| URL_SAFE_NO_PAD.decode(challenge)).ok()?;
    let claims: Value = serde_json::from_slice(&bytes).ok()?;
    claims.is_object().then(|| claims.to_string())
}

/// What is sent as `claims`: the challenge, together with what the app can do. `None` for
/// authorities other than Entra, unless they asked for something.
pub(super) fn claims_parameter(authority: &Authority, challenge: Option<&str>) -> Option<String> {
    if authority.cloud().is_none() {
        return challenge.map(str::to_owned);
    }
    let mut claims: Value = challenge.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| json!({}));
    claims["access_token"]["xms_cc"] = json!({ "values": ["cp1"] });
    Some(claims.to_string())
}

#[cfg(test)]
mod tests {
    use atthene_core::provider::Cloud;

    use super::super::authority::{custom, tenant};
    use super::*;

    #[test]
    fn a_challenge_is_read_and_joined_with_what_the_app_can_do() {
        let asked = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;
        let mut headers = HeaderMap::new();
        let text = format!(
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
             error=\"insufficient_claims\", claims=\"{}\"",
            STANDARD.encode(asked)
        );
        headers.append(header::WWW_AUTHENTICATE, "Bearer realm=\"other\"".parse().expect("a value"));
        headers.append(header::WWW_AUTHENTICATE, text.parse().expect("a value"));
        let challenge = claims_challenge(&headers).expect("a challenge");
        assert_eq!(serde_json::from_str::<Value>(&challenge).ok(), serde_json::from_str(asked).ok());

        let entra = Authority::Entra { cloud: Cloud::Global, tenant: tenant("common").expect("a tenant") };
        let joined: Value =
            serde_json::from_str(&claims_parameter(&entra, Some(&challenge)).expect("some")).expect("JSON");
        assert_eq!(joined["access_token"]["nbf"]["value"], "1604106651");
        assert_eq!(joined["access_token"]["xms_cc"]["values"], json!(["cp1"]));
        let elsewhere = custom("https://id.example.com", "").expect("an authority");
        assert_eq!(claims_parameter(&elsewhere, None), None);
    }

    #[test]
    fn what_is_no_challenge_is_left_alone() {
        for text in [
            "Bearer error=\"invalid_token\"",
            "Bearer error=\"insufficient_claims\"",
            "Bearer error=\"insufficient_claims\", claims=\"%%%\"",
            "Bearer error=\"insufficient_claims\", claims=\"WzFd\"",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::WWW_AUTHENTICATE, text.parse().expect("a value"));
            assert_eq!(claims_challenge(&headers), None, "{text}");
        }
    }
}
