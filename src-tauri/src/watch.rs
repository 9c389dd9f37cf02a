//! Keeps theme and log true to the settings, and writes into the log what the gateway does.

use std::sync::Arc;

use atthene_core::{Change, Core, Settings, Theme};
use tauri::{AppHandle, Manager, Runtime};
use tokio::sync::broadcast::error::RecvError;

use crate::log::LogFile;
use crate::state::Startup;

/// Watches until the app ends.
pub(crate) async fn run<R: Runtime>(app: AppHandle<R>, core: Arc<Core>) {
    let mut changes = core.changes().subscribe();
    let mut gateway = None;
    apply(&app, &core.settings.current());
    loop {
        match changes.recv().await {
            Ok(Change::Settings) | Err(RecvError::Lagged(_)) => apply(&app, &core.settings.current()),
            Ok(Change::Gateway) => {
                let now = app.state::<Startup>().gateway_state().await.in_words();
                if gateway.as_ref() != Some(&now) {
                    tracing::info!("{now}");
                    gateway = Some(now);
                }
            }
            Ok(_) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

fn apply<R: Runtime>(app: &AppHandle<R>, settings: &Settings) {
    if let Some(log) = app.try_state::<LogFile>() {
        log.set(settings.log_level);
    }
    app.set_theme(match settings.theme {
        Theme::System => None,
        Theme::Light => Some(tauri::Theme::Light),
        Theme::Dark => Some(tauri::Theme::Dark),
    });
}
