//! The integrations of this profile: what an admin can do with them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Transaction;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::built_in::BuiltIn;
use super::draft::SecretInForm;
use super::preflight;
use super::{Check, Draft, DraftReport, Field, FieldProblem, Integration, IntegrationId, IntegrationView};
use super::{Registration, StepReport, StoredSecret};
use crate::activity::{Came, Entry, Kind, Recorder};
use crate::change::{Change, Changes};
use crate::clock::Clock;
use crate::error::Error;
use crate::microsoft::checked_secret;
use crate::network::Network;
use crate::policy::Policy;
use crate::secrets::Secrets;
use crate::store::{Store, integrations as rows};
use crate::vault::SecretChange;

/// The integrations of this profile. What is not async blocks on SQLite.
pub struct Integrations {
    store: Arc<Store>,
    secrets: Secrets,
    network: Arc<Network>,
    recorder: Recorder,
    clock: Clock,
    changes: Changes,
    built_in: Option<BuiltIn>,
    /// How the latest preflight of each form ended, so that saving that very form keeps it.
    preflights: Mutex<HashMap<IntegrationId, Preflighted>>,
    fingerprints: RandomState,
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
pub(crate) struct Shared {
    pub(crate) store: Arc<Store>,
    pub(crate) secrets: Secrets,
    pub(crate) recorder: Recorder,
    pub(crate) clock: Clock,
    pub(crate) changes: Changes,
}

impl Integrations {
    pub(crate) fn new(shared: Shared, network: Arc<Network>, policy: &Policy) -> Self {
        let Shared { store, secrets, recorder, clock, changes } = shared;
        Self {
            store,
            secrets,
            network,
            recorder,
            clock,
            changes,
            built_in: BuiltIn::new(&policy.microsoft),
            preflights: Mutex::default(),
            fingerprints: RandomState::new(),
        }
    }

    /// Every integration, the built-in one first.
    pub fn list(&self) -> Result<Vec<IntegrationView>, Error> {
        let now = self.clock.now();
        let (custom, default) = self.store.read(|db| Ok((rows::all(db)?, rows::default_id(db)?)))?;
        let built_in = self.built_in.iter().map(|built_in| built_in.view(default.is_none()));
        Ok(built_in.chain(custom.iter().map(|row| row.view(now, default.as_ref()))).collect())
    }

    /// An empty form.
    pub fn fresh_draft(&self) -> Draft {
        Draft::fresh()
    }

    /// The form of an integration. The secret is not in it.
    pub fn draft(&self, id: &IntegrationId) -> Result<Draft, Error> {
        Ok(Draft::of(&self.row(id)?))
    }

    /// Checks a form as it is typed, without asking anybody.
    pub fn report(&self, draft: &Draft, secret: &SecretChange) -> Result<DraftReport, Error> {
        let before = self.store.read(|db| rows::by_id(db, &draft.id))?;
        let secret = SecretInForm::after(secret, before.is_some_and(|row| row.secret.is_expected()));
        let mut checked = draft.check(secret);
        checked.problems.extend(self.taken(draft)?);
        Ok(draft.report(checked, secret))
    }

    /// Asks the authority about a form that may not be saved yet. Returns whether all passed.
    pub async fn preflight(
        &self,
        draft: Draft,
        secret: SecretChange,
        tell: &mut (dyn FnMut(StepReport) + Send),
    ) -> Result<bool, Error> {
        let before = self.store.read(|db| rows::by_id(db, &draft.id))?;
        let stored = before.as_ref().is_some_and(|row| row.secret.is_expected());
        let form = SecretInForm::after(&secret, stored);
        let mut subject =
            draft.check(form).row(&draft, before.as_ref(), self.clock.now()).map_err(Error::Integration)?;
        subject.secret = if form.is_there() { StoredSecret::Stored } else { StoredSecret::None };
        let presented = match form {
            SecretInForm::Typed(typed) => checked_secret(typed).ok(),
            SecretInForm::Stored => Some(self.stored_secret(&subject.id).await?),
            SecretInForm::None => None,
        };
        let failure = preflight::run(&subject, presented.as_ref(), &self.network, tell).await;

        let problem = failure.as_ref().map(|failure| format!("{failure}. {}", failure.fix));
        let check = Check { at: self.clock.now(), problem };
        let outcome = if failure.is_none() { Came::Done } else { Came::Failed };
        let detail = json!({
            "name": subject.name,
            "authority": subject.authority.label(),
            "problem": check.problem,
            "aadsts": failure.as_ref().and_then(|failure| failure.aadsts),
            "correlation_id": failure.as_ref().and_then(|failure| failure.correlation_id.clone()),
        });
        let as_saved = before.is_some_and(|row| Draft::of(&row) == draft) && matches!(secret, SecretChange::Keep);
        self.store.write(|tx| {
            if as_saved {
                rows::set_check(tx, &draft.id, &check)?;
            }
            Ok(self
                .recorder
                .append(tx, &Entry { kind: Kind::Preflight, subject: draft.id.as_str(), outcome, detail })?)
        })?;
        if as_saved {
            self.changes.tell(Change::Integrations);
        }
        let passed = check.problem.is_none();
        let secret = self.fingerprint(&secret);
        self.preflights().insert(draft.id.clone(), Preflighted { draft, secret, check });
        Ok(passed)
    }

