//! What the parts of the shell share, apart from what they do with it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use atthene_core::identity::Profile;
use atthene_core::oversight::GatewayState;
use atthene_core::{Core, Error, ErrorView, Settings, blocking};
use atthene_service::fleet::Membership;
use tokio::sync::{Notify, watch};

/// Present where there is a desktop to register with: not on the mock runtime of tests.
pub(crate) struct RealDesktop;

/// What is to become of the service beside the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceWish {
    /// There is to be one, for as long as the person does not quit.
    Kept,
    /// Other hosts serve the profile. One that somebody else keeps here may come and go.
    Elsewhere,
    /// The folder is being led to other rows: none is started, and the end of one is no quitting.
    Switching,
}

/// How far the start has come.
pub(crate) struct Startup {
    pub(crate) profile: Option<Profile>,
    pub(crate) opened: watch::Sender<Option<Result<Arc<Core>, ErrorView>>>,
    /// What the gateway does where no service says so.
    without_service: Mutex<GatewayState>,
    is_leaving: AtomicBool,
    is_switching: AtomicBool,
    pub(crate) painted: Notify,
}

impl Startup {
    pub(crate) fn new(profile: Option<Profile>) -> Self {
        Self {
            profile,
            opened: watch::Sender::new(None),
            without_service: Mutex::new(GatewayState::Starting),
            is_leaving: AtomicBool::new(false),
            is_switching: AtomicBool::new(false),
            painted: Notify::new(),
        }
    }

    /// The open profile; waits for it while it is being opened.
    pub(crate) async fn core(&self) -> Result<Arc<Core>, ErrorView> {
        let mut opened = self.opened.subscribe();
        let opened = opened.wait_for(Option::is_some).await;
        opened
            .ok()
            .and_then(|opened| opened.clone())
            .unwrap_or_else(|| Err(Error::Internal("the start was broken off".into()).view()))
    }

    /// The folder that holds the database and the log.
    pub(crate) fn data_dir(&self) -> Result<PathBuf, Error> {
        let profile = self.profile.as_ref().ok_or_else(no_home)?;
        Ok(profile.data_dir().to_owned())
    }

    /// The profile, where it is open.
    pub(crate) fn opened_core(&self) -> Option<Arc<Core>> {
        self.opened.borrow().as_ref().and_then(|opened| opened.as_ref().ok()).cloned()
    }

    /// The settings in force, once the profile is open.
    pub(crate) fn settings(&self) -> Option<Arc<Settings>> {
        self.opened_core().map(|core| core.settings.current())
    }

    /// What the gateway of the service does.
    pub(crate) async fn gateway_state(&self) -> GatewayState {
        let told = match self.opened_core() {
            Some(core) => blocking(move || core.service_status()).await.ok().flatten(),
            None => None,
        };
        told.map_or_else(|| self.lock().clone(), |status| status.gateway)
    }

    /// What it does where no service says so.
    pub(crate) fn without_service(&self, state: GatewayState) {
        *self.lock() = state;
    }

    /// This process is about to end: what ends with it is not begun again.
    pub(crate) fn leave(&self) {
        self.is_leaving.store(true, Ordering::Release);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Acquire)
    }

    /// Whether the folder is being led to other rows.
    pub(crate) fn switch(&self, is_switching: bool) {
        self.is_switching.store(is_switching, Ordering::Release);
    }

    /// What is to become of the service now.
    pub(crate) fn service_wish(&self) -> ServiceWish {
        if self.is_switching.load(Ordering::Acquire) {
            return ServiceWish::Switching;
        }
        match self.profile.as_ref().map(|profile| Membership::of(profile.data_dir())) {
            Some(Ok(Some(membership))) if !membership.gateway_beside_window => ServiceWish::Elsewhere,
            _ => ServiceWish::Kept,
        }
    }

    /// The page shows something: what was put off until then may begin.
    pub(crate) fn page_painted(&self) {
        self.painted.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, GatewayState> {
        self.without_service.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// This account has nowhere to keep a profile.
pub(crate) fn no_home() -> Error {
    Error::Internal("this account has no home folder".into())
}

/// Whether the person can reach the app without a window.
#[derive(Default)]
pub(crate) struct HasTray(AtomicBool);

impl HasTray {
    pub(crate) fn is_there(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn set(&self, is_there: bool) {
        self.0.store(is_there, Ordering::Release);
    }
}
