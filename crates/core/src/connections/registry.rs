//! The connections of this profile: signing in, fresh access, signing out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use blake2::{Blake2s256, Digest};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::access::{Access, GONE, LiveAccess, early};
use super::refresh_lock::RefreshLocks;
use super::sign_in::{Attempt, SignIns};
use super::{
    Answer, Connection, ConnectionId, ConnectionView, Fresh, Progress, ReturnPath, Revision, SignInId, SignInRequest,
    SignInView, Standing, Toolkit,
};
use crate::activity::{ActOutcome, Kind, Recorder};
use crate::begun::Begun;
use crate::change::{Change, Changes};
use crate::clock::{Clock, UnixMs};
use crate::error::Error;
use crate::hex::hex;
use crate::integrations::{IntegrationId, Integrations, ProfileParts, Redirect};
use crate::keys::KeyId;
use crate::leases::Leases;
use crate::limits::{Allowance, REFUSED_SIGN_INS_AN_HOUR};
use crate::permissions::{Intent, Leave, Permissions};
use crate::port::{Identity, Store, Tokens, UnderLease};
use crate::provider::{Authority, Discovery};
use crate::secrets::Secrets;

/// One call to Graph, as it is recorded.
pub struct GraphCall<'a> {
    pub method: &'a str,
    /// The path in Graph, without its query.
    pub path: &'a str,
    /// Graph's status.
    pub status: u16,
    /// From the call to the head of its answer.
    pub time: Duration,
    pub program: &'a str,
    /// The key that the program came with; `None`: a command asked.
    pub key: Option<&'a KeyId>,
}

/// The connections of this profile. What is not async blocks on SQLite.
pub struct Connections {
    pub(super) store: Arc<dyn Store>,
    pub(super) begun: Begun,
    pub(super) secrets: Secrets,
    pub(super) integrations: Arc<Integrations>,
    pub(super) identity: Arc<dyn Identity>,
    pub(super) recorder: Recorder,
    pub(super) clock: Clock,
    pub(super) changes: Changes,
    pub(super) sign_ins: SignIns,
    pub(super) ended: AtomicU64,
    /// Of answers to none, those that are put on record.
    refused_sign_ins: Allowance,
    live: Mutex<HashMap<ConnectionId, LiveAccess>>,
    /// One refresh at a time for each connection; the others wait for its outcome.
    pub(super) refresh_locks: RefreshLocks,
    discovered: Mutex<HashMap<Authority, (UnixMs, Discovery)>>,
}

impl Connections {
    pub(crate) fn new(
        shared: ProfileParts,
        integrations: Arc<Integrations>,
        begun: Begun,
        leases: Option<Leases>,
    ) -> Self {
        let ProfileParts { store, secrets, identity, recorder, clock, changes } = shared;
        Self {
            refresh_locks: RefreshLocks::new(store.folder(), leases.map(Arc::new), changes.clone()),
            store,
            begun,
            secrets,
            integrations,
            identity,
            recorder,
            clock,
            changes,
            sign_ins: SignIns::default(),
            ended: AtomicU64::new(0),
            refused_sign_ins: Allowance::an_hour(REFUSED_SIGN_INS_AN_HOUR),
            live: Mutex::default(),
            discovered: Mutex::default(),
        }
    }

    /// Every connection, by toolkit and account.
    pub fn list(&self) -> Result<Vec<ConnectionView>, Error> {
        let (now, stopwatch) = (self.clock.now(), self.clock.stopwatch());
        let rows = self.store.connections()?;
        let live = self.live();
        Ok(rows
            .iter()
            .map(|row| {
                let known = live.get(&row.id).filter(|live| live.revision == row.revision);
                let left = known.and_then(|live| live.access.as_ref()).map(|access| access.left(&self.clock));
                let until = left.filter(|left| !left.is_zero());
                let until = until.map(|left| now.after(left));
                let waiting =
                    known.and_then(|live| live.pause.as_ref()).filter(|pause| pause.error(stopwatch).is_some());
                let missing = Standing::NeedsSignIn(GONE.to_owned());
                let is_missing = row.standing == Standing::Connected && known.is_some_and(|live| live.is_missing);
                let standing = if is_missing { &missing } else { &row.standing };
                row.view(until, standing, waiting.map(|pause| pause.why.clone()))
            })
            .collect())
    }

    /// What a connection is for.
    pub fn toolkit(&self, id: &ConnectionId) -> Result<Toolkit, Error> {
        Ok(self.row(id)?.toolkit)
    }

