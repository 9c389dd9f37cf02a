//! What comes of a sign-in: who it was, whether a person has said so, and what is kept of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;

use super::access::{failure_detail, view};
use super::answer::AnswerContent;
use super::sign_in::{AttemptDetails, Flow, Unconfirmed};
use super::signed_in::SignedIn;
use super::{
    Answer, Connection, ConnectionId, Connections, Progress, Revision, SignInId, SignInRequest, SignInView, Standing,
};
use crate::activity::{ActOutcome, Kind};
use crate::bound::Bound;
use crate::change::Change;
use crate::error::Error;
use crate::integrations::{MOVED, Registration};
use crate::permissions::Permissions;
use crate::port::{Client, Expected, Grant, SecretStep, SignInKept, Tokens};
use crate::provider::{AuthorityFailure, Discovery};

impl Connections {
    /// Those sign-ins that wait for a person to say who signed in.
    pub fn unconfirmed(&self) -> Vec<SignInView> {
        self.sign_ins.unconfirmed(self.clock.stopwatch())
    }

    /// A person says that the right one signed in; from now on agents get access. Giving it up instead is
    /// [`Self::cancel`].
    pub async fn confirm(self: &Arc<Self>, id: &SignInId) -> Result<Progress, Error> {
        let Unconfirmed { taken, signed_in } =
            self.sign_ins.confirmed(id, self.clock.stopwatch()).ok_or(Error::UnknownSignIn)?;
        let this = self.clone();
        let told = self.begun.run(async move {
            let kept = this.keep(&taken, &signed_in).await;
            this.tell_end(&taken, kept)
        });
        told.await.ok_or_else(|| Error::Internal("a sign-in ended before its end".into()))
    }

    /// Keeps what came of a sign-in where it is known whose it should be; else asks a person.
    pub(super) async fn end(&self, taken: AttemptDetails, outcome: Result<SignedIn, AuthorityFailure>) -> Progress {
        let signed_in = match outcome {
            Ok(signed_in) => signed_in,
            Err(failure) => return self.tell_end(&taken, Err(failure)),
        };
        match self.is_known(&taken.request, &signed_in).await {
            Ok(true) => {
                let kept = self.keep(&taken, &signed_in).await;
                self.tell_end(&taken, kept)
            }
            Ok(false) => {
                let account = signed_in.account.label.clone();
                self.sign_ins.ask(Unconfirmed { taken, signed_in }, &self.clock);
                self.ended.fetch_add(1, Ordering::Relaxed);
                self.changes.publish(Change::SignIns);
                Progress::Confirm { account }
            }
            Err(error) => self.tell_end(&taken, Err(view(&error))),
        }
    }

