//! Fresh access: one refresh at a time for each connection, and what a failed one leaves.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::access::{Access, EARLY, Fresh, GONE, LiveAccess, Pause, failure_detail};
use super::refresh_lock::RefreshLock;
use super::{Account, Connection, ConnectionId, Connections, Revision, Standing};
use crate::activity::{ActOutcome, Kind};
use crate::bound::{Bound, Recipient};
use crate::change::Change;
use crate::clock::UnixMs;
use crate::error::{Error, StoreError};
use crate::port::{Client, Grant, Meaning, Refreshed, RenewedAccess, SecretStep, TokenFailure, Tokens};
use crate::provider::{Authority, AuthorityFailure, Discovery};

/// A discovery document is asked for again after a day; Entra's own say the same.
const DISCOVERY_LIFE: i64 = UnixMs::DAY;
/// A connection left idle is refreshed once a week, so that its 90 days never lapse.
const IDLE: i64 = 7 * UnixMs::DAY;
/// After a failure that says nothing about the tokens.
const PAUSE: Duration = Duration::from_secs(15);
/// A connection that fails is not asked about again at once; a corrected registration ends this.
const FAILING_PAUSE: Duration = Duration::from_mins(1);
/// When another host will have renewed it.
const SOON: Duration = Duration::from_secs(1);
/// Why a token that may be spent is not sent again.
const SPENT_OR_NOT: &str = "A host that renewed this sign-in ended before it could say what came of it. Its refresh \
                            token may be spent, and the authority would take a second use for a theft, so it was not \
                            sent again. Sign in again.";
/// How soon what could not be kept is tried to be kept again, at first and at the latest.
const KEEP_AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

impl Connections {
    /// Fresh access: at hand, or by one refresh that all who ask meanwhile wait for. A refresh that has begun goes on
    /// to its end, whoever stops waiting for it.
    pub async fn fresh(self: &Arc<Self>, id: &ConnectionId) -> Result<Fresh, Error> {
        if let Some(access) = self.at_hand(id, true) {
            return Ok(access.fresh(&self.clock));
        }
        let (this, id) = (self.clone(), id.clone());
        let refreshed = self.begun.run(async move { this.refreshed(&id).await }).await;
        refreshed.unwrap_or_else(|| Err(Error::Internal("a refresh ended before its end".into())))
    }

