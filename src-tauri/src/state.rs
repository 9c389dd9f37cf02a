//! What the parts of the shell share, apart from what they do with it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use atthene_core::identity::Profile;
use atthene_core::{Core, Error, ErrorView, Settings};
use atthene_gateway::GatewayState;
use atthene_service::Service;
use tauri::{AppHandle, Manager, Runtime};
use tokio::sync::{Notify, watch};

/// Present where there is a desktop to register with: not on the mock runtime of tests.
pub(crate) struct RealDesktop;

/// How far the start has come.
pub(crate) struct Startup {
    pub(crate) profile: Option<Profile>,
    pub(crate) opened: watch::Sender<Option<Result<Arc<Core>, ErrorView>>>,
    service: Mutex<Option<Service>>,
    pub(crate) painted: Notify,
}

impl Startup {
    pub(crate) fn new(profile: Option<Profile>) -> Self {
        Self { profile, opened: watch::Sender::new(None), service: Mutex::default(), painted: Notify::new() }
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

    /// The settings in force, once the profile is open.
    pub(crate) fn settings(&self) -> Option<Arc<Settings>> {
        self.opened.borrow().as_ref().and_then(|opened| opened.as_ref().ok()).map(|core| core.settings.current())
    }

    /// The gateway's state; `Starting` until there is one.
    pub(crate) fn gateway_state(&self) -> GatewayState {
        self.service().as_ref().map_or(GatewayState::Starting, Service::state)
    }

    /// The page shows something: what was put off until then may begin.
    pub(crate) fn page_painted(&self) {
        self.painted.notify_one();
    }

    pub(crate) fn service(&self) -> std::sync::MutexGuard<'_, Option<Service>> {
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Wakes whoever looks at what needs attention.
#[derive(Default)]
pub(crate) struct Recheck(pub(crate) Notify);

pub(crate) fn recheck<R: Runtime>(app: &AppHandle<R>) {
    app.state::<Recheck>().0.notify_one();
}
