//! Signing in on another machine with a code (RFC 8628), where no browser can reach this one.

use std::time::Duration;

use super::book::{explain, is_unchanged};
use super::sign_in::{Attempt, Taken};
use super::{Connections, SignInId, SignInRequest, SignInView};
use crate::error::Error;
use crate::microsoft::{AUTOMATIC_SCOPES, Asker, AuthorityFailure, DeviceCode, toolkit_scopes};

/// A begun sign-in: what is polled for.
pub struct DeviceSignIn {
    taken: Taken,
    code: DeviceCode,
}

/// How soon a sign-in that was given up is no longer asked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Connections {
    /// Asks for a code; [`Connections::finish_device_sign_in`] then waits for the person.
    pub async fn begin_device_sign_in(&self, request: SignInRequest) -> Result<(SignInView, DeviceSignIn), Error> {
        let registration = self.integrations.registration(&request.integration)?;
        let again = match &request.again {
            Some(id) => Some(self.row(id)?),
            None => None,
        };
        let found = self.discover(&registration).await.map_err(Error::Authority)?;
        let scopes = toolkit_scopes(&registration.scopes, request.toolkit.scopes());
        let asked: Vec<String> =
            AUTOMATIC_SCOPES.iter().map(|&scope| scope.to_owned()).chain(scopes.iter().cloned()).collect();
        // Always as a public client: the flow has no redirect URI that would make it another.
        let asker = Asker { client_id: &registration.client_id, secret: None, found: &found, network: &self.network };
        let Some(code) = asker.device_code(&asked).await else {
            return Err(Error::Authority(AuthorityFailure::own(
                "The authority hands out no device codes",
                "Sign in with a browser on this machine.",
            )));
        };
        let code = code.map_err(|error| Error::Authority(explain(&error)))?;
        let attempt = Attempt::with_device(request, &registration, scopes, again.as_ref(), &code, self.clock.now());
        let taken = Taken {
            id: attempt.id.clone(),
            verifier: attempt.verifier.clone(),
            nonce: None,
            request: attempt.request.clone(),
            scopes: attempt.scopes.clone(),
            redirect_uri: String::new(),
            pinned: attempt.pinned.clone(),
        };
        Ok((self.sign_ins.add(attempt), DeviceSignIn { taken, code }))
    }

    /// Waits until the person has entered the code, the code has lapsed or the sign-in was
    /// given up.
    pub async fn finish_device_sign_in(&self, begun: DeviceSignIn) {
        let DeviceSignIn { taken, code } = begun;
        let outcome = tokio::select! {
            outcome = self.connect_device(&taken, &code) => outcome,
            () = self.given_up(&taken.id) => return,
        };
        self.end(&taken, outcome);
    }

    async fn connect_device(&self, taken: &Taken, code: &DeviceCode) -> Result<super::Connection, AuthorityFailure> {
        let registration =
            self.integrations.registration(&taken.request.integration).map_err(|error| super::book::view(&error))?;
        is_unchanged(taken, &registration)?;
        let found = self.discover(&registration).await?;
        let asker = Asker { client_id: &registration.client_id, secret: None, found: &found, network: &self.network };
        let tokens = asker.wait_for_device(code).await.map_err(|error| explain(&error))?;
        self.accept(taken, &registration, &found, &tokens, false).await
    }

    async fn given_up(&self, id: &SignInId) {
        while self.sign_in(id).is_some() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
