//! Identity platforms. What is particular to one of them stays behind this: which texts it takes, how its page
//! is asked for, what its answers and refusals mean.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::Later;
use crate::bound::Bound;
use crate::clock::UnixMs;
use crate::connections::{Account, Toolkit};
use crate::integrations::{AuthorityDraft, Field, Integration, Redirect, StepReport};
use crate::provider::{Authority, AuthorityFailure, ClientId, Discovery, GraphUrl, Provider, ScopeNote};

/// The built-in integration of a provider.
#[derive(Debug, Clone)]
pub struct BuiltInApp {
    /// `None`: the one that was given can't be used, or none was.
    pub client_id: Option<ClientId>,
    pub authority: Authority,
    pub scopes: Vec<String>,
}

/// A page to sign in on that is to be prepared.
pub struct PageRequest<'a> {
    /// The app that people sign in to.
    pub client_id: &'a ClientId,
    /// Where they sign in.
    pub found: &'a Discovery,
    /// Where the answer comes back to.
    pub redirect_uri: &'a str,
    /// Whether the answer comes as a form, not in an address.
    pub by_form: bool,
    pub scopes: &'a [String],
    /// The account that has to sign in; `None`: the person chooses one.
    pub account: Option<&'a Account>,
    /// What the provider's API asked the next access to hold.
    pub challenge: Option<&'a str>,
}

/// A page to sign in on, with what its answer is known by. Each is of its own.
pub struct Page {
    pub link: Url,
    /// What the answer has to bring along.
    pub state: SecretString,
    /// What proves that the answer is redeemed by whoever asked (RFC 7636).
    pub verifier: SecretString,
    /// What the id token has to name.
    pub nonce: String,
}

/// Who asks for tokens, and where.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    pub client_id: &'a ClientId,
    /// `None`: a public client.
    pub secret: Option<&'a Bound>,
    /// Where tokens are asked for.
    pub found: &'a Discovery,
}

/// What tokens are asked for with.
pub enum Grant<'a> {
    /// The code of a sign-in.
    Code {
        code: &'a SecretString,
        /// The verifier of its page.
        verifier: &'a Bound,
        /// The redirect URI of its page.
        redirect_uri: &'a str,
    },
    Refresh {
        token: &'a Bound,
        granted: &'a [String],
    },
}

/// Tokens, as the rules hold them.
pub struct Tokens {
    /// Opens the provider's API.
    pub access: SecretString,
    /// How long it does.
    pub lifetime: Duration,
    /// What was granted, spelled as it was asked for; `None`: exactly that (RFC 6749, 5.1).
    pub granted: Option<Vec<String>>,
    /// Renews the access.
    pub refresh: Option<SecretString>,
    /// Says who signed in.
    pub id_token: Option<SecretString>,
    /// Whether the client's secret was sent.
    pub confidential: bool,
}

/// What a refusal means for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing: it says nothing about the tokens. Asked again after this time, where one is named.
    Wait(Option<Duration>),
    /// A person has to sign in; `forget`: the refresh token is of no use any more.
    SignIn {
        /// Whether it is to be forgotten.
        forget: bool,
    },
    /// No sign-in will help: somebody has to change a rule, or the registration.
    Failing,
}

/// Why there are no tokens.
#[derive(Debug, Clone)]
pub struct TokenFailure {
    /// In words. They hold no secret, whatever the authority echoed.
    pub failure: AuthorityFailure,
    /// What follows.
    pub meaning: Meaning,
    /// What the next sign-in has to ask for, as JSON, where the authority said so.
    pub claims: Option<String>,
}

/// A code for a browser on another machine (RFC 8628, 3.2).
pub struct DeviceCode {
    /// What the person types.
    pub user_code: String,
    /// Where.
    pub page: Url,
    /// How long it may take.
    pub lifetime: Duration,
    /// What the platform needs to go on.
    pub sealed: SecretString,
}

/// What an id token has to fit.
pub struct Expected<'a> {
    /// Who issues it.
    pub found: &'a Discovery,
    /// Whom it is for.
    pub client_id: &'a ClientId,
    /// `None`: the flow has none.
    pub nonce: Option<&'a str>,
    pub now: UnixMs,
}

/// Told of each step of a preflight as it changes.
pub type TellStep<'a> = &'a mut (dyn FnMut(StepReport) + Send);

