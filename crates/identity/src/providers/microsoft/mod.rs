//! All that is particular to Microsoft: Entra's texts, endpoints, parameters, answers and numbers, and the scopes
//! of Graph.

mod account;
mod authority;
mod claims;
mod client;
pub(crate) mod discovery;
pub(crate) mod failure;
pub(crate) mod help;
mod hosts;
mod page;
mod pages;
mod preflight;
mod redirect;
mod scope_table;
mod scopes;
mod tokens;

use atthene_core::connections::{Account, Toolkit};
use atthene_core::integrations::AuthorityDraft;
use atthene_core::port::{BuiltInApp, Http};
use atthene_core::provider::{
    Authority, AuthorityFailure, Catalogue, ClientId, Cloud, Discovery, GraphUrl, ScopeToolkit,
};
use secrecy::SecretString;
use url::Url;

pub(crate) use account::account;
pub(super) use authority::{authority, consent_link};
pub(super) use client::client_id;
pub(super) use page::page;
pub(super) use preflight::run as preflight;
pub(super) use redirect::redirect;
pub(super) use scopes::{cleaned_scopes as scopes, note as scope_note};
pub(super) use tokens::{device_code, device_tokens, tokens};

use failure::EntraRefusal;

pub(super) fn claims_challenge(headers: &http::HeaderMap) -> Option<String> {
    claims::claims_challenge(headers)
}

pub(super) fn explain_code(typed: &str) -> AuthorityFailure {
    failure::explain_code(typed)
}

pub(super) fn catalogue() -> Catalogue {
    scopes::catalogue()
}

pub(super) fn own_page(link: &str) -> Option<Url> {
    pages::own_page(link)
}

pub(super) fn client_secret(typed: &SecretString) -> Result<SecretString, &'static str> {
    client::checked_secret(typed).map_err(client::SecretProblem::text)
}

pub(super) fn scopes_for(picked: &[String], toolkit: Toolkit) -> Vec<String> {
    let toolkit = match toolkit {
        Toolkit::Outlook => ScopeToolkit::Outlook,
        Toolkit::Teams => ScopeToolkit::Teams,
    };
    scopes::toolkit_scopes(picked, toolkit)
}

/// What an unset tenant stands for: any work, school or personal account.
const ANY_ACCOUNT: &str = "common";

pub(super) fn built_in(client_id: Option<&str>, tenant: Option<&str>) -> Option<BuiltInApp> {
    let client_id = client_id.and_then(|text| match client::client_id(text) {
        Ok(id) => Some(id),
        Err(problem) => {
            tracing::warn!("the built-in integration's client ID {problem}");
            None
        }
    });
    let tenant = authority::tenant(tenant.unwrap_or(ANY_ACCOUNT)).or_else(|problem| {
        tracing::warn!("the built-in integration's tenant {problem}");
        authority::tenant(ANY_ACCOUNT)
    });
    let authority = Authority::Entra { cloud: Cloud::Global, tenant: tenant.ok()? };
    Some(BuiltInApp { client_id, authority, scopes: scopes::graph_scopes() })
}

pub(super) fn registration_page(authority: &AuthorityDraft, client_id: Option<&ClientId>) -> Option<String> {
    match authority {
        AuthorityDraft::Entra { cloud, .. } => Some(pages::portal_page(*cloud, client_id)),
        AuthorityDraft::Custom { .. } => None,
    }
}

/// Where Graph is for this authority, as far as that is known without asking it.
pub(super) fn graph(authority: &Authority) -> Option<GraphUrl> {
    match authority {
        Authority::Entra { cloud, .. } => authority::graph_url(&format!("https://{}", hosts::graph(*cloud))).ok(),
        Authority::Custom { graph, .. } => graph.clone(),
    }
}

pub(super) async fn discover(authority: &Authority, http: &dyn Http) -> Result<Discovery, AuthorityFailure> {
    discovery::discover(authority, http).await.map_err(|error| discovery::failure(&error))
}

pub(super) fn renews_at(authority: &Authority, account: &Account) -> Authority {
    authority::pinned(authority, &account.directory)
}

/// Entra does not revoke a refresh token when it is used ("Refresh tokens in the Microsoft identity platform", Token
/// lifetime). What stands in for it may be as strict as RFC 9700 asks.
pub(super) fn may_spend_again(authority: &Authority) -> bool {
    authority.cloud().is_some()
}

pub(super) fn refusal(error: String, description: Option<String>) -> AuthorityFailure {
    crate::oauth::ErrorBody::from_redirect(error, description).failure(help::Stage::SignIn)
}