    /// Whether this very account is signed in here already, so that a person has said so before. The vault
    /// tells: a row alone may come from a backup of anybody.
    async fn is_known(&self, request: &SignInRequest, signed_in: &SignedIn) -> Result<bool, Error> {
        let registration = &signed_in.registration;
        let row = self.store.connection_of(&registration.id, request.toolkit, &signed_in.account)?;
        let owner = signed_in.account.owner();
        for id in row.iter().chain(&request.again) {
            let token = self.secrets.get(&id.token_entry()).await?;
            if token.is_some_and(|token| token.is_for(&registration.recipient(), Some(&owner))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Records how a sign-in ended and tells it.
    fn tell_end(&self, taken: &AttemptDetails, outcome: Result<Connection, AuthorityFailure>) -> Progress {
        let toolkit = taken.request.toolkit;
        let detail = match &outcome {
            Ok(row) => json!({ "toolkit": toolkit, "account": row.account.label, "granted": row.granted }),
            Err(failure) => failure_detail(failure, toolkit.as_str()),
        };
        let came = if outcome.is_ok() { ActOutcome::Done } else { ActOutcome::Failed };
        if let Err(error) = self.record(Kind::SignIn, taken.request.integration.as_str(), came, detail) {
            tracing::warn!(%error, "a sign-in could not be recorded");
        }
        let progress = match outcome {
            Ok(row) => {
                self.changes.publish(Change::Connections);
                Progress::Done { connection: row.id, account: row.account.label }
            }
            Err(failure) => Progress::Failed { failure },
        };
        self.sign_ins.set(&taken.id, progress.clone(), self.clock.stopwatch());
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.changes.publish(Change::SignIns);
        progress
    }

    pub(super) async fn connect(&self, taken: &AttemptDetails, answer: Answer) -> Result<SignedIn, AuthorityFailure> {
        let registration = self.integrations.registration(&taken.request.integration).map_err(|error| view(&error))?;
        is_unchanged(taken, &registration)?;
        let found = self.discover(&registration.authority).await?;
        // Mix-up defence (RFC 9207, 2.4): compared as it is, and missed where it is promised.
        if answer.issuer.as_ref().map_or(found.names_issuer, |issuer| *issuer != found.issuer) {
            return Err(AuthorityFailure::own(
                "The answer names another authority",
                "Start again; if it repeats, tell your IT department.",
            ));
        }
        let code = match answer.outcome {
            AnswerContent::Code(code) => code,
            AnswerContent::Error { error, description } => {
                return Err(self.identity.refusal(registration.authority.provider(), error, description));
            }
        };
        let secret = self.integrations.client_secret(&registration).await.map_err(|error| view(&error))?;
        let challenge = taken.request.again.as_ref().and_then(|id| self.row(id).ok()?.challenge);
        let client = Client { client_id: &registration.client_id, secret: secret.as_ref(), found: &found };
        let Flow::Page { verifier, redirect_uri, .. } = &taken.flow else {
            return Err(AuthorityFailure::own("This sign-in waits for no answer", "Start the sign-in again."));
        };
        let grant = Grant::Code { code: &code, verifier, redirect_uri };
        // The code is spent by asking: before that it is sure that what it brings can be kept.
        self.secrets.check_writable().await.map_err(|error| view(&error))?;
        let tokens = self.identity.tokens(client, grant, &taken.scopes, challenge.as_deref()).await;
        self.accept(taken, registration, found, tokens.map_err(|failed| failed.failure)?)
    }

    /// Checks who the tokens are for.
    pub(super) fn accept(
        &self,
        taken: &AttemptDetails,
        registration: Registration,
        found: Discovery,
        tokens: Tokens,
    ) -> Result<SignedIn, AuthorityFailure> {
        let Some(id_token) = &tokens.id_token else {
            return Err(AuthorityFailure::own(
                "The authority did not say who signed in",
                "Check that it speaks OpenID Connect.",
            ));
        };
        let now = self.clock.now();
        let expected = Expected { found: &found, client_id: &registration.client_id, nonce: taken.nonce(), now };
        let account = self.identity.account(id_token, &expected).map_err(|why| {
            AuthorityFailure::own(format!("The answer does not fit: {why}"), "Start the sign-in again.")
        })?;
        if let Some(pinned) =
            taken.pinned.as_ref().filter(|pinned| (&pinned.id, &pinned.directory) != (&account.id, &account.directory))
        {
            return Err(AuthorityFailure::own(
                if account.label == pinned.label {
                    format!(
                        "Another account of the name {} signed in: it was made anew at the authority",
                        account.label
                    )
                } else {
                    format!("{} signed in, but this connection belongs to {}", account.label, pinned.label)
                },
                if account.label == pinned.label {
                    "Choose “Switch account” to put it in the place of the old one."
                } else {
                    "Sign in with that account, or choose “Switch account”."
                },
            ));
        }
        let Some(refresh) = tokens.refresh.clone() else {
            return Err(AuthorityFailure::own(
                "The authority gave no lasting access",
                "Check that the registration may use offline_access, then sign in again.",
            ));
        };
        Ok(SignedIn { registration, account, tokens, refresh, found })
    }

    async fn keep(&self, taken: &AttemptDetails, signed_in: &SignedIn) -> Result<Connection, AuthorityFailure> {
        let SignedIn { registration, account, tokens, refresh, found } = signed_in;
        let now = self.clock.now();
        let toolkit = taken.request.toolkit;
        let known = self.store.connection_of(&registration.id, toolkit, account);
        let known = known.map_err(|error| view(&error.into()))?;
        let granted = tokens.granted.clone().unwrap_or_else(|| taken.scopes.clone());
        let row = Connection {
            // The same account again is the same connection.
            id: known.or_else(|| taken.request.again.clone()).unwrap_or_else(|| ConnectionId::generate(toolkit)),
            integration: registration.id.clone(),
            toolkit,
            account: account.clone(),
            asked: taken.scopes.clone(),
            granted,
            confidential: tokens.confidential,
            standing: Standing::Connected,
            signed_in_at: now,
            refreshed_at: now,
            used_at: None,
            revision: Revision(0),
            challenge: None,
            permissions: Permissions::default(),
        };
        let lock = self.refresh_locks.wait(&row.id).await.map_err(|error| view(&error))?;
        let refresh = Bound::new(registration.recipient(), refresh.clone()).of_account(row.account.owner());
        let recipient = registration.recipient();
        let keep = |step: SecretStep<'_>| self.store.keep_connection(&row, &recipient, step);
        let kept = self.secrets.put(&row.id.token_entry(), &refresh, keep).await.map_err(|error| view(&error))?;
        let revision = match kept {
            SignInKept::Kept(revision) => revision,
            SignInKept::Moved => return Err(view(&Error::NeedsSignIn(MOVED.to_owned()))),
            SignInKept::Gone => return Err(view(&Error::IntegrationNotFound)),
        };
        // Whatever became of the token before it, this one is new.
        lock.end();
        self.take_over(&row, revision, tokens, found);
        lock.give_back().await;
        Ok(row)
    }
}

/// Whether the integration still leads where it led when the attempt began.
pub(super) fn is_unchanged(taken: &AttemptDetails, registration: &Registration) -> Result<(), AuthorityFailure> {
    if taken.is_for(&registration.recipient()) {
        return Ok(());
    }
    Err(AuthorityFailure::own("The integration was changed while you signed in", "Start the sign-in again."))
}
