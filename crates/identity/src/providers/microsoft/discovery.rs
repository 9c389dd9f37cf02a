//! Whether an authority's description of itself is believed, and where its Graph is.

use atthene_core::address::is_loopback;
use atthene_core::port::Http;
use atthene_core::provider::{Authority, AuthorityFailure, Discovery, GraphUrl};
use serde::Deserialize;
use url::Url;

use super::authority::graph_url;
use super::client::is_guid;
use super::failure::EntraRefusal;
use super::help::Stage;
use super::hosts;
use crate::oauth::discovery::{self, DiscoveryError, Document};

/// What Entra's document says besides.
#[derive(Deserialize)]
pub(crate) struct EntraDocument {
    msgraph_host: Option<String>,
}

/// Why an authority can't be used, or its Graph can't.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error(transparent)]
    Authority(#[from] DiscoveryError),
    /// The tenant belongs to another cloud.
    #[error("this tenant uses the Graph at {0}, which belongs to another cloud")]
    OtherCloud(String),
    /// Its Graph is named nowhere.
    #[error("the authority does not say where its Microsoft Graph is")]
    NoGraph,
}

/// Reads and checks the document of an authority.
pub(super) async fn discover(authority: &Authority, http: &dyn Http) -> Result<Discovery, Unusable> {
    checked(authority, discovery::read(&authority.discovery_url(), http).await?)
}

pub(crate) fn checked(authority: &Authority, document: Document<EntraDocument>) -> Result<Discovery, Unusable> {
    let home = Url::parse(&authority.issuer())
        .map_err(|error| DiscoveryError::NoDocument(authority.issuer(), error.to_string()))?;
    if !names_itself(authority, &home, &document.issuer) {
        return Err(DiscoveryError::OtherIssuer(document.issuer).into());
    }
    document.stays_at(&home)?;
    Ok(Discovery {
        authority: authority.clone(),
        graph: graph(authority, &home, document.added.msgraph_host)?,
        posts_answers: document.response_modes_supported.iter().any(|mode| mode == "form_post"),
        names_issuer: document.authorization_response_iss_parameter_supported,
        issuer: document.issuer,
        authorization_endpoint: document.authorization_endpoint,
        token_endpoint: document.token_endpoint,
        device_authorization_endpoint: document.device_authorization_endpoint,
    })
}

/// The tenant's ID, where the issuer names one.
pub(super) fn tenant_id(found: &Discovery) -> Option<String> {
    let url = Url::parse(&found.issuer).ok()?;
    let first = url.path_segments()?.next()?;
    is_guid(first).then(|| first.to_owned())
}

/// In words that a person can act on.
pub(super) fn failure(error: &Unusable) -> AuthorityFailure {
    let fix = match error {
        Unusable::Authority(DiscoveryError::Network(error)) => return error.into(),
        Unusable::Authority(DiscoveryError::Refused(body)) => return body.failure(Stage::Check),
        Unusable::Authority(DiscoveryError::NoDocument(..)) => {
            "Check the address; a proxy or a login page in between looks like this, too."
        }
        Unusable::Authority(DiscoveryError::OtherIssuer(_)) => {
            "Type that name as the authority, if you trust it. Until then nothing is sent to it."
        }
        Unusable::Authority(DiscoveryError::OtherHost { .. }) => {
            "Ask whoever runs the authority. Until then nothing is sent to it."
        }
        Unusable::OtherCloud(_) => "Choose the cloud that this Graph belongs to.",
        Unusable::NoGraph => "Type the address of its Graph.",
    };
    AuthorityFailure::sentence(&error.to_string(), fix)
}

/// A custom issuer must be the very text that was typed (section 4.3). Entra answers for a
/// domain with the tenant's ID and for `common` with a template, so there the host must be
/// the same, and the tenant too where its ID was typed.
fn names_itself(authority: &Authority, home: &Url, issuer: &str) -> bool {
    match authority {
        Authority::Custom { issuer: typed, .. } => issuer.trim_end_matches('/') == typed,
        Authority::Entra { tenant, .. } => {
            let prefix = format!("{}/", home.origin().ascii_serialization());
            let path = issuer.strip_prefix(&prefix).and_then(|path| path.strip_suffix("/v2.0"));
            path.is_some_and(|named| {
                if is_guid(tenant.as_str()) {
                    named == tenant.as_str()
                } else {
                    named == "{tenantid}" || is_guid(named)
                }
            })
        }
    }
}

