//! Sign-ins: attempts in the browser, each used once, none older than ten minutes.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use subtle::ConstantTimeEq;
use ts_rs::TS;
use url::Url;

use super::signed_in::SignedIn;
use super::{Account, Answer, Connection, ConnectionId, PersistedSignIn, ReturnPath, SignInId, SignInRequest, Toolkit};
use crate::bound::{Bound, Recipient};
use crate::clock::{Clock, UnixMs};
use crate::integrations::{Redirect, Registration};
use crate::port::{DeviceCode, Identity, PageRequest};
use crate::provider::{AuthorityFailure, Discovery};

/// After this an answer is too late: Entra's codes do not live longer either. By the stopwatch: a clock that is set
/// while the person is at the browser changes nothing.
pub(super) const LIFE: Duration = Duration::from_mins(10);
/// The same in milliseconds, as moments are shown.
pub(super) const LIFE_MS: i64 = 10 * 60 * 1000;
/// Longer than an authority takes to answer, and a person to unlock the keychain. A check that takes longer has failed.
const LONGEST_CHECK: Duration = Duration::from_mins(2);

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
        account: String,
    },
    Done {
        connection: ConnectionId,
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
    pub code: String,
    /// The page to type it on.
    pub page: String,
}

/// An attempt as the faces show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct SignInView {
    pub id: SignInId,
    pub toolkit: Toolkit,
    /// The page to open in the browser.
    pub link: String,
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
    /// What is waited for; `None`: an answer has used it, or none comes by itself.
    awaited: Option<Awaited>,
    pub(super) taken: AttemptDetails,
    link: Url,
    started_at: UnixMs,
    ends_at: UnixMs,
    /// When its progress changed last, on the stopwatch.
    since: Duration,
    /// How long it may wait for a person.
    lives: Duration,
    progress: Progress,
    device: Option<DeviceView>,
    /// What came of the sign-in, until a person has confirmed who it was.
    unconfirmed: Option<Box<Unconfirmed>>,
}

/// Tokens that nobody has confirmed yet, and the attempt that they came of. They are in memory only.
pub(super) struct Unconfirmed {
    pub(super) taken: AttemptDetails,
    pub(super) signed_in: SignedIn,
}

/// The answer that an attempt waits for.
struct Awaited {
    state: SecretString,
    path: ReturnPath,
    /// Whether it has to come as a form, as was asked for.
    must_be_posted: bool,
}

/// How tokens are asked for once the person has signed in.
#[derive(Clone)]
pub(super) enum Flow {
    /// With the code that the browser brought back.
    Page {
        /// For whom the attempt was begun, and no other is sent it.
        verifier: Bound,
        /// What the id token has to name.
        nonce: String,
        redirect_uri: String,
    },
    /// With a code that was typed on another machine, at the authority for which the attempt was begun.
    Device { recipient: Recipient },
}

/// An attempt, for whoever goes on with it.
#[derive(Clone)]
pub(super) struct AttemptDetails {
    pub(super) id: SignInId,
    pub(super) flow: Flow,
    pub(super) request: SignInRequest,
    pub(super) scopes: Vec<String>,
    pub(super) pinned: Option<Account>,
}

impl AttemptDetails {
    /// Whether it was begun for this recipient.
    pub(super) fn is_for(&self, recipient: &Recipient) -> bool {
        match &self.flow {
            Flow::Page { verifier, .. } => verifier.is_for(recipient, None),
            Flow::Device { recipient: begun_for } => begun_for == recipient,
        }
    }

