//! What authorities write, for a fuzzer: read as it is read.

use atthene_core::UnixMs;
use atthene_core::port::Expected;
use atthene_core::provider::{Authority, Discovery};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;

use crate::oauth::discovery::Document;
use crate::oauth::token::{TokenBody, TokenSet};
use crate::oauth::{ErrorBody, device};
use crate::providers::microsoft::discovery::{EntraDocument, checked};
use crate::providers::microsoft::failure::EntraRefusal;
use crate::providers::microsoft::help::Stage;

const ISSUER: &str = "https://id.example";

fn authority() -> Authority {
    Authority::Custom { issuer: ISSUER.into(), graph: None }
}

/// A discovery document. One that is believed keeps every endpoint at its issuer.
pub fn document(bytes: &[u8]) {
    let Ok(document) = serde_json::from_slice::<Document<EntraDocument>>(bytes) else { return };
    let Ok(found) = checked(&authority(), document) else { return };
    for endpoint in [&found.authorization_endpoint, &found.token_endpoint] {
        assert_eq!(endpoint.origin().ascii_serialization(), ISSUER);
    }
}

/// An answer of a token endpoint, a refusal, a device code, or an id token.
pub fn token_answer(bytes: &[u8]) {
    if let Ok(body) = serde_json::from_slice::<TokenBody>(bytes) {
        let set = TokenSet::from(body);
        // An empty one would take the place of one that opens something.
        assert!(set.refresh.is_none_or(|token| !token.expose_secret().is_empty()));
    }
    if let Ok(body) = serde_json::from_slice::<ErrorBody>(bytes) {
        for stage in [Stage::SignIn, Stage::DeviceCode, Stage::Refresh, Stage::Check] {
            let failure = body.failure(stage);
            let said = failure.said.unwrap_or_default();
            assert!(!said.chars().any(atthene_core::names::is_misleading), "{said:?}");
        }
        let _ = (body.meaning(), body.claims());
    }
    device::fuzz(bytes);
    let Ok(client_id) = serde_json::from_str("\"11111111-2222-3333-4444-555555555555\"") else { return };
    let Ok(page) = url::Url::parse(ISSUER) else { return };
    let found = Discovery {
        authority: authority(),
        issuer: ISSUER.into(),
        authorization_endpoint: page.clone(),
        token_endpoint: page,
        device_authorization_endpoint: None,
        names_issuer: false,
        posts_answers: true,
        graph: match serde_json::from_str("\"https://graph.example\"") {
            Ok(graph) => graph,
            Err(_) => return,
        },
    };
    let token = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(bytes)).into();
    let expected = Expected { found: &found, client_id: &client_id, nonce: None, now: UnixMs(0) };
    let _ = crate::providers::microsoft::account(&token, &expected);
}
