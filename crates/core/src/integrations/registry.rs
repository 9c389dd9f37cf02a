//! The integrations of this profile: what an admin can do with them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::ExposeSecret;
use serde_json::json;

use super::built_in::BuiltIn;
use super::draft::{InVault, SecretInForm};
use super::{
    Check, Draft, DraftReport, Field, FieldProblem, Integration, IntegrationId, IntegrationView, Redirect,
    RedirectDraft,
};
use super::{Registration, StepReport, StoredSecret};
use crate::activity::{ActOutcome, Kind, Recorder};
use crate::bound::{Bound, Recipient};
use crate::change::{Change, Changes};
use crate::clock::Clock;
use crate::error::{Error, StoreError};
use crate::policy::Policy;
use crate::port::{Identity, IntegrationSaved, SecretStep, Store};
use crate::provider::Provider;
use crate::secrets::Secrets;
use crate::vault::SecretChange;

/// The integrations of this profile. What is not async blocks on SQLite.
pub struct Integrations {
    store: Arc<dyn Store>,
    secrets: Secrets,
    pub(super) identity: Arc<dyn Identity>,
    recorder: Recorder,
    clock: Clock,
    changes: Changes,
    built_in: Option<BuiltIn>,
    /// How the latest preflight of each form ended, so that saving that very form keeps it.
    preflights: Mutex<HashMap<IntegrationId, Preflighted>>,
    fingerprints: RandomState,
}

/// Why connections through an integration ended that leads elsewhere now.
pub(crate) const MOVED: &str =
    "The integration leads to another authority, client ID or Graph since it was changed. Sign in again.";

/// Whether the form names another authority, client ID or Graph than the row.
fn leads_elsewhere(draft: &Draft, before: &Integration, identity: &dyn Identity) -> bool {
    draft.recipient(identity).is_some_and(|recipient| recipient != before.recipient())
}

/// What another integration has already.
pub(super) fn taken(all: &[Integration], draft: &Draft) -> Option<FieldProblem> {
    let others = || all.iter().filter(|row| row.id != draft.id);
    let name = draft.name.trim().to_lowercase();
    if others().any(|row| row.name.to_lowercase() == name) {
        return Some(FieldProblem::new(Field::Name, TAKEN));
    }
    let page = Redirect::Page { url: page_of(draft)?.to_owned() };
    others().any(|row| row.redirect == page).then(|| FieldProblem::new(Field::Page, TAKEN))
}

fn page_of(draft: &Draft) -> Option<&str> {
    match &draft.redirect {
        RedirectDraft::Page { url } => Some(url.trim()),
        RedirectDraft::Loopback | RedirectDraft::DeepLink => None,
    }
}

fn in_vault(draft: &Draft, before: Option<&Integration>, identity: &dyn Identity) -> InVault {
    match before.filter(|row| row.secret.is_expected()) {
        None => InVault::Nothing,
        Some(row) if leads_elsewhere(draft, row, identity) => InVault::ForAnother,
        Some(_) => InVault::Fitting,
    }
}

fn refused(saved: IntegrationSaved) -> Result<(), Error> {
    let field = match saved {
        IntegrationSaved::Saved => return Ok(()),
        IntegrationSaved::NameTaken => Field::Name,
        IntegrationSaved::PageTaken => Field::Page,
    };
    Err(Error::Integration(FieldProblem::new(field, TAKEN)))
}

const TAKEN: &str = "belongs to another integration already";

/// A form that was asked about, and the answer.
struct Preflighted {
    draft: Draft,
    /// Tells one secret from another; says nothing about either.
    secret: u64,
    check: Check,
}

/// What the parts of a profile share.
#[derive(Clone)]
pub(crate) struct ProfileParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) secrets: Secrets,
    pub(crate) identity: Arc<dyn Identity>,
    pub(crate) recorder: Recorder,
    pub(crate) clock: Clock,
    pub(crate) changes: Changes,
}

impl Integrations {
    pub(crate) fn new(shared: ProfileParts, policy: &Policy) -> Self {
        let ProfileParts { store, secrets, identity, recorder, clock, changes } = shared;
        Self {
            store,
            secrets,
            recorder,
            clock,
            changes,
            built_in: BuiltIn::new(&policy.microsoft, identity.as_ref()),
            identity,
            preflights: Mutex::default(),
            fingerprints: RandomState::new(),
        }
    }

    /// Every integration, the built-in one first.
    pub fn list(&self) -> Result<Vec<IntegrationView>, Error> {
        let now = self.clock.now();
        let (custom, defaults) = self.store.integrations()?;
        let built_in = self.built_in.iter().map(|built_in| {
            let replaces =
                |row: &Integration| row.authority.provider() == built_in.provider() && defaults.contains(&row.id);
            built_in.view(!custom.iter().any(replaces))
        });
        Ok(built_in.chain(custom.iter().map(|row| row.view(now, &defaults))).collect())
    }