    async fn refreshed(self: &Arc<Self>, id: &ConnectionId) -> Result<Fresh, Error> {
        match self.refresh_alone(id).await {
            Ok(access) => Ok(access.fresh(&self.clock)),
            // What is at hand still opens Graph while the authority can't be asked.
            Err(error @ (Error::Waiting { .. } | Error::Authority(_) | Error::Store(_) | Error::Vault(_))) => {
                self.at_hand(id, false).map(|access| access.fresh(&self.clock)).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Access that is fresh, or was given by a refresh under the lock.
    async fn refresh_alone(self: &Arc<Self>, id: &ConnectionId) -> Result<Access, Error> {
        let lock = self.refresh_locks.wait_unless(id, || self.at_hand(id, false).is_some()).await?;
        if let Some(access) = self.at_hand(id, true) {
            return Ok(access);
        }
        let Some(lock) = lock else {
            // Another host renews it. What it is given is not for this one; what is at hand is.
            let why = "Another host renews this connection. Try again.".to_owned();
            return self.at_hand(id, false).ok_or(Error::Waiting { why, left: SOON });
        };
        match self.refresh(id, &lock).await {
            // Spent: what was given for it is not let go of. The access is good all the same.
            Ok((access, Some(kept))) => {
                let this = self.clone();
                self.begun.leave(async move { this.keep_later(kept, lock).await });
                Ok(access)
            }
            done => {
                lock.give_back().await;
                done.map(|(access, _)| access)
            }
        }
    }

    /// Graph refused the token although its time was not over: the next call gets another one,
    /// which holds what the challenge asks for. Blocks on SQLite where there is one.
    pub fn drop_access(&self, id: &ConnectionId, token: &SecretString, challenge: Option<String>) {
        let is_ours = {
            let mut live = self.live();
            let held = live.get_mut(id).filter(|live| {
                live.access.as_ref().is_some_and(|access| access.token.expose_secret() == token.expose_secret())
            });
            held.map(|live| live.access = None).is_some()
        };
        if let Some(challenge) = challenge.filter(|_| is_ours)
            && let Err(error) = self.store.set_challenge(id, &challenge)
        {
            tracing::warn!(%error, "what the provider asks for could not be written down");
        }
    }

    /// Renews what would end soon or has lain idle for a week. Called once in a while.
    pub async fn renew(self: &Arc<Self>) -> Result<(), Error> {
        let now = self.clock.now();
        for row in self.store.connections()?.iter().filter(|row| row.standing == Standing::Connected) {
            let left =
                self.live().get(&row.id).and_then(|live| live.access.as_ref()).map(|access| access.left(&self.clock));
            let soon = left.is_some_and(|left| left <= EARLY + Duration::from_mins(1));
            // Dated ahead by a clock that was wrong, it would never be idle.
            let idle = row.refreshed_at.plus(IDLE) <= now || row.refreshed_at > now.plus(UnixMs::DAY);
            // Access that nobody used for a day is left to lapse until somebody asks.
            let wanted = row.used_at.unwrap_or(row.signed_in_at).plus(UnixMs::DAY) > now;
            if ((soon && wanted) || idle)
                && let Err(error) = self.fresh(&row.id).await
            {
                tracing::info!(%error, connection = row.id.as_str(), "a connection could not be renewed");
            }
        }
        Ok(())
    }

    /// One refresh, under this lock, and what of it could not be kept yet.
    async fn refresh(&self, id: &ConnectionId, lock: &RefreshLock) -> Result<(Access, Option<Kept>), Error> {
        // Read inside the refresh lock: another process may have signed in or out meanwhile.
        let row = self.row(id)?;
        if let Standing::NeedsSignIn(why) = row.standing {
            return Err(Error::NeedsSignIn(why));
        }
        let paused =
            self.live().get(id).filter(|live| live.revision == row.revision).and_then(|live| live.pause.clone());
        if let Some(error) = paused.and_then(|pause| pause.error(self.clock.stopwatch())) {
            return Err(error);
        }
        let entry = id.token_entry();
        let registration = self.integrations.registration(&row.integration)?;
        if lock.is_outcome_unknown() && !self.identity.may_spend_again(&registration.authority) {
            return Err(self.spent_or_not(&row, lock));
        }
        let recipient = registration.recipient();
        let owner = row.account.owner();
        // One for another authority, client ID or account is as good as none.
        let token = self.secrets.get(&entry).await?.filter(|token| token.is_for(&recipient, Some(&owner)));
        let Some(token) = token else {
            self.mark_missing(&row, true);
            return Err(Error::NeedsSignIn(GONE.to_owned()));
        };
        let found = match self.discover_for(&registration.authority, &row.account).await {
            Ok(found) => found,
            Err(failure) => return Err(self.wait(&row, PAUSE, &failure)),
        };
        let secret = if row.confidential { self.integrations.client_secret(&registration).await? } else { None };
        let client = Client { client_id: &registration.client_id, secret: secret.as_ref(), found: &found };
        let grant = Grant::Refresh { token: &token, granted: &row.granted };
        // The token is spent by asking: before that it is sure that its successor can be kept.
        self.secrets.make_sure(&entry).await?;
        if let Err(error) = lock.begin().await {
            self.secrets.nothing_written(&entry);
            return Err(error);
        }
        match self.identity.tokens(client, grant, &row.asked, row.challenge.as_deref()).await {
            Ok(tokens) => {
                let kept = Kept { row, recipient, owner, tokens, found };
                match self.keep_refreshed(&kept, lock).await {
                    Ok(revision) => Ok((self.take_over(&kept.row, revision, &kept.tokens, &kept.found), None)),
                    Err(Unkept::Later(error)) => {
                        tracing::error!(%error, "what a refresh brought could not be kept yet");
                        let access = self.take_over(&kept.row, kept.row.revision, &kept.tokens, &kept.found);
                        Ok((access, Some(kept)))
                    }
                    Err(Unkept::Never(error)) => Err(error),
                }
            }
            Err(failed) => {
                self.secrets.nothing_written(&entry);
                let refused = self.refused(&row, failed, lock).await;
                lock.end();
                Err(refused)
            }
        }
    }

    /// A host ended between spending the refresh token and keeping what it was given, if it came that far.
    fn spent_or_not(&self, row: &Connection, lock: &RefreshLock) -> Error {
        match self.set_standing(&row.id, &Standing::NeedsSignIn(SPENT_OR_NOT.to_owned()), None, lock.under()) {
            Ok(_) => {
                lock.end();
                Error::NeedsSignIn(SPENT_OR_NOT.to_owned())
            }
            Err(error) => error,
        }
    }

    /// Keeps what a refresh brought; the new refresh token before the new access is used.
    async fn keep_refreshed(&self, kept: &Kept, lock: &RefreshLock) -> Result<Revision, Unkept> {
        let Kept { row, recipient, owner, tokens, .. } = kept;
        let write = |step: SecretStep<'_>| {
            // Dated when it is written: the vault may have waited for a person before.
            let done = self.recorder.entry(
                Kind::Refresh,
                row.id.as_str(),
                ActOutcome::Done,
                json!({ "account": row.account.label }),
            );
            let (granted, confidential) = (tokens.granted.as_deref(), tokens.confidential);
            let new = RenewedAccess { at: self.clock.now(), granted, confidential };
            self.store.refreshed(row, &new, step, lock.under(), &done)
        };
        let entry = row.id.token_entry();
        let written = if let Some(rotated) = &tokens.refresh {
            let rotated = Bound::new(recipient.clone(), rotated.clone()).of_account(owner.clone());
            Some(self.secrets.replace(&entry, &rotated, write).await.map_err(Unkept::of)?)
        } else {
            self.secrets.nothing_written(&entry);
            write(SecretStep::Nothing).map_err(|error| Unkept::of(error.into()))?
        };
        // Kept, or for nobody.
        lock.end();
        match written {
            Some(Refreshed::Kept(revision)) => {
                self.changes.publish(Change::Connections);
                Ok(revision)
            }
            Some(Refreshed::Ended(why)) => Err(Unkept::Never(Error::NeedsSignIn(why))),
            Some(Refreshed::Gone) | None => Err(Unkept::Never(Error::ConnectionNotFound)),
        }
    }

    /// Tries until it is kept, or not to be kept any more. Nobody else refreshes meanwhile.
    async fn keep_later(self: Arc<Self>, kept: Kept, lock: RefreshLock) {
        let (mut pause, longest) = KEEP_AGAIN;
        loop {
            tokio::time::sleep(pause).await;
            match self.keep_refreshed(&kept, &lock).await {
                Ok(_) => {
                    tracing::info!(connection = kept.row.id.as_str(), "what a refresh brought is kept now");
                    break;
                }
                Err(Unkept::Never(error)) => {
                    tracing::info!(%error, "what a refresh brought is of no use any more");
                    break;
                }
                Err(Unkept::Later(_)) => pause = (pause * 2).min(longest),
            }
        }
        lock.give_back().await;
    }

    /// What a failed refresh leaves behind, and the error to tell. Where that can't be written down, it is told all the
    /// same.
    async fn refused(&self, row: &Connection, failed: TokenFailure, lock: &RefreshLock) -> Error {
        let TokenFailure { failure, meaning, claims } = failed;
        let text = format!("{failure}. {}", failure.fix);
        let mut detail = failure_detail(&failure, row.toolkit.as_str());
        detail["account"] = json!(row.account.label);
        if let Err(error) = self.record(Kind::Refresh, row.id.as_str(), ActOutcome::Failed, detail) {
            tracing::warn!(%error, "a failed refresh could not be recorded");
        }
        let written = match meaning {
            Meaning::Wait(pause) => {
                if pause.is_none() {
                    // It may be another one by now that answers at these endpoints.
                    self.discovered().clear();
                }
                return self.wait(row, pause.unwrap_or(PAUSE), &failure);
            }
            Meaning::SignIn { forget } => {
                let standing = Standing::NeedsSignIn(text.clone());
                let written = self.set_standing(&row.id, &standing, claims.as_deref(), lock.under()).map(drop);
                // Where hosts share it, the next one may be there by now: a sign-in replaces it.
                if forget
                    && lock.under().is_none()
                    && let Err(error) = self.secrets.forget(&row.id.token_entry()).await
                {
                    tracing::warn!(%error, "a refresh token that is of no use is left in the keychain");
                }
                (written, Error::NeedsSignIn(text))
            }
            Meaning::Failing => {
                let standing = Standing::Failing(text.clone());
                let written = self.set_standing(&row.id, &standing, claims.as_deref(), lock.under());
                let revision = written.as_ref().ok().copied().flatten().unwrap_or(row.revision);
                self.pause(row, revision, FAILING_PAUSE, &text, true);
                (written.map(drop), Error::ConnectionFailing(text))
            }
        };
        if let (Err(error), _) = &written {
            tracing::warn!(%error, "how a connection stands could not be written down");
        }
        written.1
    }

    /// Where the tokens of this account are renewed.
    async fn discover_for(&self, authority: &Authority, account: &Account) -> Result<Discovery, AuthorityFailure> {
        let found = self.discover(&self.identity.renews_at(authority, account)).await?;
        // A part of the same authority: what was kept for the whole is for this, too.
        Ok(Discovery { authority: authority.clone(), ..found })
    }

    pub(super) async fn discover(&self, authority: &Authority) -> Result<Discovery, AuthorityFailure> {
        // What is found names the whole authority, the Graph that its access opens among it.
        let key = authority;
        let now = self.clock.now();
        let known =
            self.discovered().get(key).filter(|(at, _)| at.plus(DISCOVERY_LIFE) > now).map(|(_, found)| found.clone());
        if let Some(found) = known {
            return Ok(found);
        }
        let found = self.identity.discover(authority).await?;
        self.discovered().insert(key.clone(), (now, found.clone()));
        Ok(found)
    }

    /// Access in memory: with enough of its life left, or with any.
    fn at_hand(&self, id: &ConnectionId, is_fresh: bool) -> Option<Access> {
        let access = self.live().get(id)?.access.clone()?;
        let least = if is_fresh { access.early } else { Duration::ZERO };
        (access.left(&self.clock) > least).then_some(access)
    }

    fn wait(&self, row: &Connection, pause: Duration, failure: &AuthorityFailure) -> Error {
        let why = format!("{failure}. {}", failure.fix);
        self.pause(row, row.revision, pause, &why, false);
        self.changes.publish(Change::Connections);
        Error::Waiting { why, left: pause }
    }

    fn pause(&self, row: &Connection, revision: Revision, pause: Duration, why: &str, is_failing: bool) {
        let until = self.clock.stopwatch() + pause;
        let pause = Pause { until, why: why.to_owned(), is_failing, refreshed_at: row.refreshed_at };
        let mut live = self.live();
        let live = live.entry(row.id.clone()).or_insert_with(|| LiveAccess::of(revision));
        // Access that is at hand is good until its own end.
        (live.revision, live.pause) = (revision, Some(pause));
    }
}

/// What a refresh brought, until it is kept.
struct Kept {
    row: Connection,
    recipient: Recipient,
    owner: String,
    tokens: Tokens,
    found: Discovery,
}

/// Why it is not.
enum Unkept {
    /// It may be later.
    Later(Error),
    /// It is for nobody any more.
    Never(Error),
}

impl Unkept {
    fn of(error: Error) -> Self {
        match error {
            // Another host holds the lease: it has asked for tokens of its own, or said why not.
            Error::Store(StoreError::Overtaken) => Self::Never(error),
            error => Self::Later(error),
        }
    }
}
