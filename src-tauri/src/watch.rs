//! Keeps tray, notifications, log and login item true to what the core tells.

use std::sync::Arc;
use std::time::Duration;

use atthene_core::{Change, Core, Settings, Theme};
use atthene_gateway::GatewayState;
use tauri::{AppHandle, Manager, Runtime};
use tauri_plugin_autostart::ManagerExt;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;

use crate::log::LogFile;
use crate::state::{RealDesktop, Recheck, Startup};
use crate::{notices, tray};

/// Dates come near without any news.
const EVERY: Duration = Duration::from_mins(1);
/// News come in bunches; one look is enough for each.
const PAUSE: Duration = Duration::from_millis(500);

/// Watches until the app ends.
pub(crate) async fn run<R: Runtime>(app: AppHandle<R>, core: Arc<Core>) {
    let mut changes = core.changes().subscribe();
    let recheck = app.state::<Recheck>();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut in_force: Option<Settings> = None;
    let mut stopped = false;
    loop {
        let settings = core.settings.current();
        if in_force.as_ref() != Some(&*settings) {
            apply(&app, in_force.as_ref(), &settings).await;
            in_force = Some(Settings::clone(&settings));
        }
        stopped = tell_of_stop(&app, stopped, settings.notifications);
        tell(&app, &core, settings.notifications).await;
        tokio::select! {
            _ = tick.tick() => {}
            () = recheck.0.notified() => {}
            ended = next(&mut changes) => if ended { return },
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits for news that may matter here. True where there will be none any more.
async fn next(changes: &mut tokio::sync::broadcast::Receiver<Change>) -> bool {
    loop {
        match changes.recv().await {
            // Counters and sign-ins that go on need nobody's attention.
            Ok(Change::Usage | Change::SignIns) => {}
            Ok(_) | Err(RecvError::Lagged(_)) => return false,
            Err(RecvError::Closed) => return true,
        }
    }
}

/// The person may be far from the window when everything is stopped: says what was cut.
fn tell_of_stop<R: Runtime>(app: &AppHandle<R>, before: bool, notify: bool) -> bool {
    let state = app.state::<Startup>().gateway_state();
    let stopped = matches!(state, GatewayState::Refusing { .. });
    if notify && stopped && !before && !crate::window::is_open(app) {
        notices::show(app, &tray::in_words(&state), "Applications are refused until you resume.");
    }
    stopped
}

async fn tell<R: Runtime>(app: &AppHandle<R>, core: &Arc<Core>, notify: bool) {
    let on_desktop = notify && app.try_state::<RealDesktop>().is_some();
    let asked = core.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let due = if on_desktop { asked.due_notices()? } else { Vec::new() };
        Ok::<_, atthene_core::Error>((asked.attention()?, due))
    });
    match looked.await {
        Ok(Ok((attention, due))) => {
            tray::show(app, &attention);
            for due in due {
                notices::show(app, &due.title, &due.text);
            }
        }
        Ok(Err(error)) => tracing::warn!(%error, "nobody can tell what needs attention"),
        Err(error) => tracing::warn!(%error, "looking at what needs attention broke"),
    }
}

async fn apply<R: Runtime>(app: &AppHandle<R>, before: Option<&Settings>, settings: &Settings) {
    if let Some(log) = app.try_state::<LogFile>() {
        log.set(settings.log_level);
    }
    app.set_theme(match settings.theme {
        Theme::System => None,
        Theme::Light => Some(tauri::Theme::Light),
        Theme::Dark => Some(tauri::Theme::Dark),
    });
    let changed = before.is_none_or(|before| before.start_at_login != settings.start_at_login);
    if changed && app.try_state::<RealDesktop>().is_some() {
        let (app, wanted) = (app.clone(), settings.start_at_login);
        // It reads and writes files of the desktop.
        let done = tokio::task::spawn_blocking(move || {
            let item = app.autolaunch();
            if item.is_enabled()? == wanted {
                return Ok(());
            }
            if wanted { item.enable() } else { item.disable() }
        });
        if let Ok(Err(error)) = done.await {
            tracing::warn!(%error, "the start at login could not be changed");
        }
    }
}