    /// An empty form.
    pub fn fresh_draft(&self) -> Draft {
        Draft::fresh()
    }

    /// The form of an integration. The secret is not in it.
    pub fn draft(&self, id: &IntegrationId) -> Result<Draft, Error> {
        if id.is_built_in() {
            // It is in the list, and there is no form of it.
            self.built_in_with_id()?;
            return Err(Error::BuiltInIsFixed);
        }
        Ok(Draft::of(&self.row(id)?))
    }

    /// Checks a form as it is typed, without asking anybody.
    pub fn report(&self, draft: &Draft, secret: &SecretChange) -> Result<DraftReport, Error> {
        let before = self.store.integration(&draft.id)?;
        let secret = SecretInForm::after(secret, in_vault(draft, before.as_ref(), self.identity.as_ref()));
        let identity = self.identity.as_ref();
        let mut checked = draft.check(secret, identity);
        checked.problems.extend(self.taken(draft)?);
        let mut report = draft.report(checked, secret, identity);
        if before.is_some_and(|row| leads_elsewhere(draft, &row, identity)) {
            let through = self.store.connections_through(&draft.id)?;
            report.signs_out = through.into_iter().map(|(_, account)| account).collect();
            // One that is connected for two toolkits is one account; they come in order.
            report.signs_out.dedup();
        }
        Ok(report)
    }

    /// Asks the authority about a form that may not be saved yet. Returns whether all passed.
    pub async fn preflight(
        &self,
        draft: Draft,
        secret: SecretChange,
        tell: &mut (dyn FnMut(StepReport) + Send),
    ) -> Result<bool, Error> {
        let before = self.store.integration(&draft.id)?;
        let form = SecretInForm::after(&secret, in_vault(&draft, before.as_ref(), self.identity.as_ref()));
        let mut subject = draft
            .check(form, self.identity.as_ref())
            .row(&draft, before.as_ref(), self.clock.now())
            .map_err(Error::Integration)?;
        subject.secret = if form.is_there() { StoredSecret::Stored } else { StoredSecret::None };
        let recipient = subject.recipient();
        let presented = match form {
            SecretInForm::Typed(typed) => {
                let typed = self.identity.client_secret(draft.authority.provider(), typed);
                typed.ok().map(|secret| Bound::new(recipient, secret))
            }
            SecretInForm::Stored => Some(self.stored_secret(&subject.id, &recipient).await?),
            SecretInForm::None | SecretInForm::StoredForAnother => None,
        };
        let failure = self.identity.preflight(&subject, presented.as_ref(), tell).await;

        let problem = failure.as_ref().map(|failure| format!("{failure}. {}", failure.fix));
        // Where nobody was reached nothing was learned: what was found before stays.
        let was_reached = failure.as_ref().is_none_or(|failure| !failure.may_pass);
        let check = Check { at: self.clock.now(), problem };
        let outcome = if failure.is_none() { ActOutcome::Done } else { ActOutcome::Failed };
        let detail = json!({
            "name": subject.name,
            "authority": subject.authority.label(),
            "problem": check.problem,
            "aadsts": failure.as_ref().and_then(|failure| failure.aadsts),
            "correlation_id": failure.as_ref().and_then(|failure| failure.correlation_id.clone()),
        });
        let as_saved = before.is_some_and(|row| Draft::of(&row) == draft) && matches!(secret, SecretChange::Keep);
        let entry = self.recorder.entry(Kind::Preflight, draft.id.as_str(), outcome, detail);
        self.store.record_preflight((as_saved && was_reached).then_some((&draft.id, &check)), &entry)?;
        if as_saved {
            self.changes.publish(Change::Integrations);
        }
        let passed = check.problem.is_none();
        let secret = self.fingerprint(&secret);
        if was_reached {
            self.preflights().insert(draft.id.clone(), Preflighted { draft, secret, check });
        }
        Ok(passed)
    }