/// The identity platforms that are built in.
pub trait Identity: Send + Sync {
    /// The authority that was typed, or what is wrong with which field.
    fn authority(&self, typed: &AuthorityDraft) -> Result<Authority, (Field, &'static str)>;
    /// The client ID that was typed, or what is wrong with it.
    fn client_id(&self, provider: Provider, typed: &str) -> Result<ClientId, &'static str>;
    /// The client secret that was typed, or what is wrong with it.
    fn client_secret(&self, provider: Provider, typed: &SecretString) -> Result<SecretString, &'static str>;
    /// The scopes as they are kept, or what is wrong with them.
    fn scopes(&self, provider: Provider, picked: &[String]) -> Result<Vec<String>, String>;
    /// Whether it takes answers that way, with or without a secret; what is wrong with which field, if not.
    fn redirect(&self, provider: Provider, redirect: &Redirect, has_secret: bool) -> Result<(), (Field, &'static str)>;
    /// What there is to say about a scope.
    fn scope_note(&self, provider: Provider, scope: &str) -> ScopeNote;
    /// Of the picked scopes, those that a toolkit needs.
    fn scopes_for(&self, provider: Provider, picked: &[String], toolkit: Toolkit) -> Vec<String>;
    /// The built-in app, with the client ID and the tenant that the machine or the build names.
    fn built_in(&self, provider: Provider, client_id: Option<&str>, tenant: Option<&str>) -> Option<BuiltInApp>;
    /// The page where an app is registered, or a new one is.
    fn registration_page(&self, authority: &AuthorityDraft, client_id: Option<&ClientId>) -> Option<String>;
    /// The link with which an administrator grants scopes to everyone.
    fn consent_link(
        &self,
        authority: &Authority,
        client_id: &ClientId,
        scopes: &[String],
        redirect_uri: &str,
    ) -> Option<String>;

    /// Where its API is, as far as that is known without asking.
    fn graph(&self, authority: &Authority) -> Option<GraphUrl>;
    /// Asks the authority to describe itself, and checks what it says.
    fn discover<'a>(&'a self, authority: &'a Authority) -> Later<'a, Result<Discovery, AuthorityFailure>>;
    /// Where the tokens of an account are renewed: the authority, or a part of it.
    fn renews_at(&self, authority: &Authority, account: &Account) -> Authority;
    /// Whether a refresh token that may be spent already may be sent once more: not where the authority takes that for
    /// a theft and signs the person out (RFC 9700, 4.14.2).
    fn may_spend_again(&self, authority: &Authority) -> bool;
    /// Prepares a page to sign in on.
    fn page(&self, request: &PageRequest<'_>) -> Result<Page, &'static str>;
    /// What an authority meant that answered through the browser with an error.
    fn refusal(&self, provider: Provider, error: String, description: Option<String>) -> AuthorityFailure;
    /// Asks for tokens; once more where nothing can have been spent. A secret goes to whom it is bound to, or
    /// nowhere. `challenge`: what the provider's API asked the access to hold.
    fn tokens<'a>(
        &'a self,
        client: Client<'a>,
        grant: Grant<'a>,
        asked: &'a [String],
        challenge: Option<&'a str>,
    ) -> Later<'a, Result<Tokens, TokenFailure>>;
    /// Asks for a code for a browser on another machine; `None`: the authority hands out none.
    fn device_code<'a>(
        &'a self,
        client: Client<'a>,
        scopes: &'a [String],
    ) -> Later<'a, Option<Result<DeviceCode, TokenFailure>>>;
    /// Waits until the person has entered the code, or it has lapsed.
    fn device_tokens<'a>(
        &'a self,
        client: Client<'a>,
        code: &'a DeviceCode,
        asked: &'a [String],
    ) -> Later<'a, Result<Tokens, TokenFailure>>;
    /// Who signed in, or what does not fit.
    fn account(&self, id_token: &SecretString, expected: &Expected<'_>) -> Result<Account, &'static str>;
    /// Asks the authority about an integration that may not be saved yet. Returns what went wrong first.
    fn preflight<'a>(
        &'a self,
        subject: &'a Integration,
        secret: Option<&'a Bound>,
        tell: TellStep<'a>,
    ) -> Later<'a, Option<AuthorityFailure>>;
}
