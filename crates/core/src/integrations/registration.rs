//! What a sign-in needs to know of an integration.

use super::{IntegrationId, Redirect};
use crate::bound::Recipient;
use crate::connections::Toolkit;
use crate::port::Identity;
use crate::provider::{Authority, ClientId};

/// What a sign-in needs to know of an integration, custom or built-in.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub(crate) id: IntegrationId,
    pub(crate) client_id: ClientId,
    pub(crate) authority: Authority,
    pub(crate) scopes: Vec<String>,
    pub(crate) redirect: Redirect,
    pub(crate) has_secret: bool,
}

impl Registration {
    /// Of its scopes, those that a toolkit needs.
    pub(crate) fn scopes_for(&self, toolkit: Toolkit, identity: &dyn Identity) -> Vec<String> {
        identity.scopes_for(self.authority.provider(), &self.scopes, toolkit)
    }

    /// Whom its secrets may be sent to.
    pub(crate) fn recipient(&self) -> Recipient {
        Recipient::app(&self.authority, &self.client_id)
    }
}
