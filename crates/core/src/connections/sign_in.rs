//! Sign-ins: attempts in the browser, each used once, none older than ten minutes.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use subtle::ConstantTimeEq;
use ts_rs::TS;
use url::Url;

use super::signed_in::SignedIn;
use super::{Account, Connection, ConnectionId, KeptSignIn, ReturnPath, SignInId, SignInRequest, Toolkit};
use crate::bound::Bound;
use crate::clock::UnixMs;
use crate::integrations::{Registration, WayBack};
use crate::port::{DeviceCode, Identity, PageRequest};
use crate::provider::{AuthorityFailure, Discovery};

/// After this an answer is too late: Entra's codes do not live longer either.
pub(super) const LIFE: i64 = 10 * 60 * 1000;

/// How far an attempt has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "progress", rename_all = "snake_case")]
#[ts(export)]
pub enum Progress {
    /// The person is at the browser.
    Waiting,
    /// The answer is here; tokens are being asked for.
    Checking,
    /// Somebody signed in. Nothing is connected until a person says that it was the right one: the page to
    /// sign in on can be seen by others on this machine, who could sign in with an account of theirs.
    Confirm {
        /// Who signed in.
        account: String,
    },
    /// Connected.
    Done {
        /// The connection.
        connection: ConnectionId,
        /// Who signed in.
        account: String,
    },
    /// Nothing was connected.
    Failed {
        /// Why, and what to do.
        failure: AuthorityFailure,
    },
}

/// What a person types on another machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct DeviceView {
    /// The code.
    pub code: String,
    /// The page to type it on.
    pub page: String,
}

/// An attempt as the faces show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct SignInView {
    /// Its name.
    pub id: SignInId,
    /// For this toolkit.
    pub toolkit: Toolkit,
    /// The page to open in the browser.
    pub link: String,
    /// When it began.
    pub started_at: UnixMs,
    /// When an answer would be too late.
    pub ends_at: UnixMs,
    /// How far it has come.
    pub progress: Progress,
    /// Set where the person signs in on another machine.
    pub device: Option<DeviceView>,
}

/// What an attempt keeps to itself until its answer comes.
pub(super) struct Attempt {
    pub(super) id: SignInId,
    /// `None`: an answer has used it.
    state: Option<SecretString>,
    /// For whom the attempt was begun, and no other is sent it.
    pub(super) verifier: Bound,
    pub(super) nonce: String,
    pub(super) request: SignInRequest,
    pub(super) scopes: Vec<String>,
    pub(super) redirect_uri: String,
    pub(super) pinned: Option<Account>,
    path: ReturnPath,
    link: Url,
    started_at: UnixMs,
    ends_at: UnixMs,
    progress: Progress,
    device: Option<DeviceView>,
    /// What came of the sign-in, until a person has confirmed who it was.
    unconfirmed: Option<Box<Unconfirmed>>,
}

/// Tokens that nobody has confirmed yet, and the attempt that they came of. They are in memory only.
pub(super) struct Unconfirmed {
    pub(super) taken: Taken,
    pub(super) signed_in: SignedIn,
}

/// What an answer takes out of its attempt.
pub(super) struct Taken {
    pub(super) id: SignInId,
    pub(super) verifier: Bound,
    /// `None`: a device code, whose id token names none.
    pub(super) nonce: Option<String>,
    pub(super) request: SignInRequest,
    pub(super) scopes: Vec<String>,
    pub(super) redirect_uri: String,
    pub(super) pinned: Option<Account>,
}