    /// What a connection is for, and through which integration its account signs in.
    pub fn way_in(&self, id: &ConnectionId) -> Result<(Toolkit, IntegrationId), Error> {
        let row = self.row(id)?;
        Ok((row.toolkit, row.integration))
    }

    /// Whether answers for this integration come through loopback.
    pub fn returns_through_loopback(&self, integration: &IntegrationId) -> Result<bool, Error> {
        Ok(self.integrations.registration(integration)?.redirect == Redirect::Loopback)
    }

    /// Whether the answer of this sign-in may still come through loopback.
    pub fn waits_on_loopback(&self, id: &SignInId) -> bool {
        self.sign_ins.waits_on_loopback(id, self.clock.stopwatch())
    }

    /// Prepares a sign-in; its link is to be opened in the browser.
    pub async fn begin(&self, request: SignInRequest, loopback_port: Option<u16>) -> Result<SignInView, Error> {
        let registration = self.integrations.registration(&request.integration)?;
        let again = match &request.again {
            Some(id) => Some(self.row(id)?),
            None => None,
        };
        let found = self.discover(&registration.authority).await.map_err(Error::Authority)?;
        let with = (self.identity.as_ref(), &self.clock);
        let challenge = again.as_ref().and_then(|row| row.challenge.as_deref());
        let attempt = Attempt::new(request, &registration, &found, again.as_ref(), challenge, loopback_port, with)
            .map_err(|problem| Error::Internal(problem.to_owned()))?;
        self.keep_sign_in(&attempt).await?;
        Ok(self.sign_ins.add(attempt))
    }

    /// How far a sign-in has come.
    pub fn sign_in(&self, id: &SignInId) -> Option<SignInView> {
        self.sign_ins.view(id, self.clock.stopwatch())
    }

