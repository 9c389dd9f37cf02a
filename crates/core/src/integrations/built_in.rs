//! The built-in integration: a public client whose ID comes with the build or from the
//! machine's policy. It can't be edited or deleted, only hidden by policy.

use super::{Health, IntegrationId, IntegrationView, Redirect, Registration, StoredSecret};
use crate::policy::MicrosoftPolicy;
use crate::port::{BuiltInApp, Identity};
use crate::provider::Provider;

/// Set when the app is built.
const OF_BUILD: Option<&str> = option_env!("ATTHENE_MICROSOFT_CLIENT_ID");

const NAME: &str = "Built-in";

/// The built-in integration of this build on this machine.
#[derive(Debug, Clone)]
pub(super) struct BuiltIn(BuiltInApp);

impl BuiltIn {
    /// `None`: hidden by policy.
    pub(super) fn new(policy: &MicrosoftPolicy, identity: &dyn Identity) -> Option<Self> {
        if policy.hide_built_in {
            return None;
        }
        let client_id = policy.client_id.as_deref().or(OF_BUILD);
        identity.built_in(Provider::Microsoft, client_id, policy.tenant.as_deref()).map(Self)
    }

    pub(super) fn provider(&self) -> Provider {
        self.0.authority.provider()
    }

    /// Whether it can be used at all.
    pub(super) fn has_client_id(&self) -> bool {
        self.0.client_id.is_some()
    }

    /// `None`: it has no client ID.
    pub(super) fn registration(&self) -> Option<Registration> {
        Some(Registration {
            id: IntegrationId::built_in(),
            client_id: self.0.client_id.clone()?,
            authority: self.0.authority.clone(),
            scopes: self.0.scopes.clone(),
            redirect: Redirect::Loopback,
            has_secret: false,
        })
    }

    pub(super) fn view(&self, is_default: bool) -> IntegrationView {
        let id = IntegrationId::built_in();
        let redirect = Redirect::Loopback;
        IntegrationView {
            name: NAME.to_owned(),
            client_id: self.0.client_id.as_ref().map(|id| id.as_str().to_owned()),
            authority: self.0.authority.label(),
            scopes: self.0.scopes.clone(),
            redirect_uri: redirect.redirect_uri(&id),
            platform: redirect.platform(false),
            redirect,
            secret: StoredSecret::None,
            secret_expires_at: None,
            // One without a client ID can't be pre-selected.
            is_default: is_default && self.0.client_id.is_some(),
            health: if self.0.client_id.is_some() { Health::Unchecked } else { Health::NotSetUp },
            check: None,
            id,
        }
    }
}