    /// What the id token has to name; `None`: one that came of a device code names none.
    pub(super) fn nonce(&self) -> Option<&str> {
        match &self.flow {
            Flow::Page { nonce, .. } => Some(nonce),
            Flow::Device { .. } => None,
        }
    }
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
        (identity, clock): (&dyn Identity, &Clock),
    ) -> Result<Self, &'static str> {
        let (path, redirect_uri, by_form) = match (&registration.redirect, loopback_port) {
            (Redirect::Loopback, Some(port)) => {
                let id = registration.id.as_str();
                // Entra ignores the port of localhost and compares the rest.
                let uri = format!("http://localhost:{port}/oauth/{id}/callback");
                (ReturnPath::Loopback(registration.id.clone()), uri, true)
            }
            (Redirect::Loopback, None) => return Err("nothing listens for the answer on this machine"),
            (way @ (Redirect::DeepLink | Redirect::Page { .. }), _) => {
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
        let verifier = Bound::new(registration.recipient(), page.verifier);
        let flow = Flow::Page { verifier, nonce: page.nonce, redirect_uri };
        Ok(Self {
            awaited: Some(Awaited { state: page.state, path, must_be_posted: by_form && found.posts_answers }),
            taken: AttemptDetails { id: SignInId::generate(), flow, request, scopes, pinned },
            link: page.link,
            started_at: clock.now(),
            ends_at: clock.now().plus(LIFE_MS),
            since: clock.stopwatch(),
            lives: LIFE,
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
        clock: &Clock,
    ) -> Self {
        let pinned = again.filter(|_| !request.switch_account).map(|connection| connection.account.clone());
        let flow = Flow::Device { recipient: registration.recipient() };
        Self {
            awaited: None,
            taken: AttemptDetails { id: SignInId::generate(), flow, request, scopes, pinned },
            link: code.page.clone(),
            started_at: clock.now(),
            ends_at: clock.now().after(code.lifetime),
            since: clock.stopwatch(),
            // Whoever asks for its tokens ends it.
            lives: Duration::MAX,
            progress: Progress::Waiting,
            device: Some(DeviceView { code: code.user_code.clone(), page: code.page.as_str().to_owned() }),
            unconfirmed: None,
        }
    }

    /// The state, what another start needs to take its answer, and the secret part of that. `None`: the answer
    /// can only come to this process.
    pub(super) fn to_keep(&self) -> Option<(SecretString, PersistedSignIn, Bound)> {
        let Awaited { state, path: ReturnPath::Link(_), .. } = self.awaited.as_ref()? else { return None };
        let Flow::Page { verifier, nonce, redirect_uri } = &self.taken.flow else { return None };
        let kept = PersistedSignIn {
            id: self.taken.id.clone(),
            request: self.taken.request.clone(),
            redirect_uri: redirect_uri.clone(),
            scopes: self.taken.scopes.clone(),
            started_at: self.started_at,
        };
        // The nonce stands where an account would: it belongs to this attempt alone.
        Some((state.clone(), kept, verifier.clone().of_account(nonce.clone())))
    }

    /// Begun before this process was: only what came of it is here.
    fn of_another_process(unconfirmed: &Unconfirmed) -> Self {
        Self {
            awaited: None,
            taken: unconfirmed.taken.clone(),
            link: unconfirmed.signed_in.found.authorization_endpoint.clone(),
            started_at: UnixMs(0),
            ends_at: UnixMs(0),
            since: Duration::ZERO,
            lives: LIFE,
            progress: Progress::Checking,
            device: None,
            unconfirmed: None,
        }
    }

    fn turn(&mut self, progress: Progress, stopwatch: Duration) {
        (self.progress, self.since) = (progress, stopwatch);
    }

    fn fail(&mut self, what: &str, stopwatch: Duration) {
        let failure = AuthorityFailure::own(what, "Start the sign-in again.");
        self.turn(Progress::Failed { failure }, stopwatch);
    }

    fn view(&self) -> SignInView {
        SignInView {
            id: self.taken.id.clone(),
            toolkit: self.taken.request.toolkit,
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

    pub(super) fn view(&self, id: &SignInId, stopwatch: Duration) -> Option<SignInView> {
        self.end_old(stopwatch);
        self.lock().iter().find(|attempt| attempt.taken.id == *id).map(Attempt::view)
    }

    /// Whether the answer of this attempt may still come through loopback, or is being looked at: the browser is told
    /// there what came of it.
    pub(super) fn waits_on_loopback(&self, id: &SignInId, stopwatch: Duration) -> bool {
        self.end_old(stopwatch);
        self.lock().iter().filter(|attempt| attempt.taken.id == *id).any(|attempt| {
            matches!(attempt.awaited, Some(Awaited { path: ReturnPath::Loopback(_), .. }))
                || attempt.progress == Progress::Checking
        })
    }

    /// Finds the attempt that this state belongs to and uses it up. Every live one is
    /// compared, in constant time.
    pub(super) fn take(&self, answer: &Answer, path: &ReturnPath, stopwatch: Duration) -> Option<AttemptDetails> {
        self.end_old(stopwatch);
        let mut all = self.lock();
        let presented = answer.state.expose_secret().as_bytes();
        let mut hit = None;
        for (at, attempt) in all.iter().enumerate() {
            let Some(awaited) = &attempt.awaited else { continue };
            let same = bool::from(awaited.state.expose_secret().as_bytes().ct_eq(presented));
            if same && awaited.path == *path && (answer.is_posted || !awaited.must_be_posted) {
                hit = Some(at);
            }
        }
        let attempt = all.get_mut(hit?)?;
        attempt.awaited = None;
        attempt.turn(Progress::Checking, stopwatch);
        Some(attempt.taken.clone())
    }

    pub(super) fn set(&self, id: &SignInId, progress: Progress, stopwatch: Duration) {
        if let Some(attempt) = self.lock().iter_mut().find(|attempt| attempt.taken.id == *id) {
            attempt.turn(progress, stopwatch);
        }
    }

    /// Keeps what came of a sign-in until somebody confirms it; ten minutes more. An attempt that another
    /// process began gets a place here.
    pub(super) fn ask(&self, unconfirmed: Unconfirmed, clock: &Clock) {
        let progress = Progress::Confirm { account: unconfirmed.signed_in.account.label.clone() };
        let mut all = self.lock();
        let at = all.iter().position(|attempt| attempt.taken.id == unconfirmed.taken.id).unwrap_or_else(|| {
            if all.len() == MOST {
                all.pop_front();
            }
            all.push_back(Attempt::of_another_process(&unconfirmed));
            all.len() - 1
        });
        let attempt = &mut all[at];
        (attempt.started_at, attempt.ends_at) = (clock.now(), clock.now().plus(LIFE_MS));
        attempt.lives = LIFE;
        attempt.turn(progress, clock.stopwatch());
        attempt.unconfirmed = Some(Box::new(unconfirmed));
    }

    /// Takes what a person has confirmed.
    pub(super) fn confirmed(&self, id: &SignInId, stopwatch: Duration) -> Option<Unconfirmed> {
        self.end_old(stopwatch);
        let mut all = self.lock();
        let attempt = all.iter_mut().find(|attempt| attempt.taken.id == *id)?;
        let unconfirmed = attempt.unconfirmed.take()?;
        attempt.turn(Progress::Checking, stopwatch);
        Some(*unconfirmed)
    }

    /// Those that wait for a person to say who signed in.
    pub(super) fn unconfirmed(&self, stopwatch: Duration) -> Vec<SignInView> {
        self.end_old(stopwatch);
        self.lock().iter().filter(|attempt| attempt.unconfirmed.is_some()).map(Attempt::view).collect()
    }

    /// The person gave up: a late answer finds nothing.
    pub(super) fn cancel(&self, id: &SignInId) {
        self.lock().retain(|attempt| attempt.taken.id != *id);
    }

    fn end_old(&self, stopwatch: Duration) {
        for attempt in self.lock().iter_mut() {
            let age = stopwatch.saturating_sub(attempt.since);
            if attempt.progress == Progress::Checking && age >= LONGEST_CHECK {
                attempt.fail("Checking who signed in took too long", stopwatch);
            }
            if age < attempt.lives {
                continue;
            }
            if attempt.awaited.take().is_some() {
                attempt.fail("No answer came within ten minutes", stopwatch);
            }
            if attempt.unconfirmed.take().is_some() {
                attempt.fail("Nobody confirmed within ten minutes who signed in", stopwatch);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Attempt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
