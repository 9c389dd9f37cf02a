//! Fresh access: one refresh at a time for each connection, and what a failed one leaves.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::access::{Access, Fresh, GONE, failure_detail};
use super::{Account, Connection, ConnectionId, Connections, Standing};
use crate::activity::{ActOutcome, Kind};
use crate::bound::Bound;
use crate::change::Change;
use crate::clock::UnixMs;
use crate::error::Error;
use crate::port::{Client, Grant, Meaning, Refreshed, SecretStep, TokenFailure};
use crate::provider::{Authority, AuthorityFailure, Discovery};

/// Access tokens with less than this left are renewed first.
const EARLY: i64 = 5 * 60 * 1000;
/// A discovery document is asked for again after a day; Entra's own say the same.
const DISCOVERY_LIFE: i64 = UnixMs::DAY;
/// A connection left idle is refreshed once a week, so that its 90 days never lapse.
const IDLE: i64 = 7 * UnixMs::DAY;
/// After a failure that says nothing about the tokens.
const PAUSE: Duration = Duration::from_secs(15);

impl Connections {
    /// Fresh access: at hand, or by one refresh that all who ask meanwhile wait for.
    pub async fn fresh(&self, id: &ConnectionId) -> Result<Fresh, Error> {
        let now = self.clock.now();
        if let Some(access) = self.at_hand(id, now.plus(EARLY)) {
            return Ok(access.into());
        }
        let _lock = self.refresh_locks.wait(id).await;
        if let Some(access) = self.at_hand(id, self.clock.now().plus(EARLY)) {
            return Ok(access.into());
        }
        match self.refresh(id).await {
            Ok(access) => Ok(access.into()),
            // What is at hand still opens Graph while the authority can't be asked.
            Err(error @ (Error::Waiting(_) | Error::Authority(_))) => {
                self.at_hand(id, self.clock.now()).map(Fresh::from).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Graph refused the token although its time was not over: the next call gets another one,
    /// which holds what the challenge asks for.
    pub fn drop_access(&self, id: &ConnectionId, token: &SecretString, challenge: Option<String>) {
        let mut live = self.live();
        if let Some(live) = live.get_mut(id)
            && live.access.as_ref().is_some_and(|access| access.token.expose_secret() == token.expose_secret())
        {
            live.access = None;
            live.challenge = challenge.or(live.challenge.take());
        }
    }

    /// Renews what would end soon or has lain idle for a week. Called once in a while.
    pub async fn renew(&self) -> Result<(), Error> {
        let now = self.clock.now();
        for row in self.store.connections()?.iter().filter(|row| row.standing == Standing::Connected) {
            let ends = self.live().get(&row.id).and_then(|live| live.access.as_ref()).map(|access| access.expires_at);
            let soon = ends.is_some_and(|at| at <= now.plus(EARLY + 60_000));
            let idle = row.refreshed_at.plus(IDLE) <= now;
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

    /// One refresh. The caller has the refresh lock.
    async fn refresh(&self, id: &ConnectionId) -> Result<Access, Error> {
        // Read inside the refresh lock: another process may have signed in or out meanwhile.
        let row = self.row(id)?;
        if let Standing::NeedsSignIn(why) = row.standing {
            return Err(Error::NeedsSignIn(why));
        }
        let now = self.clock.now();
        let paused = self.live().get(id).and_then(|live| live.pause.clone()).filter(|(until, _)| *until > now);
        if let Some((_, why)) = paused {
            return Err(Error::Waiting(why));
        }
        let entry = id.token_entry();
        let registration = self.integrations.registration(&row.integration)?;
        let recipient = registration.recipient();
        let owner = row.account.owner();
        // One for another authority, client ID or account is as good as none.
        let token = self.secrets.get(&entry).await?.filter(|token| token.is_for(&recipient, Some(&owner)));
        let Some(token) = token else {
            self.set_standing(id, Standing::NeedsSignIn(GONE.to_owned()))?;
            return Err(Error::NeedsSignIn(GONE.to_owned()));
        };
        let found = match self.discover_for(&registration.authority, &row.account).await {
            Ok(found) => found,
            Err(failure) => return Err(self.wait(id, PAUSE, &failure)),
        };
        let secret = if row.confidential { self.integrations.client_secret(&registration).await? } else { None };
        let client = Client { client_id: &registration.client_id, secret: secret.as_ref(), found: &found };
        let grant = Grant::Refresh { token: &token, granted: &row.granted };
        let challenge = self.challenge(id);
        match self.identity.tokens(client, grant, &row.asked, challenge.as_deref()).await {
            Ok(tokens) => {
                let (granted, confidential) = (tokens.granted.clone(), tokens.confidential);
                let write = |step: SecretStep<'_>| {
                    // Dated when it is written: the vault may have waited for a person before.
                    let done = self.recorder.entry(Kind::Refresh, id.as_str(), ActOutcome::Done, json!({}));
                    self.store.refreshed(&row, self.clock.now(), granted.as_deref(), confidential, step, &done)
                };
                // The new refresh token is kept before the new access is used.
                let written = match &tokens.refresh {
                    Some(rotated) => {
                        let rotated = Bound::new(recipient, rotated.clone()).of_account(owner);
                        Some(self.secrets.put(&entry, &rotated, write).await?)
                    }
                    None => write(SecretStep::Nothing)?,
                };
                match written {
                    Some(Refreshed::Kept) | None => {}
                    Some(Refreshed::Ended(why)) => return Err(Error::NeedsSignIn(why)),
                    Some(Refreshed::Gone) => return Err(Error::ConnectionNotFound),
                }
                let access = self.take_over(&row, &tokens, &found, granted.as_ref().unwrap_or(&row.granted));
                self.changes.publish(Change::Connections);
                Ok(access)
            }
            Err(failed) => Err(self.refused(&row, failed).await?),
        }
    }

    /// What a failed refresh leaves behind, and the error to tell.
    async fn refused(&self, row: &Connection, failed: TokenFailure) -> Result<Error, Error> {
        let TokenFailure { failure, meaning } = failed;
        let text = format!("{failure}. {}", failure.fix);
        self.record(
            Kind::Refresh,
            row.id.as_str(),
            ActOutcome::Failed,
            failure_detail(&failure, row.toolkit.as_str()),
        )?;
        match meaning {
            Meaning::Wait(pause) => Ok(self.wait(&row.id, pause.unwrap_or(PAUSE), &failure)),
            Meaning::SignIn { forget } => {
                self.set_standing(&row.id, Standing::NeedsSignIn(text.clone()))?;
                if forget {
                    self.secrets.forget(&row.id.token_entry()).await?;
                }
                Ok(Error::NeedsSignIn(text))
            }
            Meaning::Failing => {
                self.set_standing(&row.id, Standing::Failing(text.clone()))?;
                // Not asked again at once; a corrected registration heals it within the pause.
                self.pause(&row.id, Duration::from_mins(1), &text);
                Ok(Error::ConnectionFailing(text))
            }
        }
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

    fn at_hand(&self, id: &ConnectionId, until: UnixMs) -> Option<Access> {
        self.live().get(id)?.access.clone().filter(|access| access.expires_at > until)
    }

    fn wait(&self, id: &ConnectionId, pause: Duration, failure: &AuthorityFailure) -> Error {
        let text = format!("{failure}. {}", failure.fix);
        self.pause(id, pause, &text);
        self.changes.publish(Change::Connections);
        Error::Waiting(text)
    }

    fn pause(&self, id: &ConnectionId, pause: Duration, why: &str) {
        let until = self.clock.now().plus(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
        self.live().entry(id.clone()).or_default().pause = Some((until, why.to_owned()));
    }
}
