//! The form of an integration: what was typed, what is wrong with it, and what follows from it.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Integration, IntegrationId, Platform, WayBack};
use crate::bound::Recipient;
use crate::clock::UnixMs;
use crate::keys::checked_name;
use crate::microsoft::{
    Authority, ClientId, Cloud, Consent, CustomProblem, ScopeNote, Tenant, checked_secret, cleaned_scopes, note,
    portal_page,
};
use crate::vault::SecretChange;

/// What was typed about the authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export)]
pub enum AuthorityDraft {
    /// A tenant in one of Microsoft's clouds.
    Entra {
        /// The cloud.
        cloud: Cloud,
        /// The tenant.
        tenant: String,
    },
    /// Another authority.
    Custom {
        /// Its issuer.
        issuer: String,
        /// Its Graph, where it does not name one itself.
        graph: String,
    },
}

/// What was chosen about the way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export)]
pub enum WayBackDraft {
    /// Through this machine.
    Loopback,
    /// Through the app's own scheme.
    DeepLink,
    /// Through a page of the company.
    Page {
        /// Its address.
        url: String,
    },
}

/// What was typed, besides the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Draft {
    /// Its short name; given out when the form was opened.
    pub id: IntegrationId,
    /// What people call it.
    pub name: String,
    /// The Application (client) ID.
    pub client_id: String,
    /// Who signs people in.
    pub authority: AuthorityDraft,
    /// The secret's last day, as Azure shows it.
    pub secret_expires_at: Option<UnixMs>,
    /// The picked scopes.
    pub scopes: Vec<String>,
    /// How the answer comes back.
    pub way_back: WayBackDraft,
}

/// Days that a secret can end on: Azure gives secrets two years at most.
const EARLIEST: UnixMs = UnixMs(946_684_800_000);
const LATEST: UnixMs = UnixMs(4_102_444_800_000);

/// A field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
#[expect(missing_docs, reason = "each is documented in Draft")]
pub enum Field {
    Name,
    ClientId,
    Tenant,
    Issuer,
    Graph,
    Secret,
    SecretExpiry,
    Scopes,
    WayBack,
    Page,
}

impl Field {
    fn label(self) -> &'static str {
        match self {
            Self::Name => "The name",
            Self::ClientId => "The client ID",
            Self::Tenant => "The tenant",
            Self::Issuer => "The authority",
            Self::Graph => "The Graph address",
            Self::Secret => "The client secret",
            Self::SecretExpiry => "The secret's last day",
            Self::Scopes => "The scopes",
            Self::WayBack => "The way back",
            Self::Page => "The page",
        }
    }
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct FieldProblem {
    /// The field.
    pub field: Field,
    /// The sentence to show beside it.
    pub problem: String,
}

impl FieldProblem {
    pub(super) fn new(field: Field, problem: &str) -> Self {
        Self { field, problem: format!("{} {problem}.", field.label()) }
    }
}

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
    way_back: Option<WayBack>,
}

impl WayBackDraft {
    pub(super) fn of(way_back: &WayBack) -> Self {
        match way_back {
            WayBack::Loopback => Self::Loopback,
            WayBack::DeepLink => Self::DeepLink,
            WayBack::Page { url } => Self::Page { url: url.clone() },
        }
    }
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

    /// The authority, or what is wrong with which field.
    fn read(&self) -> Result<Authority, (Field, &'static str)> {
        match self {
            Self::Entra { cloud, tenant } => Tenant::parse(tenant)
                .map(|tenant| Authority::Entra { cloud: *cloud, tenant })
                .map_err(|problem| (Field::Tenant, problem)),
            Self::Custom { issuer, graph } => Authority::custom(issuer, graph).map_err(|problem| match problem {
                CustomProblem::Issuer(problem) => (Field::Issuer, problem),
                CustomProblem::Graph(problem) => (Field::Graph, problem),
            }),
        }
    }
}

impl Draft {
    /// Whom secrets would be sent to; `None` while that can't be read.
    pub(super) fn recipient(&self) -> Option<Recipient> {
        Some(Recipient::app(&self.authority.read().ok()?, &ClientId::parse(&self.client_id).ok()?))
    }

    /// A form to be filled in.
    pub(super) fn fresh() -> Self {
        Self {
            id: IntegrationId::generate(),
            name: String::new(),
            client_id: String::new(),
            authority: AuthorityDraft::Entra { cloud: Cloud::Global, tenant: String::new() },
            secret_expires_at: None,
            scopes: Vec::new(),
            way_back: WayBackDraft::Loopback,
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
            way_back: WayBackDraft::of(&row.way_back),
        }
    }

    /// Checks every field.
    pub(super) fn check(&self, secret: SecretInForm<'_>) -> Checked {
        let mut problems = Vec::new();
        let mut wrong = |field: Field, problem: &str| problems.push(FieldProblem::new(field, problem));

        let name = checked_name(&self.name).inspect_err(|error| {
            if let crate::Error::Name(problem) = error {
                wrong(Field::Name, problem);
            }
        });
        let client_id = ClientId::parse(&self.client_id).inspect_err(|problem| wrong(Field::ClientId, problem));
        let authority = self.authority.read().inspect_err(|(field, problem)| wrong(*field, problem)).ok();
        if let SecretInForm::Typed(secret) = secret
            && let Err(problem) = checked_secret(secret)
        {
            wrong(Field::Secret, problem.text());
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
        let scopes = cleaned_scopes(&self.scopes).inspect_err(|problem| wrong(Field::Scopes, problem));
        let way_back = match &self.way_back {
            WayBackDraft::Loopback => Ok(WayBack::Loopback),
            WayBackDraft::DeepLink => Ok(WayBack::DeepLink),
            WayBackDraft::Page { url } => WayBack::page(url).inspect_err(|problem| wrong(Field::Page, problem)),
        };
        if let Some(problem) = way_back.as_ref().ok().and_then(|way| way.problem(secret.is_there())) {
            wrong(Field::WayBack, problem);
        }
        Checked {
            problems,
            name: name.ok(),
            client_id: client_id.ok(),
            authority,
            scopes: scopes.ok(),
            way_back: way_back.ok(),
        }
    }

    /// What follows from what was typed.
    pub(super) fn report(&self, checked: Checked, secret: SecretInForm<'_>) -> DraftReport {
        let scopes: Vec<ScopeNote> = checked.scopes.iter().flatten().map(|scope| note(scope)).collect();
        let redirect_uri = checked.way_back.as_ref().map(|way| way.redirect_uri(&self.id));
        let cloud = match &self.authority {
            AuthorityDraft::Entra { cloud, .. } => Some(*cloud),
            AuthorityDraft::Custom { .. } => None,
        };
        let names: Vec<String> = checked.scopes.unwrap_or_default();
        let consent_link = (checked.authority.as_ref())
            .zip(checked.client_id.as_ref())
            .zip(redirect_uri.as_ref())
            .filter(|_| !names.is_empty())
            .and_then(|((authority, client_id), uri)| authority.admin_consent_url(client_id.as_str(), &names, uri));
        DraftReport {
            problems: checked.problems,
            platform: checked.way_back.map_or(Platform::Web, |way| way.platform(secret.is_there())),
            redirect_uri,
            portal_page: cloud.map(|cloud| portal_page(cloud, checked.client_id.as_ref())),
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
        match (first, self.name, self.client_id, self.authority, self.scopes, self.way_back) {
            (None, Some(name), Some(client_id), Some(authority), Some(scopes), Some(way_back)) => Ok(Integration {
                id: draft.id.clone(),
                name,
                client_id,
                authority,
                scopes,
                way_back,
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
