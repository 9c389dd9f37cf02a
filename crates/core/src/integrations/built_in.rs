//! The built-in integration: a public client whose ID comes with the build or from the
//! machine's policy. It can't be edited or deleted, only hidden by policy.

use super::{Health, IntegrationId, IntegrationView, Registration, StoredSecret, WayBack};
use crate::microsoft::{Authority, ClientId, Cloud, Tenant, graph_scopes};
use crate::policy::MicrosoftPolicy;

/// Set when the app is built.
const OF_BUILD: Option<&str> = option_env!("ATTHENE_MICROSOFT_CLIENT_ID");

const NAME: &str = "Built-in";

/// What an unset tenant stands for: any work, school or personal account.
const ANY_ACCOUNT: &str = "common";

/// The built-in integration of this build on this machine.
#[derive(Debug, Clone)]
pub(super) struct BuiltIn {
    pub(super) client_id: Option<ClientId>,
    pub(super) authority: Authority,
}

impl BuiltIn {
    /// `None`: hidden by policy.
    pub(super) fn new(policy: &MicrosoftPolicy) -> Option<Self> {
        if policy.hide_built_in {
            return None;
        }
        let client_id = policy.client_id.as_deref().or(OF_BUILD).and_then(|text| match ClientId::parse(text) {
            Ok(id) => Some(id),
            Err(problem) => {
                tracing::warn!("the built-in integration's client ID {problem}");
                None
            }
        });
        let tenant = Tenant::parse(policy.tenant.as_deref().unwrap_or(ANY_ACCOUNT));
        let tenant = tenant.or_else(|problem| {
            tracing::warn!("the built-in integration's tenant {problem}");
            Tenant::parse(ANY_ACCOUNT)
        });
        Some(Self { client_id, authority: Authority::Entra { cloud: Cloud::Global, tenant: tenant.ok()? } })
    }

    /// `None`: it has no client ID.
    pub(super) fn registration(&self) -> Option<Registration> {
        Some(Registration {
            id: IntegrationId::built_in(),
            client_id: self.client_id.clone()?,
            authority: self.authority.clone(),
            scopes: graph_scopes(),
            way_back: WayBack::Loopback,
            has_secret: false,
        })
    }

    pub(super) fn view(&self, is_default: bool) -> IntegrationView {
        let id = IntegrationId::built_in();
        let way_back = WayBack::Loopback;
        IntegrationView {
            name: NAME.to_owned(),
            client_id: self.client_id.as_ref().map(|id| id.as_str().to_owned()),
            authority: self.authority.label(),
            scopes: graph_scopes(),
            redirect_uri: way_back.redirect_uri(&id),
            platform: way_back.platform(false),
            way_back,
            secret: StoredSecret::None,
            secret_expires_at: None,
            // One without a client ID can't be pre-selected.
            is_default: is_default && self.client_id.is_some(),
            health: if self.client_id.is_some() { Health::Unchecked } else { Health::NotSetUp },
            check: None,
            id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "11111111-2222-3333-4444-555555555555";

    #[test]
    fn the_policy_sets_it_up_and_hides_it() {
        let policy =
            MicrosoftPolicy { client_id: Some(ID.into()), tenant: Some("contoso.com".into()), hide_built_in: false };
        let view = BuiltIn::new(&policy).expect("shown").view(true);
        assert_eq!(view.client_id.as_deref(), Some(ID));
        assert_eq!(view.authority, "login.microsoftonline.com/contoso.com");
        assert!(view.is_default && view.health == Health::Unchecked);
        assert!(BuiltIn::new(&MicrosoftPolicy { hide_built_in: true, ..policy }).is_none());
    }

    #[test]
    fn without_a_client_id_it_says_so_and_is_no_default() {
        if OF_BUILD.is_some() {
            return;
        }
        let view = BuiltIn::new(&MicrosoftPolicy::default()).expect("shown").view(true);
        assert!(!view.is_default && view.health == Health::NotSetUp);
    }
}