impl Attempt {
    /// Prepares the page to open.
    pub(super) fn new(
        request: SignInRequest,
        registration: &Registration,
        found: &Discovery,
        again: Option<&Connection>,
        challenge: Option<&str>,
        loopback_port: Option<u16>,
        (identity, now): (&dyn Identity, UnixMs),
    ) -> Result<Self, &'static str> {
        let (path, redirect_uri, by_form) = match (&registration.way_back, loopback_port) {
            (WayBack::Loopback, Some(port)) => {
                let id = registration.id.as_str();
                // Entra ignores the port of localhost and compares the rest.
                let uri = format!("http://localhost:{port}/oauth/{id}/callback");
                (ReturnPath::Loopback(registration.id.clone()), uri, true)
            }
            (WayBack::Loopback, None) => return Err("nothing listens for the answer on this machine"),
            (way @ (WayBack::DeepLink | WayBack::Page { .. }), _) => {
                (ReturnPath::Link(registration.id.clone()), way.redirect_uri(&registration.id), false)
            }
        };
        let scopes = registration.scopes_for(request.toolkit, identity);
        let pinned = again.filter(|_| !request.switch_account).map(|connection| connection.account.clone());
        let page = identity.page(&PageRequest {
            client_id: &registration.client_id,
            found,
            redirect_uri: &redirect_uri,
            by_form,
            scopes: &scopes,
            account: pinned.as_ref(),
            challenge,
        })?;
        Ok(Self {
            id: SignInId::generate(),
            state: Some(page.state),
            verifier: Bound::new(registration.recipient(), page.verifier),
            nonce: page.nonce,
            request,
            scopes,
            redirect_uri,
            pinned,
            path,
            link: page.link,
            started_at: now,
            ends_at: now.plus(LIFE),
            progress: Progress::Waiting,
            device: None,
            unconfirmed: None,
        })
    }

    /// An attempt whose answer is asked for, not waited for (RFC 8628).
    pub(super) fn with_device(
        request: SignInRequest,
        registration: &Registration,
        scopes: Vec<String>,
        again: Option<&Connection>,
        code: &DeviceCode,
        now: UnixMs,
    ) -> Self {
        let lives = i64::try_from(code.lifetime.as_millis()).unwrap_or(i64::MAX);
        Self {
            id: SignInId::generate(),
            state: None,
            verifier: Bound::new(registration.recipient(), SecretString::default()),
            nonce: String::new(),
            pinned: again.filter(|_| !request.switch_account).map(|connection| connection.account.clone()),
            request,
            scopes,
            redirect_uri: String::new(),
            path: ReturnPath::Link(registration.id.clone()),
            link: code.page.clone(),
            started_at: now,
            ends_at: now.plus(lives),
            progress: Progress::Waiting,
            device: Some(DeviceView { code: code.user_code.clone(), page: code.page.as_str().to_owned() }),
            unconfirmed: None,
        }
    }

    /// The state, and what another start needs to take its answer. `None`: the answer can
    /// only come to this process.
    pub(super) fn to_keep(&self) -> Option<(SecretString, KeptSignIn)> {
        if !matches!(self.path, ReturnPath::Link(_)) {
            return None;
        }
        let kept = KeptSignIn {
            id: self.id.clone(),
            request: self.request.clone(),
            redirect_uri: self.redirect_uri.clone(),
            scopes: self.scopes.clone(),
            started_at: self.started_at,
        };
        Some((self.state.clone()?, kept))
    }

    /// Begun before this process was: only what came of it is here.
    fn of_another_process(unconfirmed: &Unconfirmed) -> Self {
        let taken = &unconfirmed.taken;
        Self {
            id: taken.id.clone(),
            state: None,
            verifier: taken.verifier.clone(),
            nonce: String::new(),
            request: taken.request.clone(),
            scopes: taken.scopes.clone(),
            redirect_uri: taken.redirect_uri.clone(),
            pinned: taken.pinned.clone(),
            path: ReturnPath::Link(taken.request.integration.clone()),
            link: unconfirmed.signed_in.found.authorization_endpoint.clone(),
            started_at: UnixMs(0),
            ends_at: UnixMs(0),
            progress: Progress::Checking,
            device: None,
            unconfirmed: None,
        }
    }

    fn view(&self) -> SignInView {
        SignInView {
            id: self.id.clone(),
            toolkit: self.request.toolkit,
            link: self.link.as_str().to_owned(),
            started_at: self.started_at,
            ends_at: self.ends_at,
            progress: self.progress.clone(),
            device: self.device.clone(),
        }
    }
}

/// The attempts of this process.
#[derive(Default)]
pub(super) struct SignIns(Mutex<VecDeque<Attempt>>);

/// Attempts that are remembered, the finished ones included.
const MOST: usize = 32;

impl SignIns {
    pub(super) fn add(&self, attempt: Attempt) -> SignInView {
        let view = attempt.view();
        let mut all = self.lock();
        if all.len() == MOST {
            all.pop_front();
        }
        all.push_back(attempt);
        view
    }

