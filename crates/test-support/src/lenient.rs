//! Identity platforms whose every authority takes a spent refresh token for nothing, as Entra does.

use atthene_core::bound::Bound;
use atthene_core::connections::{Account, Toolkit};
use atthene_core::integrations::{AuthorityDraft, Field, Integration, Redirect};
use atthene_core::port::{
    BuiltInApp, Client, DeviceCode, Expected, Grant, Identity, Later, Page, PageRequest, TellStep, TokenFailure, Tokens,
};
use atthene_core::provider::{Authority, AuthorityFailure, ClientId, Discovery, GraphUrl, Provider, ScopeNote};
use atthene_identity::Platforms;
use secrecy::SecretString;

pub(crate) struct Lenient(pub(crate) Platforms);

impl Identity for Lenient {
    fn authority(&self, typed: &AuthorityDraft) -> Result<Authority, (Field, &'static str)> {
        self.0.authority(typed)
    }

    fn client_id(&self, provider: Provider, typed: &str) -> Result<ClientId, &'static str> {
        self.0.client_id(provider, typed)
    }

    fn client_secret(&self, provider: Provider, typed: &SecretString) -> Result<SecretString, &'static str> {
        self.0.client_secret(provider, typed)
    }

    fn scopes(&self, provider: Provider, picked: &[String]) -> Result<Vec<String>, String> {
        self.0.scopes(provider, picked)
    }

    fn redirect(&self, provider: Provider, redirect: &Redirect, has_secret: bool) -> Result<(), (Field, &'static str)> {
        self.0.redirect(provider, redirect, has_secret)
    }

    fn scope_note(&self, provider: Provider, scope: &str) -> ScopeNote {
        self.0.scope_note(provider, scope)
    }

    fn scopes_for(&self, provider: Provider, picked: &[String], toolkit: Toolkit) -> Vec<String> {
        self.0.scopes_for(provider, picked, toolkit)
    }

    fn built_in(&self, provider: Provider, client_id: Option<&str>, tenant: Option<&str>) -> Option<BuiltInApp> {
        self.0.built_in(provider, client_id, tenant)
    }

    fn registration_page(&self, authority: &AuthorityDraft, client_id: Option<&ClientId>) -> Option<String> {
        self.0.registration_page(authority, client_id)
    }

    fn consent_link(
        &self,
        authority: &Authority,
        client_id: &ClientId,
        scopes: &[String],
        redirect_uri: &str,
    ) -> Option<String> {
        self.0.consent_link(authority, client_id, scopes, redirect_uri)
    }

    fn graph(&self, authority: &Authority) -> Option<GraphUrl> {
        self.0.graph(authority)
    }

    fn discover<'a>(&'a self, authority: &'a Authority) -> Later<'a, Result<Discovery, AuthorityFailure>> {
        self.0.discover(authority)
    }

    fn renews_at(&self, authority: &Authority, account: &Account) -> Authority {
        self.0.renews_at(authority, account)
    }

    fn may_spend_again(&self, _: &Authority) -> bool {
        true
    }

    fn page(&self, request: &PageRequest<'_>) -> Result<Page, &'static str> {
        self.0.page(request)
    }

    fn refusal(&self, provider: Provider, error: String, description: Option<String>) -> AuthorityFailure {
        self.0.refusal(provider, error, description)
    }

    fn tokens<'a>(
        &'a self,
        client: Client<'a>,
        grant: Grant<'a>,
        asked: &'a [String],
        challenge: Option<&'a str>,
    ) -> Later<'a, Result<Tokens, TokenFailure>> {
        self.0.tokens(client, grant, asked, challenge)
    }

    fn device_code<'a>(
        &'a self,
        client: Client<'a>,
        scopes: &'a [String],
    ) -> Later<'a, Option<Result<DeviceCode, TokenFailure>>> {
        self.0.device_code(client, scopes)
    }

    fn device_tokens<'a>(
        &'a self,
        client: Client<'a>,
        code: &'a DeviceCode,
        asked: &'a [String],
    ) -> Later<'a, Result<Tokens, TokenFailure>> {
        self.0.device_tokens(client, code, asked)
    }

    fn account(&self, id_token: &SecretString, expected: &Expected<'_>) -> Result<Account, &'static str> {
        self.0.account(id_token, expected)
    }

    fn preflight<'a>(
        &'a self,
        subject: &'a Integration,
        secret: Option<&'a Bound>,
        tell: TellStep<'a>,
    ) -> Later<'a, Option<AuthorityFailure>> {
        self.0.preflight(subject, secret, tell)
    }
}