fn graph(authority: &Authority, home: &Url, named: Option<String>) -> Result<GraphUrl, Unusable> {
    let scheme = if is_loopback(home) { "http" } else { "https" };
    let named = named.map(|host| {
        graph_url(&format!("{scheme}://{host}")).map_err(|_| DiscoveryError::OtherHost { endpoint: "Graph", at: host })
    });
    match authority {
        Authority::Entra { cloud, .. } => {
            let own = graph_url(&format!("https://{}", hosts::graph(*cloud))).map_err(|_| Unusable::NoGraph)?;
            match named.transpose()? {
                Some(named) if named != own => Err(Unusable::OtherCloud(named.as_str().to_owned())),
                _ => Ok(own),
            }
        }
        // What an admin typed counts more than what a document says.
        Authority::Custom { graph: Some(typed), .. } => Ok(typed.clone()),
        Authority::Custom { graph: None, .. } => Ok(named.ok_or(Unusable::NoGraph)??),
    }
}

#[cfg(test)]
mod tests {
    use atthene_core::provider::Cloud;

    use super::*;

    const TENANT: &str = "11111111-2222-3333-4444-555555555555";

    fn entra(tenant: &str) -> Authority {
        Authority::Entra { cloud: Cloud::Global, tenant: super::super::authority::tenant(tenant).expect("a tenant") }
    }

    /// As recorded from Entra, shortened.
    fn document(tenant: &str) -> serde_json::Value {
        let base = format!("https://login.microsoftonline.com/{tenant}");
        serde_json::json!({
            "issuer": format!("{base}/v2.0"),
            "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{base}/oauth2/v2.0/token"),
            "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
            "jwks_uri": format!("{base}/discovery/v2.0/keys"),
            "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
            "msgraph_host": "graph.microsoft.com",
        })
    }

    fn check(authority: &Authority, document: serde_json::Value) -> Result<Discovery, Unusable> {
        checked(authority, serde_json::from_value(document).expect("a document"))
    }

    #[test]
    fn entra_is_believed_for_an_id_a_domain_and_common() {
        let found = check(&entra(TENANT), document(TENANT)).expect("fits");
        assert_eq!(found.graph.as_str(), "https://graph.microsoft.com");
        assert_eq!(tenant_id(&found).as_deref(), Some(TENANT));
        assert!(check(&entra("contoso.com"), document(TENANT)).is_ok());
        let template = check(&entra("common"), document("{tenantid}")).expect("fits");
        assert_eq!(tenant_id(&template), None);
    }

    #[test]
    fn a_document_of_another_tenant_or_host_is_refused() {
        let other = "99999999-2222-3333-4444-555555555555";
        assert!(matches!(
            check(&entra(TENANT), document(other)),
            Err(Unusable::Authority(DiscoveryError::OtherIssuer(_)))
        ));
        for (field, value) in [
            ("issuer", format!("https://login.evil.example/{TENANT}/v2.0")),
            ("issuer", format!("https://login.microsoftonline.com.evil.example/{TENANT}/v2.0")),
            ("authorization_endpoint", "https://evil.example/authorize".to_owned()),
            ("token_endpoint", "https://evil.example/token".to_owned()),
            ("token_endpoint", "http://login.microsoftonline.com/token".to_owned()),
            ("token_endpoint", "https://login.microsoftonline.com:8443/token".to_owned()),
            ("device_authorization_endpoint", "https://evil.example/devicecode".to_owned()),
            ("jwks_uri", "https://evil.example/keys".to_owned()),
            ("msgraph_host", "graph.evil.example".to_owned()),
            ("msgraph_host", "graph.microsoft.com@evil.example".to_owned()),
            ("msgraph_host", "graph.microsoft.com/evil".to_owned()),
        ] {
            let mut changed = document(TENANT);
            changed[field] = value.clone().into();
            assert!(check(&entra(TENANT), changed).is_err(), "{field} = {value}");
        }
    }

    #[test]
    fn a_tenant_of_another_cloud_is_named() {
        let mut moved = document(TENANT);
        moved["msgraph_host"] = "dod-graph.microsoft.us".into();
        assert!(matches!(check(&entra(TENANT), moved), Err(Unusable::OtherCloud(_))));
    }

    #[test]
    fn a_custom_issuer_is_the_text_that_was_typed() {
        let custom = |graph: &str| {
            super::super::authority::custom("https://id.example.com/t/v2.0", graph).expect("an authority")
        };
        let document = |issuer: &str| {
            serde_json::json!({
                "issuer": issuer,
                "authorization_endpoint": "https://id.example.com/a",
                "token_endpoint": "https://id.example.com/t",
            })
        };
        let found =
            check(&custom("https://graph.example.com"), document("https://id.example.com/t/v2.0")).expect("fits");
        assert_eq!(found.graph.as_str(), "https://graph.example.com");
        assert!(matches!(check(&custom(""), document("https://id.example.com/t/v2.0")), Err(Unusable::NoGraph)));
        assert!(matches!(
            check(&custom(""), document("https://id.example.com/other/v2.0")),
            Err(Unusable::Authority(DiscoveryError::OtherIssuer(_)))
        ));
    }
}