    pub(super) fn view(&self, id: &SignInId, now: UnixMs) -> Option<SignInView> {
        self.end_old(now);
        self.lock().iter().find(|attempt| attempt.id == *id).map(Attempt::view)
    }

    /// Whether the answer of this attempt may still come through loopback.
    pub(super) fn waits_on_loopback(&self, id: &SignInId, now: UnixMs) -> bool {
        self.end_old(now);
        self.lock().iter().any(|attempt| {
            attempt.id == *id && attempt.state.is_some() && matches!(attempt.path, ReturnPath::Loopback(_))
        })
    }

    /// Finds the attempt that this state belongs to and uses it up. Every live one is
    /// compared, in constant time.
    pub(super) fn take(&self, state: &SecretString, path: &ReturnPath, now: UnixMs) -> Option<Taken> {
        self.end_old(now);
        let mut all = self.lock();
        let presented = state.expose_secret().as_bytes();
        let mut hit = None;
        for (at, attempt) in all.iter().enumerate() {
            let same =
                attempt.state.as_ref().is_some_and(|own| bool::from(own.expose_secret().as_bytes().ct_eq(presented)));
            if same && attempt.path == *path {
                hit = Some(at);
            }
        }
        let attempt = all.get_mut(hit?)?;
        attempt.state = None;
        attempt.progress = Progress::Checking;
        Some(Taken {
            id: attempt.id.clone(),
            verifier: attempt.verifier.clone(),
            nonce: Some(attempt.nonce.clone()),
            request: attempt.request.clone(),
            scopes: attempt.scopes.clone(),
            redirect_uri: attempt.redirect_uri.clone(),
            pinned: attempt.pinned.clone(),
        })
    }

    pub(super) fn set(&self, id: &SignInId, progress: Progress) {
        if let Some(attempt) = self.lock().iter_mut().find(|attempt| attempt.id == *id) {
            attempt.progress = progress;
        }
    }

    /// Keeps what came of a sign-in until somebody confirms it; ten minutes more. An attempt that another
    /// process began gets a place here.
    pub(super) fn ask(&self, unconfirmed: Unconfirmed, now: UnixMs) {
        let progress = Progress::Confirm { account: unconfirmed.signed_in.account.label.clone() };
        let mut all = self.lock();
        let at = all.iter().position(|attempt| attempt.id == unconfirmed.taken.id).unwrap_or_else(|| {
            if all.len() == MOST {
                all.pop_front();
            }
            all.push_back(Attempt::of_another_process(&unconfirmed));
            all.len() - 1
        });
        let attempt = &mut all[at];
        (attempt.started_at, attempt.ends_at) = (now, now.plus(LIFE));
        attempt.progress = progress;
        attempt.unconfirmed = Some(Box::new(unconfirmed));
    }

    /// Takes what a person has confirmed.
    pub(super) fn confirmed(&self, id: &SignInId, now: UnixMs) -> Option<Unconfirmed> {
        self.end_old(now);
        let mut all = self.lock();
        let attempt = all.iter_mut().find(|attempt| attempt.id == *id)?;
        let unconfirmed = attempt.unconfirmed.take()?;
        attempt.progress = Progress::Checking;
        Some(*unconfirmed)
    }

    /// Those that wait for a person to say who signed in.
    pub(super) fn unconfirmed(&self, now: UnixMs) -> Vec<SignInView> {
        self.end_old(now);
        self.lock().iter().filter(|attempt| attempt.unconfirmed.is_some()).map(Attempt::view).collect()
    }

    /// The person gave up: a late answer finds nothing.
    pub(super) fn cancel(&self, id: &SignInId) {
        self.lock().retain(|attempt| attempt.id != *id);
    }

    fn end_old(&self, now: UnixMs) {
        for attempt in self.lock().iter_mut() {
            let age = now.0.saturating_sub(attempt.started_at.0);
            if (0..LIFE).contains(&age) {
                continue;
            }
            if attempt.state.take().is_some() {
                let failure = AuthorityFailure::own("No answer came within ten minutes", "Start the sign-in again.");
                attempt.progress = Progress::Failed { failure };
            }
            if attempt.unconfirmed.take().is_some() {
                let what = "Nobody confirmed within ten minutes who signed in";
                attempt.progress =
                    Progress::Failed { failure: AuthorityFailure::own(what, "Start the sign-in again.") };
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Attempt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