    /// Adds the integration, or changes the one of the same id. Where it leads elsewhere from now on, which
    /// is told, the sign-ins through it end with that.
    pub(crate) async fn save(&self, draft: Draft, secret: SecretChange) -> Result<(IntegrationView, bool), Error> {
        let before = self.store.integration(&draft.id)?;
        if draft.id.is_built_in() {
            return Err(Error::BuiltInIsFixed);
        }
        let mut row = draft
            .check(
                SecretInForm::after(&secret, in_vault(&draft, before.as_ref(), self.identity.as_ref())),
                self.identity.as_ref(),
            )
            .row(&draft, before.as_ref(), self.clock.now())
            .map_err(Error::Integration)?;
        row.check = self.check_of(&draft, &secret);
        let entry = row.id.secret_entry();
        match &secret {
            SecretChange::Keep => {
                self.write_row(&row, before.as_ref(), "kept", SecretStep::Nothing)?;
            }
            SecretChange::Remove => {
                row.secret = StoredSecret::None;
                row.secret_expires_at = None;
                let write = |step: SecretStep<'_>| self.write_row(&row, before.as_ref(), "removed", step);
                self.secrets.remove(&entry, write).await?;
            }
            SecretChange::Replace(typed) => {
                let checked = self.identity.client_secret(draft.authority.provider(), typed);
                let checked =
                    checked.map_err(|problem| Error::Integration(FieldProblem::new(Field::Secret, problem)))?;
                if let Some(problem) = self.taken(&draft)? {
                    return Err(Error::Integration(problem));
                }
                row.secret = StoredSecret::Stored;
                let checked = Bound::new(row.recipient(), checked);
                let write = |step: SecretStep<'_>| self.try_row(&row, before.as_ref(), "replaced", step);
                refused(self.secrets.put(&entry, &checked, write).await?)?;
            }
        }
        self.preflights().remove(&draft.id);
        self.changes.publish(Change::Integrations);
        // It is saved, also where nothing can be read any more; which one is the default is looked up with the next list.
        let defaults = self.store.integrations().map(|(_, defaults)| defaults).unwrap_or_default();
        let moved = before.is_some_and(|before| before.recipient() != row.recipient());
        Ok((row.view(self.clock.now(), &defaults), moved))
    }

    /// Removes the row, then its secret.
    pub(crate) async fn delete(&self, id: &IntegrationId) -> Result<(), Error> {
        if id.is_built_in() {
            return Err(Error::BuiltInIsFixed);
        }
        let row = self.row(id)?;
        let detail = json!({ "name": row.name });
        let entry = self.recorder.entry(Kind::IntegrationRemoved, id.as_str(), ActOutcome::Done, detail);
        self.secrets
            .remove(&id.secret_entry(), |step| {
                if self.store.delete_integration(id, step, &entry)? { Ok(()) } else { Err(Error::IntegrationNotFound) }
            })
            .await?;
        self.changes.publish(Change::Integrations);
        Ok(())
    }

    /// Pre-selects this one where a connection is made.
    pub fn set_default(&self, id: &IntegrationId) -> Result<(), Error> {
        let custom = (!id.is_built_in()).then_some(id);
        let (of, name) = match custom {
            Some(id) => {
                let row = self.row(id)?;
                (row.authority.provider(), row.name)
            }
            None => self.built_in_with_id()?,
        };
        let detail = json!({ "name": name });
        self.store.set_default(
            of,
            custom,
            &self.recorder.entry(Kind::DefaultChanged, id.as_str(), ActOutcome::Done, detail),
        )?;
        self.changes.publish(Change::Integrations);
        Ok(())
    }

    /// The vault holds its secret after all.
    pub(crate) fn secret_is_there(&self, id: &IntegrationId) -> Result<bool, Error> {
        self.store.set_secret(id, StoredSecret::Stored, None)?;
        Ok(true)
    }

    /// The keychain entries that rows expect.
    pub(crate) fn expected_secrets(&self) -> Result<Vec<String>, Error> {
        let (rows, _) = self.store.integrations()?;
        Ok(rows.iter().filter(|row| row.secret.is_expected()).map(|row| row.id.secret_entry()).collect())
    }

