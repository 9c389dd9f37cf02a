//! Opens the profile beside the window, never before it: a database that waits for another
//! program must not keep the window away.

use std::sync::Arc;
use std::time::Duration;

use atthene_core::{Actor, Change, Core, ErrorView, blocking};
use tauri::{AppHandle, Emitter, Manager, Runtime};
use tokio::sync::broadcast;

use crate::state::{RealDesktop, ServiceWish, Startup, no_home};
use crate::{deep_link, has_tray, service_process, watch as watching, window};

/// The event that carries a [`Change`] to the window.
const CHANGE: &str = "change";

/// Past this the window is shown and the service started, painted or not.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Longer than any call to an authority may take.
const LAST_WORK: Duration = Duration::from_secs(50);

/// Begins to open the profile and returns at once.
pub(crate) fn begin<R: Runtime>(app: &AppHandle<R>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let core = match open(&app).await {
            Ok(core) => core,
            Err(error) => {
                tracing::error!(code = ?error.code, "{}", error.message);
                return;
            }
        };
        let changes = core.changes().subscribe();
        core.follow_service();
        tauri::async_runtime::spawn(tell_window(app.clone(), core.clone(), changes));
        let startup = app.state::<Startup>();
        // Past the patience the service starts all the same: applications wait for it.
        let _ = tokio::time::timeout(TIMEOUT, startup.painted.notified()).await;
        window::show(&app);
        tauri::async_runtime::spawn(watching::run(app.clone(), core.clone()));
        if app.try_state::<RealDesktop>().is_some() {
            service_process::keep(&app, core);
            let handle = app.clone();
            // It writes files and asks the desktop's own tools.
            tokio::task::spawn_blocking(move || deep_link::register(&handle));
            let handle = app.clone();
            let follower = std::thread::Builder::new().name("tray".into()).spawn(move || has_tray::follow(&handle));
            if let Err(error) = follower {
                tracing::warn!(%error, "whether this desktop has a tray can't be told");
            }
        }
    });
}

async fn open<R: Runtime>(app: &AppHandle<R>) -> Result<Arc<Core>, ErrorView> {
    let startup = app.state::<Startup>();
    let profile = startup.profile.clone();
    let opened = match profile {
        Some(profile) => atthene_service::open(&profile, Actor::Window).await,
        None => Err(no_home()),
    };
    let opened = opened.map_err(|error| error.view());
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
        let is_kept = || app.state::<Startup>().service_wish() == ServiceWish::Kept;
        if change == Change::Gateway && is_kept() && is_quit(&core).await {
            return window::leave(&app);
        }
        let _ = app.emit(CHANGE, change);
    }
}

/// Whether a person has quit, at the tray or elsewhere: the service is on its way out.
async fn is_quit(core: &Arc<Core>) -> bool {
    let core = core.clone();
    let asked = blocking(move || Ok(core.has_service() && core.is_service_to_end()?));
    asked.await.unwrap_or(false)
}

/// Waits until what has begun has ended: a token that was asked for must not be lost.
pub(crate) fn finish<R: Runtime>(app: &AppHandle<R>) {
    let startup = app.state::<Startup>();
    startup.leave();
    let Some(core) = startup.opened_core() else { return };
    let finished = tauri::async_runtime::block_on(async { tokio::time::timeout(LAST_WORK, core.finish_begun()).await });
    if finished.is_err() {
        tracing::warn!("what had begun was broken off");
    }
}