    /// Adds the integration, or changes the one of the same id.
    pub async fn save(&self, draft: Draft, secret: SecretChange) -> Result<IntegrationView, Error> {
        let before = self.store.read(|db| rows::by_id(db, &draft.id))?;
        if draft.id.is_built_in() {
            return Err(Error::BuiltInIsFixed);
        }
        let stored = before.as_ref().is_some_and(|row| row.secret.is_expected());
        let mut row = draft
            .check(SecretInForm::after(&secret, stored))
            .row(&draft, before.as_ref(), self.clock.now())
            .map_err(Error::Integration)?;
        row.check = self.check_of(&draft, &secret);
        let entry = row.id.secret_entry();
        match &secret {
            SecretChange::Keep => {
                self.store.write(|tx| self.write_row(tx, &row, before.as_ref(), "kept"))?;
            }
            SecretChange::Remove => {
                row.secret = StoredSecret::None;
                row.secret_expires_at = None;
                self.secrets.remove(&entry, |tx| self.write_row(tx, &row, before.as_ref(), "removed")).await?;
            }
            SecretChange::Replace(typed) => {
                let checked = checked_secret(typed)
                    .map_err(|problem| Error::Integration(FieldProblem::new(Field::Secret, problem.text())))?;
                if let Some(problem) = self.taken(&draft)? {
                    return Err(Error::Integration(problem));
                }
                row.secret = StoredSecret::Stored;
                let write = |tx: &Transaction<'_>| self.write_row(tx, &row, before.as_ref(), "replaced");
                self.secrets.put(&entry, &checked, write).await?;
            }
        }
        self.preflights().remove(&draft.id);
        self.changes.tell(Change::Integrations);
        let default = self.store.read(rows::default_id)?;
        Ok(row.view(self.clock.now(), default.as_ref()))
    }

    /// Removes the row, then its secret.
    pub(crate) async fn delete(&self, id: &IntegrationId) -> Result<(), Error> {
        if id.is_built_in() {
            return Err(Error::BuiltInIsFixed);
        }
        let row = self.row(id)?;
        self.secrets
            .remove(&id.secret_entry(), |tx| {
                if !rows::delete(tx, id)? {
                    return Err(Error::IntegrationNotFound);
                }
                let detail = json!({ "name": row.name });
                let entry = Entry { kind: Kind::IntegrationRemoved, subject: id.as_str(), outcome: Came::Done, detail };
                Ok(self.recorder.append(tx, &entry)?)
            })
            .await?;
        self.changes.tell(Change::Integrations);
        Ok(())
    }

    /// Pre-selects this one where a connection is made.
    pub fn set_default(&self, id: &IntegrationId) -> Result<(), Error> {
        let custom = (!id.is_built_in()).then_some(id);
        let name = match custom {
            Some(id) => self.row(id)?.name,
            None => self.built_in_with_id()?,
        };
        self.store.write(|tx| {
            rows::set_default(tx, custom)?;
            let detail = json!({ "name": name });
            let entry = Entry { kind: Kind::DefaultChanged, subject: id.as_str(), outcome: Came::Done, detail };
            Ok(self.recorder.append(tx, &entry)?)
        })?;
        self.changes.tell(Change::Integrations);
        Ok(())
    }

    /// The keychain entries that rows expect.
    pub(crate) fn expected_secrets(&self) -> Result<Vec<String>, Error> {
        let rows = self.store.read(rows::all)?;
        Ok(rows.iter().filter(|row| row.secret.is_expected()).map(|row| row.id.secret_entry()).collect())
    }