    /// Marks rows whose secret is gone.
    pub(crate) async fn mark_missing_secrets(&self) -> Result<(), Error> {
        for row in self.store.integrations()?.0.iter().filter(|row| row.secret.is_expected()) {
            match self.stored_secret(&row.id, &row.recipient()).await {
                Ok(_) | Err(Error::SecretMissing) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The discovery document of the default integration's authority; `None` where nobody can sign in.
    pub(crate) fn default_discovery_url(&self) -> Result<Option<String>, Error> {
        let first = self.store.integrations()?.1.into_iter().next();
        let id = first.unwrap_or_else(IntegrationId::built_in);
        match self.registration(&id) {
            Ok(registration) => Ok(Some(registration.authority.discovery_url())),
            Err(Error::IntegrationNotFound | Error::BuiltInNotSetUp) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where the Graph of the default integration is, as far as that is known without asking.
    pub(crate) fn default_graph_url(&self) -> Result<Option<String>, Error> {
        let first = self.store.integrations()?.1.into_iter().next();
        let id = first.unwrap_or_else(IntegrationId::built_in);
        let Ok(registration) = self.registration(&id) else { return Ok(None) };
        Ok(self.identity.graph(&registration.authority).map(|graph| graph.as_str().to_owned()))
    }

    /// What a sign-in through this integration needs.
    pub(crate) fn registration(&self, id: &IntegrationId) -> Result<Registration, Error> {
        if !id.is_built_in() {
            let row = self.row(id)?;
            return Ok(Registration {
                id: row.id,
                client_id: row.client_id,
                authority: row.authority,
                scopes: row.scopes,
                redirect: row.redirect,
                has_secret: row.secret.is_expected(),
            });
        }
        let built_in = self.built_in.as_ref().ok_or(Error::IntegrationNotFound)?;
        built_in.registration().ok_or(Error::BuiltInNotSetUp)
    }

    /// The client secret; `None` for a public client.
    pub(crate) async fn client_secret(&self, of: &Registration) -> Result<Option<Bound>, Error> {
        if of.has_secret { self.stored_secret(&of.id, &of.recipient()).await.map(Some) } else { Ok(None) }
    }

    fn row(&self, id: &IntegrationId) -> Result<Integration, Error> {
        self.store.integration(id)?.ok_or(Error::IntegrationNotFound)
    }

    fn built_in_with_id(&self) -> Result<(Provider, String), Error> {
        let built_in = self.built_in.as_ref().ok_or(Error::IntegrationNotFound)?;
        if !built_in.has_client_id() {
            return Err(Error::BuiltInNotSetUp);
        }
        Ok((built_in.provider(), built_in.view(true).name))
    }

    /// Another integration of the same name, or with the same page.
    fn taken(&self, draft: &Draft) -> Result<Option<FieldProblem>, Error> {
        Ok(taken(&self.store.integrations()?.0, draft))
    }

    async fn stored_secret(&self, id: &IntegrationId, recipient: &Recipient) -> Result<Bound, Error> {
        // One for another authority or client ID is as good as none.
        let secret = self.secrets.get(&id.secret_entry()).await?;
        let row = self.row(id)?;
        if let Some(secret) = secret.filter(|secret| secret.is_for(recipient, None)) {
            if row.secret == StoredSecret::Missing {
                // It is there after all.
                self.store.set_secret(id, StoredSecret::Stored, None)?;
                self.changes.publish(Change::Integrations);
            }
            return Ok(secret);
        }
        if row.secret != StoredSecret::Missing {
            self.mark_missing(&row)?;
        }
        Err(Error::SecretMissing)
    }

    fn mark_missing(&self, row: &Integration) -> Result<(), Error> {
        let detail = json!({ "name": row.name });
        let entry = self.recorder.entry(Kind::SecretMissing, row.id.as_str(), ActOutcome::Failed, detail);
        self.store.set_secret(&row.id, StoredSecret::Missing, Some(&entry))?;
        self.changes.publish(Change::Integrations);
        Ok(())
    }

    fn write_row(
        &self,
        row: &Integration,
        before: Option<&Integration>,
        secret: &str,
        step: SecretStep<'_>,
    ) -> Result<(), Error> {
        // Nothing was written that could be swept.
        self.try_row(row, before, secret, step)?.map_or(Ok(()), refused)
    }

    /// Writes the row and its record. `None`: its secret was swept meanwhile.
    fn try_row(
        &self,
        row: &Integration,
        before: Option<&Integration>,
        secret: &str,
        step: SecretStep<'_>,
    ) -> Result<Option<IntegrationSaved>, StoreError> {
        // Where nothing else can be the default, the first one is.
        let has_built_in = self.built_in_with_id().is_ok_and(|(of, _)| of == row.authority.provider());
        let default_if_first = before.is_none() && !has_built_in;
        let has_moved = before.is_some_and(|before| before.recipient() != row.recipient());
        let kind = if before.is_some() { Kind::IntegrationChanged } else { Kind::IntegrationAdded };
        let detail = json!({
            "name": row.name,
            "client_id": row.client_id.as_str(),
            "authority": row.authority.label(),
            "scopes": row.scopes,
            "secret": secret,
        });
        let entry = self.recorder.entry(kind, row.id.as_str(), ActOutcome::Done, detail);
        self.store.save_integration(row, default_if_first, has_moved.then_some(MOVED), step, &entry)
    }

    /// The answer that the authority gave for this very form.
    fn check_of(&self, draft: &Draft, secret: &SecretChange) -> Option<Check> {
        let fingerprint = self.fingerprint(secret);
        let preflights = self.preflights();
        let known = preflights.get(&draft.id)?;
        (known.draft == *draft && known.secret == fingerprint).then(|| known.check.clone())
    }

    fn fingerprint(&self, secret: &SecretChange) -> u64 {
        match secret {
            SecretChange::Keep => 0,
            SecretChange::Remove => 1,
            SecretChange::Replace(secret) => self.fingerprints.hash_one(secret.expose_secret()) | 2,
        }
    }

    fn preflights(&self) -> std::sync::MutexGuard<'_, HashMap<IntegrationId, Preflighted>> {
        self.preflights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
