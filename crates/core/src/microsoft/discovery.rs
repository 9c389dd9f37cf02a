//! The authority's own description of itself (OpenID Connect Discovery 1.0), believed only
//! where it speaks of the authority that was asked.

use serde::Deserialize;
use url::{Origin, Url};

use super::authority::{Authority, GraphUrl, is_loopback, is_safe};
use super::failure::{AuthorityFailure, ErrorBody};
use crate::network::{Network, NetworkError};

/// What an authority says of itself, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// Who was asked.
    pub(crate) authority: Authority,
    /// The issuer that its tokens must name; for `common` and `organizations` a template
    /// with `{tenantid}`.
    pub issuer: String,
    /// Where people sign in.
    pub authorization_endpoint: Url,
    /// Where tokens are asked for.
    pub token_endpoint: Url,
    /// Where device codes are asked for.
    pub device_authorization_endpoint: Option<Url>,
    /// Whether every answer names its issuer (RFC 9207, 3).
    pub names_issuer: bool,
    /// Microsoft Graph for this authority.
    pub graph: GraphUrl,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    device_authorization_endpoint: Option<Url>,
    jwks_uri: Option<Url>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    msgraph_host: Option<String>,
}

/// Why an authority can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// No answer.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// It answered with an error of its own.
    #[error("{0}")]
    Refused(AuthorityFailure),
    /// What it answered is no discovery document.
    #[error("no discovery document lies at {0}: {1}")]
    NoDocument(String, String),
    /// It calls itself by another name.
    #[error("the authority calls itself {0:?}")]
    OtherIssuer(String),
    /// It sends the secret or the person elsewhere.
    #[error("its {endpoint} is at {at}, which is another host")]
    OtherHost {
        /// Which endpoint.
        endpoint: &'static str,
        /// Where it points.
        at: String,
    },
    /// The tenant belongs to another cloud.
    #[error("this tenant uses the Graph at {0}, which belongs to another cloud")]
    OtherCloud(String),
    /// Its Graph is named nowhere.
    #[error("the authority does not say where its Microsoft Graph is")]
    NoGraph,
}

impl Discovery {
    /// Reads and checks the document.
    pub async fn of(authority: &Authority, network: &Network) -> Result<Self, DiscoveryError> {
        let asked = authority.discovery_url();
        let answer = network.get(&asked).await?;
        if !answer.status().is_success() {
            return Err(match serde_json::from_slice::<ErrorBody>(answer.body()) {
                Ok(body) => DiscoveryError::Refused(body.failure()),
                Err(_) => DiscoveryError::NoDocument(asked, format!("it answered {}", answer.status())),
            });
        }
        let document: Document = serde_json::from_slice(answer.body())
            .map_err(|error| DiscoveryError::NoDocument(asked, error.to_string()))?;
        Self::checked(authority, document)
    }

    fn checked(authority: &Authority, document: Document) -> Result<Self, DiscoveryError> {
        let home = Url::parse(&authority.issuer())
            .map_err(|error| DiscoveryError::NoDocument(authority.issuer(), error.to_string()))?;
        if !names_itself(authority, &home, &document.issuer) {
            return Err(DiscoveryError::OtherIssuer(document.issuer));
        }
        let endpoints = [
            ("authorization endpoint", Some(&document.authorization_endpoint)),
            ("token endpoint", Some(&document.token_endpoint)),
            ("device endpoint", document.device_authorization_endpoint.as_ref()),
            ("key address", document.jwks_uri.as_ref()),
        ];
        for (endpoint, url) in endpoints {
            if let Some(url) = url.filter(|url| url.origin() != home.origin() || !is_safe(url)) {
                return Err(DiscoveryError::OtherHost { endpoint, at: origin(url) });
            }
        }
        Ok(Self {
            authority: authority.clone(),
            graph: graph(authority, &home, document.msgraph_host)?,
            names_issuer: document.authorization_response_iss_parameter_supported,
            issuer: document.issuer,
            authorization_endpoint: document.authorization_endpoint,
            token_endpoint: document.token_endpoint,
            device_authorization_endpoint: document.device_authorization_endpoint,
        })
    }