    /// Marks rows whose secret is gone.
    pub(crate) async fn mark_missing_secrets(&self) -> Result<(), Error> {
        for row in self.store.read(rows::all)?.iter().filter(|row| row.secret == StoredSecret::Stored) {
            if self.secrets.get(&row.id.secret_entry()).await?.is_none() {
                self.mark_missing(row)?;
            }
        }
        Ok(())
    }

    /// The discovery document of the default integration's authority; `None` where nobody can sign in.
    pub(crate) fn default_discovery_url(&self) -> Result<Option<String>, Error> {
        let id = self.store.read(rows::default_id)?.unwrap_or_else(IntegrationId::built_in);
        match self.registration(&id) {
            Ok(registration) => Ok(Some(registration.authority.discovery_url())),
            Err(Error::IntegrationNotFound | Error::BuiltInNotSetUp) => Ok(None),
            Err(error) => Err(error),
        }
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
                way_back: row.way_back,
                has_secret: row.secret.is_expected(),
            });
        }
        let built_in = self.built_in.as_ref().ok_or(Error::IntegrationNotFound)?;
        built_in.registration().ok_or(Error::BuiltInNotSetUp)
    }

    /// The client secret; `None` for a public client.
    pub(crate) async fn client_secret(&self, of: &Registration) -> Result<Option<SecretString>, Error> {
        if of.has_secret { self.stored_secret(&of.id).await.map(Some) } else { Ok(None) }
    }

    fn row(&self, id: &IntegrationId) -> Result<Integration, Error> {
        self.store.read(|db| rows::by_id(db, id))?.ok_or(Error::IntegrationNotFound)
    }

    fn built_in_with_id(&self) -> Result<String, Error> {
        let built_in = self.built_in.as_ref().ok_or(Error::IntegrationNotFound)?;
        if built_in.client_id.is_none() {
            return Err(Error::BuiltInNotSetUp);
        }
        Ok(built_in.view(true).name)
    }

    /// Another integration of the same name.
    fn taken(&self, draft: &Draft) -> Result<Option<FieldProblem>, Error> {
        let other = self.store.read(|db| rows::named(db, draft.name.trim()))?.filter(|other| *other != draft.id);
        Ok(other.map(|_| FieldProblem::new(Field::Name, TAKEN)))
    }

    async fn stored_secret(&self, id: &IntegrationId) -> Result<SecretString, Error> {
        if let Some(secret) = self.secrets.get(&id.secret_entry()).await? {
            return Ok(secret);
        }
        self.mark_missing(&self.row(id)?)?;
        Err(Error::SecretMissing)
    }

    fn mark_missing(&self, row: &Integration) -> Result<(), Error> {
        self.store.write(|tx| {
            rows::set_secret(tx, &row.id, StoredSecret::Missing)?;
            let detail = json!({ "name": row.name });
            let entry = Entry { kind: Kind::SecretMissing, subject: row.id.as_str(), outcome: Came::Failed, detail };
            Ok(self.recorder.append(tx, &entry)?)
        })?;
        self.changes.tell(Change::Integrations);
        Ok(())
    }

    /// Writes the row and its record, in one transaction with whatever else it belongs to.
    fn write_row(
        &self,
        tx: &Transaction<'_>,
        row: &Integration,
        before: Option<&Integration>,
        secret: &str,
    ) -> Result<(), Error> {
        if rows::named(tx, &row.name)?.is_some_and(|other| other != row.id) {
            return Err(Error::Integration(FieldProblem::new(Field::Name, TAKEN)));
        }
        // Where nothing else can be the default, the first one is.
        let first = before.is_none() && self.built_in_with_id().is_err() && rows::all(tx)?.is_empty();
        rows::save(tx, row)?;
        if first {
            rows::set_default(tx, Some(&row.id))?;
        }
        let kind = if before.is_some() { Kind::IntegrationChanged } else { Kind::IntegrationAdded };
        let detail = json!({
            "name": row.name,
            "client_id": row.client_id.as_str(),
            "authority": row.authority.label(),
            "scopes": row.scopes,
            "secret": secret,
        });
        let entry = Entry { kind, subject: row.id.as_str(), outcome: Came::Done, detail };
        Ok(self.recorder.append(tx, &entry)?)
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
