//! The providers, one folder each. Another one is a variant of [`Provider`], a folder here, and its line in each
//! `match`.

pub(crate) mod microsoft;

use std::sync::Arc;

use atthene_core::bound::Bound;
use atthene_core::connections::{Account, Toolkit};
use atthene_core::integrations::{AuthorityDraft, Field, Integration, Redirect};
use atthene_core::port::{
    BuiltInApp, Client, DeviceCode, Expected, Grant, Http, Identity, Later, Page, PageRequest, TellStep, TokenFailure,
    Tokens,
};
use atthene_core::provider::{
    Authority, AuthorityFailure, Catalogue, ClientId, Discovery, GraphUrl, Provider, ScopeNote,
};
use secrecy::SecretString;
use url::Url;

/// The scopes to pick from.
pub fn catalogue(provider: Provider) -> Catalogue {
    match provider {
        Provider::Microsoft => microsoft::catalogue(),
    }
}

/// The claims that the provider's API asks for, as JSON, in a refusal with `insufficient_claims`.
pub fn claims_challenge(provider: Provider, headers: &http::HeaderMap) -> Option<String> {
    match provider {
        Provider::Microsoft => microsoft::claims_challenge(headers),
    }
}

/// Help for a code as a person reads it off the provider's page.
pub fn explain_code(provider: Provider, typed: &str) -> AuthorityFailure {
    match provider {
        Provider::Microsoft => microsoft::explain_code(typed),
    }
}

/// The link, where it leads to a provider's own page, which may be opened in the person's browser.
pub fn own_page(link: &str) -> Option<Url> {
    Provider::ALL.iter().find_map(|provider| match provider {
        Provider::Microsoft => microsoft::own_page(link),
    })
}

/// Every provider of this build, with the way out that they share.
pub struct Platforms {
    http: Arc<dyn Http>,
}

impl Platforms {
    /// All of them over this way out.
    pub fn new(http: Arc<dyn Http>) -> Self {
        Self { http }
    }
}

impl Identity for Platforms {
    fn authority(&self, typed: &AuthorityDraft) -> Result<Authority, (Field, &'static str)> {
        match typed.provider() {
            Provider::Microsoft => microsoft::authority(typed),
        }
    }

    fn client_id(&self, provider: Provider, typed: &str) -> Result<ClientId, &'static str> {
        match provider {
            Provider::Microsoft => microsoft::client_id(typed),
        }
    }

    fn client_secret(&self, provider: Provider, typed: &SecretString) -> Result<SecretString, &'static str> {
        match provider {
            Provider::Microsoft => microsoft::client_secret(typed),
        }
    }

    fn scopes(&self, provider: Provider, picked: &[String]) -> Result<Vec<String>, String> {
        match provider {
            Provider::Microsoft => microsoft::scopes(picked),
        }
    }

    fn redirect(&self, provider: Provider, redirect: &Redirect, has_secret: bool) -> Result<(), (Field, &'static str)> {
        match provider {
            Provider::Microsoft => microsoft::redirect(redirect, has_secret),
        }
    }

    fn scope_note(&self, provider: Provider, scope: &str) -> ScopeNote {
        match provider {
            Provider::Microsoft => microsoft::scope_note(scope),
        }
    }

    fn scopes_for(&self, provider: Provider, picked: &[String], toolkit: Toolkit) -> Vec<String> {
        match provider {
            Provider::Microsoft => microsoft::scopes_for(picked, toolkit),
        }
    }

    fn built_in(&self, provider: Provider, client_id: Option<&str>, tenant: Option<&str>) -> Option<BuiltInApp> {
        match provider {
            Provider::Microsoft => microsoft::built_in(client_id, tenant),
        }
    }

    fn registration_page(&self, authority: &AuthorityDraft, client_id: Option<&ClientId>) -> Option<String> {
        match authority.provider() {
            Provider::Microsoft => microsoft::registration_page(authority, client_id),
        }
    }

    fn consent_link(
        &self,
        authority: &Authority,
        client_id: &ClientId,
        scopes: &[String],
        redirect_uri: &str,
    ) -> Option<String> {
        match authority.provider() {
            Provider::Microsoft => microsoft::consent_link(authority, client_id.as_str(), scopes, redirect_uri),
        }
    }

    fn graph(&self, authority: &Authority) -> Option<GraphUrl> {
        match authority.provider() {
            Provider::Microsoft => microsoft::graph(authority),
        }
    }

    fn discover<'a>(&'a self, authority: &'a Authority) -> Later<'a, Result<Discovery, AuthorityFailure>> {
        match authority.provider() {
            Provider::Microsoft => Box::pin(microsoft::discover(authority, self.http.as_ref())),
        }
    }

    fn renews_at(&self, authority: &Authority, account: &Account) -> Authority {
        match authority.provider() {
            Provider::Microsoft => microsoft::renews_at(authority, account),
        }
    }

    fn may_spend_again(&self, authority: &Authority) -> bool {
        match authority.provider() {
            Provider::Microsoft => microsoft::may_spend_again(authority),
        }
    }

    fn page(&self, request: &PageRequest<'_>) -> Result<Page, &'static str> {
        match request.found.authority.provider() {
            Provider::Microsoft => microsoft::page(request),
        }
    }

    fn refusal(&self, provider: Provider, error: String, description: Option<String>) -> AuthorityFailure {
        match provider {
            Provider::Microsoft => microsoft::refusal(error, description),
        }
    }

    fn tokens<'a>(
        &'a self,
        client: Client<'a>,
        grant: Grant<'a>,
        asked: &'a [String],
        challenge: Option<&'a str>,
    ) -> Later<'a, Result<Tokens, TokenFailure>> {
        match client.found.authority.provider() {
            Provider::Microsoft => Box::pin(microsoft::tokens(client, grant, asked, challenge, self.http.as_ref())),
        }
    }

    fn device_code<'a>(
        &'a self,
        client: Client<'a>,
        scopes: &'a [String],
    ) -> Later<'a, Option<Result<DeviceCode, TokenFailure>>> {
        match client.found.authority.provider() {
            Provider::Microsoft => Box::pin(microsoft::device_code(client, scopes, self.http.as_ref())),
        }
    }

    fn device_tokens<'a>(
        &'a self,
        client: Client<'a>,
        code: &'a DeviceCode,
        asked: &'a [String],
    ) -> Later<'a, Result<Tokens, TokenFailure>> {
        match client.found.authority.provider() {
            Provider::Microsoft => Box::pin(microsoft::device_tokens(client, code, asked, self.http.as_ref())),
        }
    }

    fn account(&self, id_token: &SecretString, expected: &Expected<'_>) -> Result<Account, &'static str> {
        match expected.found.authority.provider() {
            Provider::Microsoft => microsoft::account(id_token, expected),
        }
    }

    fn preflight<'a>(
        &'a self,
        subject: &'a Integration,
        secret: Option<&'a Bound>,
        tell: TellStep<'a>,
    ) -> Later<'a, Option<AuthorityFailure>> {
        match subject.authority.provider() {
            Provider::Microsoft => Box::pin(microsoft::preflight(subject, secret, self.http.as_ref(), tell)),
        }
    }
}
