//! Who signs people in: a tenant in one of Microsoft's clouds, or an authority that speaks
//! the same protocol elsewhere.

use serde::{Deserialize, Serialize};

use super::Cloud;

/// A platform that people sign in at, with its API. A closed list: each has a folder in `crates/identity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Microsoft Entra, and Microsoft Graph.
    Microsoft,
}

impl Provider {
    /// Every provider.
    pub const ALL: &'static [Self] = &[Self::Microsoft];

    /// The word in the rows, and at the beginning of the ids of its integrations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Microsoft => "microsoft",
        }
    }
}

/// The ID of an app registration, in the provider's own spelling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(String);

impl ClientId {
    /// One that the provider's rules have passed.
    pub fn checked(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A tenant of Entra, as an admin names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tenant(String);

impl Tenant {
    /// One that the provider's rules have passed.
    pub fn checked(text: String) -> Self {
        Self(text)
    }

    /// The text in the authority's path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The base address of Microsoft Graph, or of what stands in for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GraphUrl(String);

impl GraphUrl {
    /// One that the provider's rules have passed: without a slash at its end.
    pub fn checked(text: String) -> Self {
        Self(text)
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
    Entra { cloud: Cloud, tenant: Tenant },
    /// Another issuer that speaks OpenID Connect.
    Custom {
        /// Its issuer, without a slash at its end.
        issuer: String,
        /// Its Graph, where its discovery document names none.
        graph: Option<GraphUrl>,
    },
}

impl Authority {
    /// Whose it is. Another issuer stands in for Entra.
    pub fn provider(&self) -> Provider {
        match self {
            Self::Entra { .. } | Self::Custom { .. } => Provider::Microsoft,
        }
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
}
