//! The form of an integration: what was typed, what is wrong with it, and what follows from it.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{AuthorityDraft, Field, FieldProblem, Integration, IntegrationId, Platform, Redirect};
use crate::bound::Recipient;
use crate::clock::UnixMs;
use crate::names::checked_name;
use crate::port::Identity;
use crate::provider::{Authority, ClientId, Cloud, Consent, Provider, ScopeNote};
use crate::vault::SecretChange;

/// What was chosen about the redirect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export)]
pub enum RedirectDraft {
    /// Through this machine.
    Loopback,
    /// Through the app's own scheme.
    DeepLink,
    /// Through a page of the company.
    Page { url: String },
}

/// What was typed, besides the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Draft {
    /// Its short name; given out when the form was opened.
    pub id: IntegrationId,
    pub name: String,
    pub client_id: String,
    pub authority: AuthorityDraft,
    /// The secret's last day, as Azure shows it.
    pub secret_expires_at: Option<UnixMs>,
    pub scopes: Vec<String>,
    /// How the answer comes back.
    #[serde(rename = "way_back")]
    pub redirect: RedirectDraft,
}

/// Days that a secret can end on: Azure gives secrets two years at most.
const EARLIEST: UnixMs = UnixMs(946_684_800_000);
const LATEST: UnixMs = UnixMs(4_102_444_800_000);

/// What follows from what was typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct DraftReport {
    /// What is wrong, in the order of the form.
    pub problems: Vec<FieldProblem>,
    /// The URI to register; `None` while the page's address is not usable.
    pub redirect_uri: Option<String>,
    /// Where to register it.
    pub platform: Platform,
    /// The page of the Azure portal for this app; `None` for another authority.
    pub portal_page: Option<String>,
    /// The link with which an administrator grants these scopes to everyone.
    pub consent_link: Option<String>,
    /// The scopes as they will be kept, each with what there is to say.
    pub scopes: Vec<ScopeNote>,
    /// Whether an administrator probably has to consent.
    pub needs_admin: bool,
    /// Whom saving signs out: what they signed in to is not what the form names any more.
    pub signs_out: Vec<String>,
}

/// What is known of the secret while the form is filled in.
#[derive(Clone, Copy)]
pub(super) enum SecretInForm<'a> {
    None,
    Stored,
    /// One is stored, for another authority or client ID than the form names.
    StoredForAnother,
    Typed(&'a SecretString),
}

/// What lies in the vault while the form is filled in.
#[derive(Clone, Copy)]
pub(super) enum InVault {
    Nothing,
    /// For what the form names.
    Fitting,
    /// For another authority or client ID.
    ForAnother,
}

impl<'a> SecretInForm<'a> {
    /// After `change`.
    pub(super) fn after(change: &'a SecretChange, now: InVault) -> Self {
        match (change, now) {
            (SecretChange::Replace(secret), _) => Self::Typed(secret),
            (SecretChange::Keep, InVault::Fitting) => Self::Stored,
            (SecretChange::Keep, InVault::ForAnother) => Self::StoredForAnother,
            (SecretChange::Keep, InVault::Nothing) | (SecretChange::Remove, _) => Self::None,
        }
    }

    pub(super) fn is_there(self) -> bool {
        !matches!(self, Self::None)
    }
}

/// A draft whose every field was checked. A field that can't be used is `None` and has a
/// problem.
pub(super) struct Checked {
    pub(super) problems: Vec<FieldProblem>,
    name: Option<String>,
    client_id: Option<ClientId>,
    authority: Option<Authority>,
    scopes: Option<Vec<String>>,
    redirect: Option<Redirect>,
}

impl RedirectDraft {
    pub(super) fn of(redirect: &Redirect) -> Self {
        match redirect {
            Redirect::Loopback => Self::Loopback,
            Redirect::DeepLink => Self::DeepLink,
            Redirect::Page { url } => Self::Page { url: url.clone() },
        }
    }
}

impl Draft {
    /// Whom secrets would be sent to; `None` while that can't be read.
    pub(super) fn recipient(&self, identity: &dyn Identity) -> Option<Recipient> {
        let client_id = identity.client_id(self.authority.provider(), &self.client_id);
        Some(Recipient::app(&identity.authority(&self.authority).ok()?, &client_id.ok()?))
    }

    /// A form to be filled in.
    pub(super) fn fresh() -> Self {
        Self {
            id: IntegrationId::generate(Provider::Microsoft),
            name: String::new(),
            client_id: String::new(),
            authority: AuthorityDraft::Entra { cloud: Cloud::Global, tenant: String::new() },
            secret_expires_at: None,
            scopes: Vec::new(),
            redirect: RedirectDraft::Loopback,
        }
    }

