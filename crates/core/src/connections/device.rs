//! Signing in on another machine with a code (RFC 8628), where no browser can reach this one.

use std::sync::Arc;
use std::time::Duration;

use super::finish::is_unchanged;
use super::sign_in::{Attempt, AttemptDetails};
use super::signed_in::SignedIn;
use super::{Connections, SignInId, SignInRequest, SignInView};
use crate::address::is_safe;
use crate::error::Error;
use crate::port::{Client, DeviceCode};
use crate::provider::AuthorityFailure;

/// A begun sign-in: what is polled for.
pub struct DeviceSignIn {
    taken: AttemptDetails,
    code: DeviceCode,
}

/// Whether page and code may be shown to a person, in a window and on a terminal: a page over https (http
/// on this machine), and a code that is printed as it is (RFC 8628, 3.2 and 6.1).
fn is_fit_to_show(code: &DeviceCode) -> bool {
    const LONGEST_CODE: usize = 64;
    const LONGEST_PAGE: usize = 512;
    let (page, user_code) = (&code.page, &code.user_code);
    let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    is_safe(page)
        && page.username().is_empty()
        && page.password().is_none()
        && page.as_str().len() <= LONGEST_PAGE
        && printable(page.as_str())
        && (1..=LONGEST_CODE).contains(&user_code.len())
        && user_code.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
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
        let found = self.discover(&registration.authority).await.map_err(Error::Authority)?;
        let scopes = registration.scopes_for(request.toolkit, self.identity.as_ref());
        // Always as a public client: the flow has no redirect URI that would make it another.
        let client = Client { client_id: &registration.client_id, secret: None, found: &found };
        let Some(code) = self.identity.device_code(client, &scopes).await else {
            return Err(Error::Authority(AuthorityFailure::own(
                "The authority hands out no device codes",
                "Sign in with a browser on this machine.",
            )));
        };
        let code = code.map_err(|failed| Error::Authority(failed.failure))?;
        if !is_fit_to_show(&code) {
            return Err(Error::Authority(AuthorityFailure::own(
                "The authority answered with a page or a code that can't be shown safely",
                "Check the integration's authority; sign in with a browser on this machine.",
            )));
        }
        let attempt = Attempt::with_device(request, &registration, scopes, again.as_ref(), &code, &self.clock);
        let taken = attempt.taken.clone();
        Ok((self.sign_ins.add(attempt), DeviceSignIn { taken, code }))
    }

    /// Waits until the person has entered the code, the code has lapsed or the sign-in was
    /// given up.
    pub async fn finish_device_sign_in(self: &Arc<Self>, begun: DeviceSignIn) {
        let DeviceSignIn { taken, code } = begun;
        let outcome = tokio::select! {
            outcome = self.connect_device(&taken, &code) => outcome,
            () = self.given_up(&taken.id) => return,
        };
        let this = self.clone();
        self.begun.run(async move { this.end(taken, outcome).await }).await;
    }

    async fn connect_device(&self, taken: &AttemptDetails, code: &DeviceCode) -> Result<SignedIn, AuthorityFailure> {
        let registration =
            self.integrations.registration(&taken.request.integration).map_err(|error| super::access::view(&error))?;
        is_unchanged(taken, &registration)?;
        let found = self.discover(&registration.authority).await?;
        let client = Client { client_id: &registration.client_id, secret: None, found: &found };
        let tokens = self.identity.device_tokens(client, code, &taken.scopes).await;
        self.accept(taken, registration, found, tokens.map_err(|failed| failed.failure)?)
    }

    async fn given_up(&self, id: &SignInId) {
        while self.sign_in(id).is_some() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
