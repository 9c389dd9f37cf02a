//! What was typed about who signs people in.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::provider::{Authority, Cloud, Provider};

/// What was typed about the authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export)]
pub enum AuthorityDraft {
    /// A tenant in one of Microsoft's clouds.
    Entra { cloud: Cloud, tenant: String },
    /// Another authority.
    Custom {
        issuer: String,
        /// Its Graph, where it does not name one itself.
        graph: String,
    },
}

impl AuthorityDraft {
    pub(super) fn of(authority: &Authority) -> Self {
        match authority {
            Authority::Entra { cloud, tenant } => Self::Entra { cloud: *cloud, tenant: tenant.as_str().to_owned() },
            Authority::Custom { issuer, graph } => Self::Custom {
                issuer: issuer.clone(),
                graph: graph.as_ref().map(|graph| graph.as_str().to_owned()).unwrap_or_default(),
            },
        }
    }

    /// Whose it is.
    pub fn provider(&self) -> Provider {
        match self {
            Self::Entra { .. } | Self::Custom { .. } => Provider::Microsoft,
        }
    }
}
