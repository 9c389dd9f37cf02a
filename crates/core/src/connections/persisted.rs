//! Sign-ins that outlive the process: a link may start the app anew, and the attempt that it
//! answers must still be found.

use blake2::{Blake2s256, Digest};
use secrecy::{ExposeSecret, SecretString};

use super::sign_in::{Attempt, AttemptDetails, Flow, LIFE_MS};
use super::{Connections, SignInId};
use crate::clock::UnixMs;
use crate::error::Error;
use crate::integrations::IntegrationId;
use crate::port::SecretStep;

impl SignInId {
    /// The keychain entry of what the attempt must not show.
    fn entry(&self) -> String {
        format!("Sign-in under way {}", self.as_str())
    }
}

/// The state is looked up by its hash: nothing can be learned from how long that takes.
fn hash(state: &SecretString) -> [u8; 32] {
    Blake2s256::digest(state.expose_secret()).into()
}

impl Connections {
    /// Keeps an attempt until its answer comes.
    pub(super) async fn keep_sign_in(&self, attempt: &Attempt) -> Result<(), Error> {
        self.drop_old_sign_ins().await?;
        let Some((state, kept, secret)) = attempt.to_keep() else { return Ok(()) };
        let hash = hash(&state);
        let keep = |step: SecretStep<'_>| Ok(self.store.keep_sign_in(&hash, &kept, step)?.then_some(()));
        self.secrets.put(&kept.id.entry(), &secret, keep).await
    }

    /// The attempt that this state belongs to, where another process began it.
    pub(super) async fn take_kept(
        &self,
        state: &SecretString,
        integration: &IntegrationId,
    ) -> Result<Option<AttemptDetails>, Error> {
        let kept = self.store.take_sign_in(&hash(state), integration)?;
        let Some(kept) = kept else { return Ok(None) };
        let secret = self.secrets.get(&kept.id.entry()).await?;
        self.secrets.forget(&kept.id.entry()).await?;
        // Another process began it, and no stopwatch lasts from there: a clock that was set counts either way.
        let age = self.clock.now().0.saturating_sub(kept.started_at.0);
        let Some(secret) = secret.filter(|_| (-LIFE_MS..LIFE_MS).contains(&age)) else { return Ok(None) };
        let Some((verifier, nonce)) = secret.without_account() else { return Ok(None) };
        let again = match &kept.request.again {
            Some(id) if !kept.request.switch_account => Some(self.row(id)?.account),
            _ => None,
        };
        Ok(Some(AttemptDetails {
            id: kept.id,
            flow: Flow::Page { verifier, nonce, redirect_uri: kept.redirect_uri },
            request: kept.request,
            scopes: kept.scopes,
            pinned: again,
        }))
    }

    /// The attempt has ended here; nothing of it is left for another start.
    pub(super) async fn drop_sign_in(&self, id: &SignInId) -> Result<(), Error> {
        self.secrets.remove(&id.entry(), |step| Ok(self.store.delete_sign_in(id, step)?)).await
    }

    async fn drop_old_sign_ins(&self) -> Result<(), Error> {
        let then = self.clock.now().plus(-LIFE_MS);
        for id in self.store.sign_ins_before(then)? {
            self.drop_sign_in(&id).await?;
        }
        Ok(())
    }

    pub(super) fn kept_entries(&self) -> Result<Vec<String>, Error> {
        Ok(self.store.sign_ins_before(UnixMs(i64::MAX))?.iter().map(SignInId::entry).collect())
    }
}