    /// The form of an integration that exists.
    pub(super) fn of(row: &Integration) -> Self {
        Self {
            id: row.id.clone(),
            name: row.name.clone(),
            client_id: row.client_id.as_str().to_owned(),
            authority: AuthorityDraft::of(&row.authority),
            secret_expires_at: row.secret_expires_at,
            scopes: row.scopes.clone(),
            redirect: RedirectDraft::of(&row.redirect),
        }
    }

    /// Checks every field.
    pub(super) fn check(&self, secret: SecretInForm<'_>, identity: &dyn Identity) -> Checked {
        let provider = self.authority.provider();
        let mut problems = Vec::new();
        let mut wrong = |field: Field, problem: &str| problems.push(FieldProblem::new(field, problem));

        let name = checked_name(&self.name).inspect_err(|problem| wrong(Field::Name, problem));
        let client_id = identity.client_id(provider, &self.client_id);
        let client_id = client_id.inspect_err(|problem| wrong(Field::ClientId, problem));
        let authority = identity.authority(&self.authority).inspect_err(|(field, problem)| wrong(*field, problem)).ok();
        if let SecretInForm::Typed(secret) = secret
            && let Err(problem) = identity.client_secret(provider, secret)
        {
            wrong(Field::Secret, problem);
        }
        if let SecretInForm::StoredForAnother = secret {
            wrong(
                Field::Secret,
                "has to be entered again, or removed: the one that is kept belongs to another authority or client ID, \
                 and is sent nowhere else",
            );
        }
        if self.secret_expires_at.is_some_and(|at| !(EARLIEST..=LATEST).contains(&at)) {
            wrong(Field::SecretExpiry, "is no day that can be");
        }
        let scopes = identity.scopes(provider, &self.scopes).inspect_err(|problem| wrong(Field::Scopes, problem));
        let redirect = match &self.redirect {
            RedirectDraft::Loopback => Ok(Redirect::Loopback),
            RedirectDraft::DeepLink => Ok(Redirect::DeepLink),
            RedirectDraft::Page { url } => Redirect::page(url).inspect_err(|problem| wrong(Field::Page, problem)),
        };
        if let Ok(redirect) = &redirect
            && let Err((field, problem)) = identity.redirect(provider, redirect, secret.is_there())
        {
            wrong(field, problem);
        }
        Checked {
            problems,
            name: name.ok(),
            client_id: client_id.ok(),
            authority,
            scopes: scopes.ok(),
            redirect: redirect.ok(),
        }
    }

    /// What follows from what was typed.
    pub(super) fn report(&self, checked: Checked, secret: SecretInForm<'_>, identity: &dyn Identity) -> DraftReport {
        let provider = self.authority.provider();
        let scopes: Vec<ScopeNote> =
            checked.scopes.iter().flatten().map(|scope| identity.scope_note(provider, scope)).collect();
        let redirect_uri = checked.redirect.as_ref().map(|way| way.redirect_uri(&self.id));
        let names: Vec<String> = checked.scopes.unwrap_or_default();
        let consent_link = (checked.authority.as_ref())
            .zip(checked.client_id.as_ref())
            .zip(redirect_uri.as_ref())
            .filter(|_| !names.is_empty())
            .and_then(|((authority, client_id), uri)| identity.consent_link(authority, client_id, &names, uri));
        DraftReport {
            problems: checked.problems,
            platform: checked.redirect.map_or(Platform::Web, |way| way.platform(secret.is_there())),
            redirect_uri,
            portal_page: identity.registration_page(&self.authority, checked.client_id.as_ref()),
            consent_link,
            signs_out: Vec::new(),
            needs_admin: scopes.iter().any(|note| matches!(note.consent, Some(Consent::Admin | Consent::Blocked))),
            scopes,
        }
    }
}

impl Checked {
    /// The row, or the first problem.
    pub(super) fn row(
        self,
        draft: &Draft,
        before: Option<&Integration>,
        now: UnixMs,
    ) -> Result<Integration, FieldProblem> {
        let first = self.problems.into_iter().next();
        match (first, self.name, self.client_id, self.authority, self.scopes, self.redirect) {
            (None, Some(name), Some(client_id), Some(authority), Some(scopes), Some(redirect)) => Ok(Integration {
                id: draft.id.clone(),
                name,
                client_id,
                authority,
                scopes,
                redirect,
                secret: before.map_or(super::StoredSecret::None, |row| row.secret),
                secret_expires_at: draft.secret_expires_at,
                created_at: before.map_or(now, |row| row.created_at),
                check: None,
            }),
            (Some(problem), ..) => Err(problem),
            _ => Err(FieldProblem::new(Field::Name, "could not be checked")),
        }
    }
}