    /// The tenant's ID, where the issuer names one.
    pub fn tenant_id(&self) -> Option<String> {
        let url = Url::parse(&self.issuer).ok()?;
        let first = url.path_segments()?.next()?;
        super::client::is_guid(first).then(|| first.to_owned())
    }
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
                if tenant.is_id() {
                    named == tenant.as_str()
                } else {
                    named == "{tenantid}" || super::client::is_guid(named)
                }
            })
        }
    }
}

fn graph(authority: &Authority, home: &Url, named: Option<String>) -> Result<GraphUrl, DiscoveryError> {
    let scheme = if is_loopback(home) { "http" } else { "https" };
    let named = named.map(|host| {
        GraphUrl::parse(&format!("{scheme}://{host}"))
            .map_err(|_| DiscoveryError::OtherHost { endpoint: "Graph", at: host })
    });
    match authority {
        Authority::Entra { cloud, .. } => {
            let own =
                GraphUrl::parse(&format!("https://{}", cloud.graph_host())).map_err(|_| DiscoveryError::NoGraph)?;
            match named.transpose()? {
                Some(named) if named != own => Err(DiscoveryError::OtherCloud(named.as_str().to_owned())),
                _ => Ok(own),
            }
        }
        // What an admin typed counts more than what a document says.
        Authority::Custom { graph: Some(typed), .. } => Ok(typed.clone()),
        Authority::Custom { graph: None, .. } => named.ok_or(DiscoveryError::NoGraph)?,
    }
}

fn origin(url: &Url) -> String {
    match url.origin() {
        Origin::Opaque(_) => url.scheme().to_owned(),
        tuple @ Origin::Tuple(..) => tuple.ascii_serialization(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cloud, Tenant};
    use super::*;

    const TENANT: &str = "11111111-2222-3333-4444-555555555555";

    fn entra(tenant: &str) -> Authority {
        Authority::Entra { cloud: Cloud::Global, tenant: Tenant::parse(tenant).expect("a tenant") }
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

    fn check(authority: &Authority, document: serde_json::Value) -> Result<Discovery, DiscoveryError> {
        Discovery::checked(authority, serde_json::from_value(document).expect("a document"))
    }

    #[test]
    fn entra_is_believed_for_an_id_a_domain_and_common() {
        let found = check(&entra(TENANT), document(TENANT)).expect("fits");
        assert_eq!(found.graph.as_str(), "https://graph.microsoft.com");
        assert_eq!(found.tenant_id().as_deref(), Some(TENANT));
        assert!(check(&entra("contoso.com"), document(TENANT)).is_ok());
        let template = check(&entra("common"), document("{tenantid}")).expect("fits");
        assert_eq!(template.tenant_id(), None);
    }

    #[test]
    fn a_document_of_another_tenant_or_host_is_refused() {
        let other = "99999999-2222-3333-4444-555555555555";
        assert!(matches!(check(&entra(TENANT), document(other)), Err(DiscoveryError::OtherIssuer(_))));
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
        assert!(matches!(check(&entra(TENANT), moved), Err(DiscoveryError::OtherCloud(_))));
    }

    #[test]
    fn a_custom_issuer_is_the_text_that_was_typed() {
        let custom = |graph: &str| Authority::custom("https://id.example.com/t/v2.0", graph).expect("an authority");
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
        assert!(matches!(check(&custom(""), document("https://id.example.com/t/v2.0")), Err(DiscoveryError::NoGraph)));
        assert!(matches!(
            check(&custom(""), document("https://id.example.com/other/v2.0")),
            Err(DiscoveryError::OtherIssuer(_))
        ));
    }
}
