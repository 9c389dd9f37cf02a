//! Who signs people in: a tenant in one of Microsoft's clouds, or an authority that speaks
//! the same protocol elsewhere.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::Cloud;

/// A tenant of Entra, as an admin names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tenant(String);

const ORGANIZATIONS: &str = "organizations";
const COMMON: &str = "common";
/// Personal accounts: the directory that holds all of them goes by this word, too.
const CONSUMERS: &str = "consumers";

impl Tenant {
    /// A GUID, a domain, `organizations`, `consumers` or `common`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim().to_ascii_lowercase();
        if text.is_empty() {
            return Err("is missing. Copy the Directory (tenant) ID from the app's Overview page in Azure");
        }
        let label = |part: &str| {
            (1..=63).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !part.starts_with('-')
                && !part.ends_with('-')
        };
        let domain = text.len() <= 253 && text.contains('.') && text.split('.').all(label);
        if super::client::is_guid(&text) || domain || [ORGANIZATIONS, CONSUMERS, COMMON].contains(&&*text) {
            return Ok(Self(text));
        }
        Err("is neither a tenant ID (a GUID), nor a domain such as contoso.com, nor organizations, consumers or common")
    }

    /// The text in the authority's path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names one directory, not many.
    pub fn is_one_directory(&self) -> bool {
        self.0 != COMMON && self.0 != ORGANIZATIONS
    }

    /// Whether it is the directory's own ID.
    pub(crate) fn is_id(&self) -> bool {
        super::client::is_guid(&self.0)
    }
}

/// The base address of Microsoft Graph, or of what stands in for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GraphUrl(String);

impl GraphUrl {
    /// https anywhere, http on loopback only; no path, query or user.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = checked_url(text)?;
        if url.path() != "/" {
            return Err("must be the address of a host, without a path");
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// Without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who signs people in for an integration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Authority {
    /// A tenant in one of Microsoft's clouds.
    Entra {
        /// The cloud.
        cloud: Cloud,
        /// The tenant.
        tenant: Tenant,
    },
    /// Another issuer that speaks OpenID Connect.
    Custom {
        /// Its issuer, without a slash at its end.
        issuer: String,
        /// Its Graph, where its discovery document names none.
        graph: Option<GraphUrl>,
    },
}

impl Authority {
    /// A custom authority from its issuer's address.
    pub fn custom(issuer: &str, graph: &str) -> Result<Self, CustomProblem> {
        let url = checked_url(issuer).map_err(CustomProblem::Issuer)?;
        let graph = Some(graph.trim()).filter(|graph| !graph.is_empty());
        let graph = graph.map(GraphUrl::parse).transpose().map_err(CustomProblem::Graph)?;
        Ok(Self::Custom { issuer: url.as_str().trim_end_matches('/').to_owned(), graph })
    }

    /// The issuer's address: the discovery document lies below it.
    pub fn issuer(&self) -> String {
        match self {
            Self::Entra { cloud, tenant } => format!("https://{}/{}/v2.0", cloud.login_host(), tenant.as_str()),
            Self::Custom { issuer, .. } => issuer.clone(),
        }
    }

    /// Where the discovery document lies (OpenID Connect Discovery 1.0, section 4).
    pub fn discovery_url(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.issuer())
    }

    /// How people recognise it.
    pub fn label(&self) -> String {
        match self {
            Self::Entra { cloud, tenant } => format!("{}/{}", cloud.login_host(), tenant.as_str()),
            Self::Custom { issuer, .. } => {
                issuer.split_once("://").map_or(issuer.as_str(), |(_, rest)| rest).to_owned()
            }
        }
    }

    /// The cloud, where it is one of Microsoft's.
    pub fn cloud(&self) -> Option<Cloud> {
        match self {
            Self::Entra { cloud, .. } => Some(*cloud),
            Self::Custom { .. } => None,
        }
    }

    /// The same for the one directory that an account belongs to. Tokens of personal accounts that signed in
    /// through `common` are renewed there only (AADSTS70000).
    #[must_use]
    pub(crate) fn pinned_to(&self, tid: &str) -> Self {
        match (self, Tenant::parse(tid)) {
            (Self::Entra { cloud, tenant }, Ok(pinned)) if !tenant.is_one_directory() && pinned.is_id() => {
                Self::Entra { cloud: *cloud, tenant: pinned }
            }
            _ => self.clone(),
        }
    }

