//! Opens the profile beside the window, never before it: a database that waits for another
//! program must not keep the window away.

use std::sync::Arc;
use std::time::Duration;

use atthene_core::{Actor, Change, Core, Error, ErrorView};
use atthene_gateway::Limits;
use atthene_service::Service;
use tauri::{AppHandle, Emitter, Manager, Runtime};
use tokio::sync::broadcast;

use crate::state::{RealDesktop, Startup, no_home};
use crate::{deep_link, tray, watch as watching, window};

/// The event that carries a [`Change`] to the window.
const CHANGE: &str = "change";

/// Past this the window is shown and the gateway started, painted or not.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Begins to open the profile and returns at once.
pub(crate) fn begin<R: Runtime>(app: &AppHandle<R>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let core = match open(&app).await {
            Ok(core) => core,
            Err(error) => {
                tracing::error!(code = ?error.code, "{}", error.message);
                if !window::is_open(&app) {
                    // Started without a window, a person would not hear of it.
                    window::raise(&app);
                }
                return;
            }
        };
        let changes = core.changes().subscribe();
        tauri::async_runtime::spawn(tell_window(app.clone(), core.clone(), changes));
        let startup = app.state::<Startup>();
        if window::is_open(&app) {
            // Past the patience the gateway starts all the same: applications wait for it.
            let _ = tokio::time::timeout(TIMEOUT, startup.painted.notified()).await;
            window::show(&app);
        }
        tauri::async_runtime::spawn(reconcile_secrets(core.clone()));
        match Service::start(core.clone(), Limits::default()) {
            Ok(service) => *startup.service() = Some(service),
            Err(error) => tracing::error!(%error, "the service has no thread"),
        }
        tauri::async_runtime::spawn(watching::run(app.clone(), core));
        if app.try_state::<RealDesktop>().is_some() {
            let handle = app.clone();
            // It writes files and asks the desktop's own tools.
            tokio::task::spawn_blocking(move || deep_link::register(&handle));
            let handle = app.clone();
            let follower = std::thread::Builder::new().name("tray".into()).spawn(move || tray::begin(&handle));
            if let Err(error) = follower {
                tracing::warn!(%error, "there is no tray icon");
            }
        }
    });
}

async fn open<R: Runtime>(app: &AppHandle<R>) -> Result<Arc<Core>, ErrorView> {
    let startup = app.state::<Startup>();
    let profile = startup.profile.clone();
    let opened = tokio::task::spawn_blocking(move || match profile {
        Some(profile) => atthene_service::open(&profile, Actor::Window),
        None => Err(no_home()),
    });
    let opened = match opened.await {
        Ok(opened) => opened.map_err(|error| error.view()),
        Err(error) => Err(Error::Internal(error.to_string()).view()),
    };
    startup.opened.send_replace(Some(opened.clone()));
    if opened.is_err() {
        // The page says what is wrong; it must be seen.
        let _ = tokio::time::timeout(TIMEOUT, startup.painted.notified()).await;
        window::show(app);
    }
    opened
}

/// Opens the profile again after a failure.
pub(crate) fn again<R: Runtime>(app: &AppHandle<R>) {
    let startup = app.state::<Startup>();
    let failed = startup.opened.send_if_modified(|opened| {
        let failed = matches!(opened, Some(Err(_)));
        if failed {
            *opened = None;
        }
        failed
    });
    if failed {
        begin(app);
    }
}

/// May wait for a person at the keychain, and nothing waits for it.
async fn reconcile_secrets(core: Arc<Core>) {
    if let Err(error) = core.reconcile_secrets().await {
        tracing::warn!(%error, "secrets in the keychain could not be compared with the database");
    }
}

async fn tell_window<R: Runtime>(app: AppHandle<R>, core: Arc<Core>, mut changes: broadcast::Receiver<Change>) {
    let mut ended = core.connections.ended_sign_ins();
    loop {
        let change = match changes.recv().await {
            Ok(change) => change,
            // Too many at once to hear each: the page reads its keys again, and with them the rest.
            Err(broadcast::error::RecvError::Lagged(_)) => Change::Keys,
            Err(broadcast::error::RecvError::Closed) => return,
        };
        if change == Change::SignIns && core.connections.ended_sign_ins() != ended {
            ended = core.connections.ended_sign_ins();
            // The person is at the browser; what they came for goes on here.
            window::raise(&app);
        }
        // A window that is gone needs no news.
        let _ = app.emit(CHANGE, change);
    }
}

/// Stops the service; counters are written.
pub(crate) fn stop<R: Runtime>(app: &AppHandle<R>) {
    let service = app.state::<Startup>().service().take();
    if let Some(service) = service {
        service.stop();
    }
}