    /// How many sign-ins have ended so far: whoever waits for one looks when it grows.
    pub fn ended_sign_ins(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    pub async fn cancel(&self, id: &SignInId) -> Result<(), Error> {
        self.sign_ins.cancel(id);
        self.changes.publish(Change::SignIns);
        self.drop_sign_in(id).await
    }

    /// Takes an answer. One that no live attempt of this door waits for changes nothing but
    /// the record. An answer that was taken is seen to its end, whoever stops waiting for that.
    pub async fn answer(self: &Arc<Self>, answer: Answer, path: &ReturnPath) -> Result<Progress, Error> {
        let (this, path) = (self.clone(), path.clone());
        let ended = self.begun.run(async move { this.take_answer(answer, &path).await }).await;
        ended.unwrap_or_else(|| Err(Error::Internal("a sign-in ended before its end".into())))
    }

    async fn take_answer(&self, answer: Answer, path: &ReturnPath) -> Result<Progress, Error> {
        let mut taken = self.sign_ins.take(&answer, path, self.clock.stopwatch());
        if let ReturnPath::Link(integration) = path {
            match &taken {
                Some(taken) => self.drop_sign_in(&taken.id).await?,
                None => taken = self.take_kept(&answer.state, integration).await?,
            }
        }
        let Some(taken) = taken else {
            // Anybody can send one, as often as they like.
            if self.refused_sign_ins.take(self.clock.now()) {
                self.record(Kind::SignInRefused, "", ActOutcome::Failed, json!({ "why": "no sign-in waits for it" }))?;
            }
            return Err(Error::UnknownSignIn);
        };
        self.changes.publish(Change::SignIns);
        let outcome = self.connect(&taken, answer).await;
        Ok(self.end(taken, outcome).await)
    }

    /// A toolkit had access: a receipt without the token.
    pub fn hand_over(&self, id: &ConnectionId, fresh: &Fresh, program: &str, key: Option<&KeyId>) -> Result<(), Error> {
        let now = self.clock.now();
        // Tells two tokens apart in the record; says nothing about either.
        let fingerprint = hex(&Blake2s256::digest(fresh.token.expose_secret())[..4]);
        let minutes = (fresh.expires_at.0 - now.0).max(0) / 60_000;
        let (account, key) = self.names(id, key)?;
        let detail = json!({
            "program": program,
            "account": account,
            "key": key,
            "scopes": fresh.scopes,
            "minutes_left": minutes,
            "token": fingerprint,
        });
        let entry = self.recorder.entry(Kind::TokenHanded, id.as_str(), ActOutcome::Done, detail);
        self.store.used(id, now, &entry)?;
        self.changes.publish(Change::Connections);
        Ok(())
    }

    /// A toolkit called Graph through the gateway: what came of it, without query and body.
    pub fn graph_called(&self, id: &ConnectionId, call: &GraphCall<'_>) -> Result<(), Error> {
        let now = self.clock.now();
        let outcome = if call.status < 400 { ActOutcome::Done } else { ActOutcome::Failed };
        let (account, key) = self.names(id, call.key)?;
        let detail = json!({
            "account": account,
            "key": key,
            "method": call.method,
            "path": call.path,
            "status": call.status,
            "ms": u64::try_from(call.time.as_millis()).unwrap_or(u64::MAX),
            "program": call.program,
        });
        Ok(self.store.used(id, now, &self.recorder.entry(Kind::GraphCall, id.as_str(), outcome, detail))?)
    }

    /// Whose connection it is, and how an admin calls the key: a row of the record is read long after both are gone.
    pub(super) fn names(&self, id: &ConnectionId, key: Option<&KeyId>) -> Result<(String, Option<String>), Error> {
        let account = self.store.connection(id)?.map(|row| row.account.label).unwrap_or_default();
        let key = key.map(|key| self.store.key(key)).transpose()?.flatten();
        Ok((account, key.map(|key| key.name)))
    }

    /// Whose a connection is.
    pub fn account(&self, id: &ConnectionId) -> Result<String, Error> {
        Ok(self.row(id)?.account.label)
    }

    /// Whether agents may use a connection so. Reads the row: what an administrator took away in another process counts
    /// from that moment on.
    pub fn permit(&self, id: &ConnectionId, asked: Intent) -> Result<Leave, Error> {
        let row = self.row(id)?;
        row.permissions.check(asked).map_err(|missing| Error::NotPermitted { account: row.account.label, missing })
    }

    /// Says what agents may do through a connection from now on.
    pub fn set_permissions(&self, id: &ConnectionId, permissions: Permissions) -> Result<(), Error> {
        let row = self.row(id)?;
        if row.permissions == permissions {
            return Ok(());
        }
        let detail = json!({
            "account": row.account.label,
            "toolkit": row.toolkit,
            "before": row.permissions,
            "permissions": permissions,
        });
        let entry = self.recorder.entry(Kind::PermissionsChanged, id.as_str(), ActOutcome::Done, detail);
        if !self.store.set_permissions(id, &permissions, &entry)? {
            return Err(Error::ConnectionNotFound);
        }
        self.changes.publish(Change::Connections);
        Ok(())
    }

    /// Signs out here: the refresh token goes, the account at Microsoft stays.
    pub async fn disconnect(&self, id: &ConnectionId) -> Result<(), Error> {
        let row = self.row(id)?;
        let lock = self.refresh_locks.wait(id).await?;
        self.live().remove(id);
        let detail = json!({ "account": row.account.label, "toolkit": row.toolkit });
        let entry = self.recorder.entry(Kind::Disconnected, id.as_str(), ActOutcome::Done, detail);
        self.secrets
            .remove(&id.token_entry(), |step| {
                if self.store.delete_connection(id, step, &entry)? { Ok(()) } else { Err(Error::ConnectionNotFound) }
            })
            .await?;
        self.live().remove(id);
        lock.end();
        lock.give_back().await;
        self.refresh_locks.forget(id);
        self.changes.publish(Change::Connections);
        Ok(())
    }

    pub(crate) fn through(&self, integration: &IntegrationId) -> Result<Vec<ConnectionId>, Error> {
        Ok(self.store.connections_through(integration)?.into_iter().map(|(id, _)| id).collect())
    }

    pub(crate) fn expected_secrets(&self) -> Result<Vec<String>, Error> {
        let tokens = self.store.connections()?.iter().map(|row| row.id.token_entry()).collect::<Vec<_>>();
        Ok(tokens.into_iter().chain(self.kept_entries()?).collect())
    }

    pub(crate) async fn mark_missing_secrets(&self) -> Result<(), Error> {
        let mut changed = false;
        let looked = self.look_for_secrets(&mut changed).await;
        // Once for all of them: each piece of news has lists read again.
        if changed {
            self.changes.publish(Change::Connections);
        }
        looked
    }

    async fn look_for_secrets(&self, changed: &mut bool) -> Result<(), Error> {
        for row in self.store.connections()?.iter().filter(|row| row.standing == Standing::Connected) {
            // An integration that can't be used as things are, by this build or policy, ends no sign-in.
            let Ok(registration) = self.integrations.registration(&row.integration) else { continue };
            let token = self.secrets.get(&row.id.token_entry()).await?;
            let (recipient, owner) = (registration.recipient(), row.account.owner());
            *changed |= self.note_missing(row, !token.is_some_and(|token| token.is_for(&recipient, Some(&owner))));
        }
        Ok(())
    }

    /// What a look into the vault has shown of this connection.
    pub(super) fn mark_missing(&self, row: &Connection, is_missing: bool) {
        if self.note_missing(row, is_missing) {
            self.changes.publish(Change::Connections);
        }
    }

    /// Whether that was not known.
    fn note_missing(&self, row: &Connection, is_missing: bool) -> bool {
        let mut live = self.live();
        let live = live.entry(row.id.clone()).or_insert_with(|| LiveAccess::of(row.revision));
        if live.revision != row.revision {
            *live = LiveAccess::of(row.revision);
        }
        std::mem::replace(&mut live.is_missing, is_missing) != is_missing
    }

    /// Forgets what was held for rows that are gone or have another revision by now: whoever ended or changed
    /// them, here or in another process.
    pub(crate) fn follow_rows(&self) -> Result<(), Error> {
        let rows = self.store.connections()?;
        self.live().retain(|id, live| {
            let Some(row) = rows.iter().find(|row| row.id == *id && row.revision == live.revision) else {
                return false;
            };
            // Another process was given what this one still waits for.
            live.pause.take_if(|pause| pause.refreshed_at != row.refreshed_at);
            true
        });
        Ok(())
    }

    /// Ends what came of sign-ins through an integration that leads elsewhere since it was changed.
    pub(crate) async fn forget_moved(&self, integration: &IntegrationId) -> Result<(), Error> {
        self.follow_rows()?;
        let recipient = self.integrations.registration(integration)?.recipient();
        for row in self.store.connections()?.into_iter().filter(|row| row.integration == *integration) {
            let entry = row.id.token_entry();
            let token = self.secrets.get(&entry).await?;
            if token.is_some_and(|token| !token.is_for(&recipient, Some(&row.account.owner()))) {
                self.secrets.forget(&entry).await?;
            }
        }
        self.changes.publish(Change::Connections);
        Ok(())
    }

    /// Holds what tokens open, for as long as the row has this revision.
    pub(super) fn take_over(&self, row: &Connection, revision: Revision, tokens: &Tokens, found: &Discovery) -> Access {
        let lifetime = tokens.lifetime;
        let access = Access {
            token: tokens.access.clone(),
            expires_at: self.clock.now().after(lifetime),
            ends: self.clock.stopwatch().saturating_add(lifetime),
            early: early(lifetime),
            scopes: tokens.granted.as_ref().unwrap_or(&row.granted).clone(),
            graph: found.graph.clone(),
            provider: found.authority.provider(),
        };
        let held = LiveAccess { access: Some(access.clone()), ..LiveAccess::of(revision) };
        self.live().insert(row.id.clone(), held);
        // Changed while this was written: nobody would tell of it any more.
        if self.store.connection(&row.id).is_ok_and(|row| row.is_none_or(|row| row.revision != revision)) {
            self.live().remove(&row.id);
        }
        access
    }

    pub(super) fn set_standing(
        &self,
        id: &ConnectionId,
        standing: &Standing,
        challenge: Option<&str>,
        lease: Option<UnderLease<'_>>,
    ) -> Result<Option<Revision>, Error> {
        let revision = self.store.set_standing(id, standing, challenge, lease)?;
        // It is written, and told as that.
        if let Err(error) = self.follow_rows() {
            tracing::warn!(%error, "a connection was changed, and could not be read again");
            self.live().remove(id);
        }
        self.changes.publish(Change::Connections);
        Ok(revision)
    }

    pub(super) fn record(&self, kind: Kind, subject: &str, outcome: ActOutcome, detail: Value) -> Result<(), Error> {
        Ok(self.store.append(&self.recorder.entry(kind, subject, outcome, detail))?)
    }

    pub(super) fn row(&self, id: &ConnectionId) -> Result<Connection, Error> {
        self.store.connection(id)?.ok_or(Error::ConnectionNotFound)
    }

    pub(super) fn live(&self) -> std::sync::MutexGuard<'_, HashMap<ConnectionId, LiveAccess>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn discovered(&self) -> std::sync::MutexGuard<'_, HashMap<Authority, (UnixMs, Discovery)>> {
        self.discovered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