    /// The link with which an administrator grants scopes to everyone in the directory.
    /// `common` names no directory, so the administrator's own is taken. Personal accounts have none.
    pub fn admin_consent_url(&self, client_id: &str, scopes: &[String], redirect_uri: &str) -> Option<String> {
        let Self::Entra { cloud, tenant } = self else { return None };
        if tenant.0 == CONSUMERS {
            return None;
        }
        let tenant = if tenant.is_one_directory() { tenant.as_str() } else { ORGANIZATIONS };
        let mut url = Url::parse(&format!("https://{}/{tenant}/v2.0/adminconsent", cloud.login_host())).ok()?;
        let prefix = format!("https://{}/", cloud.graph_host());
        let full: Vec<String> = scopes.iter().map(|scope| format!("{prefix}{scope}")).collect();
        url.query_pairs_mut()
            .append_pair("client_id", client_id)
            .append_pair("scope", &full.join(" "))
            .append_pair("redirect_uri", redirect_uri);
        Some(url.into())
    }
}

/// Which part of a custom authority is wrong, and what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomProblem {
    /// The issuer.
    Issuer(&'static str),
    /// The Graph address.
    Graph(&'static str),
}

fn checked_url(text: &str) -> Result<Url, &'static str> {
    let Ok(url) = Url::parse(text.trim()) else {
        return Err("must be a full address, such as https://login.example.com/tenant/v2.0");
    };
    if !is_safe(&url) {
        return Err("must start with https:// (http:// is accepted on this machine only)");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or fragment");
    }
    Ok(url)
}

/// https anywhere, http only to this machine.
pub(crate) fn is_safe(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(url),
        _ => false,
    }
}

/// Whether the address is on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_an_id_a_domain_or_one_of_three_words() {
        for text in [
            "9188040d-6c67-4c5b-b112-36a304b66dad",
            " Contoso.onmicrosoft.com ",
            "contoso.com",
            "common",
            "Organizations",
            "consumers",
        ] {
            assert!(Tenant::parse(text).is_ok(), "{text}");
        }
        for text in ["", "contoso", "consumer", "a b.com", "contoso.com/evil", "-a.com", "a..b", "common.", "x?y.com"] {
            assert!(Tenant::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_names_many_directories_is_renewed_at_the_accounts_own() {
        const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
        let of = |tenant| Authority::Entra { cloud: Cloud::Global, tenant: Tenant::parse(tenant).expect("a tenant") };
        for many in ["common", "organizations"] {
            assert_eq!(of(many).pinned_to(PERSONAL), of(PERSONAL), "{many}");
            assert_eq!(of(many).pinned_to("evil.example"), of(many), "only an id is believed");
        }
        for one in ["consumers", "contoso.com", "11111111-2222-3333-4444-555555555555"] {
            assert_eq!(of(one).pinned_to(PERSONAL), of(one), "{one}");
        }
        let consumers = of("consumers");
        assert_eq!(consumers.issuer(), "https://login.microsoftonline.com/consumers/v2.0");
        assert_eq!(consumers.admin_consent_url("id", &["Mail.Read".into()], "http://localhost"), None);
    }

    #[test]
    fn a_custom_authority_is_https_or_on_this_machine() {
        for issuer in [
            "https://login.example.com/t/v2.0/",
            "http://localhost:4005/t/v2.0",
            "http://[::1]:9000",
            "http://127.0.0.1",
        ] {
            assert!(Authority::custom(issuer, "").is_ok(), "{issuer}");
        }
        for issuer in [
            "login.example.com",
            "http://login.example.com",
            "http://localhost.evil.example",
            "https://u:p@login.example.com",
            "https://login.example.com?x=1",
            "https://login.example.com/#f",
            "ftp://login.example.com",
            "file:///etc/passwd",
        ] {
            assert!(matches!(Authority::custom(issuer, ""), Err(CustomProblem::Issuer(_))), "{issuer}");
        }
        assert!(matches!(
            Authority::custom("https://a.example", "https://a.example/v1.0"),
            Err(CustomProblem::Graph(_))
        ));
    }

    #[test]
    fn consent_is_asked_for_exactly_these_scopes_in_one_directory() {
        let authority = Authority::Entra { cloud: Cloud::Global, tenant: Tenant::parse("common").expect("a tenant") };
        let link = authority.admin_consent_url("id", &["Mail.Read".into()], "http://localhost/oauth/x/callback");
        assert_eq!(
            link.as_deref(),
            Some(
                "https://login.microsoftonline.com/organizations/v2.0/adminconsent?client_id=id\
                 &scope=https%3A%2F%2Fgraph.microsoft.com%2FMail.Read\
                 &redirect_uri=http%3A%2F%2Flocalhost%2Foauth%2Fx%2Fcallback"
            )
        );
    }
}
