//! The tray: what the gateway does, what needs attention, and the one switch that stops
//! everything.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use atthene_core::identity::PRODUCT_NAME;
use atthene_core::oversight::{Attention, Fix};
use atthene_gateway::GatewayState;
use tauri::menu::{Menu, MenuEvent, MenuItem, PredefinedMenuItem};
use tauri::tray::TrayIconBuilder;
use tauri::{AppHandle, Manager, Runtime};
use tauri_plugin_clipboard_manager::ClipboardExt;

use crate::state::{HasTray, Startup, recheck};
use crate::{notices, window};

const ATTENTION: &str = "attention";
const COPY: &str = "copy";
const STOP: &str = "stop";
const OPEN: &str = "open";
const QUIT: &str = "quit";

/// The lines of the menu that change.
pub(crate) struct Tray<R: Runtime> {
    lines: Mutex<Option<Lines<R>>>,
}

struct Lines<R: Runtime> {
    state: MenuItem<R>,
    attention: MenuItem<R>,
    stop: MenuItem<R>,
}

impl<R: Runtime> Default for Tray<R> {
    fn default() -> Self {
        Self { lines: Mutex::default() }
    }
}

/// Puts the icon into the tray, as soon as the desktop has one. Blocks for as long as the desktop may
/// get one or lose it.
pub(crate) fn begin<R: Runtime>(app: &AppHandle<R>) {
    let mut made = false;
    let followed = desktop::follow_tray(|there| {
        if there && !made {
            made = true;
            return put(app);
        }
        if !there {
            tracing::info!("this desktop has no tray");
        }
        // An icon that was there once comes back by itself.
        let tray = app.state::<Tray<R>>();
        let has_icon = tray.lines.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        app.state::<HasTray>().set(there && has_icon);
    });
    if let Err(error) = followed {
        tracing::info!(%error, "whether this desktop has a tray can't be told");
    }
}

fn put<R: Runtime>(app: &AppHandle<R>) {
    let handle = app.clone();
    let made = app.run_on_main_thread(move || {
        // The indicator library is loaded at run time, and its absence is a panic.
        match catch_unwind(AssertUnwindSafe(|| make(&handle))) {
            Ok(Ok(lines)) => {
                let tray = handle.state::<Tray<R>>();
                *tray.lines.lock().unwrap_or_else(PoisonError::into_inner) = Some(lines);
                handle.state::<HasTray>().set(true);
                recheck(&handle);
            }
            Ok(Err(error)) => tracing::warn!(%error, "there is no tray icon"),
            Err(_) => tracing::warn!("there is no tray icon: the indicator library is missing"),
        }
    });
    if let Err(error) = made {
        tracing::warn!(%error, "there is no tray icon");
    }
}

fn make<R: Runtime>(app: &AppHandle<R>) -> tauri::Result<Lines<R>> {
    let item = |id: &str, text: &str, enabled| MenuItem::with_id(app, id, text, enabled, None::<&str>);
    let lines = Lines {
        state: item("state", "The gateway is starting", false)?,
        attention: item(ATTENTION, "Nothing needs attention", false)?,
        stop: item(STOP, "Stop everything", true)?,
    };
    let line = PredefinedMenuItem::separator(app)?;
    let menu = Menu::with_items(
        app,
        &[
            &lines.state,
            &lines.attention,
            &line,
            &item(COPY, "Copy gateway address", true)?,
            &lines.stop,
            &line,
            &item(OPEN, &format!("Open {PRODUCT_NAME}"), true)?,
            &item(QUIT, "Quit", true)?,
        ],
    )?;
    let mut tray = TrayIconBuilder::with_id("main").menu(&menu).tooltip(PRODUCT_NAME).on_menu_event(chosen);
    if let Some(icon) = app.default_window_icon() {
        tray = tray.icon(icon.clone());
    }
    tray.build(app)?;
    Ok(lines)
}

fn chosen<R: Runtime>(app: &AppHandle<R>, event: MenuEvent) {
    match event.id().as_ref() {
        ATTENTION | OPEN => window::raise(app),
        QUIT => app.exit(0),
        COPY => {
            let state = app.state::<Startup>().gateway_state();
            let app = app.clone();
            tauri::async_runtime::spawn(async move {
                let Ok(core) = app.state::<Startup>().core().await else { return };
                let port = core.settings.current().gateway_port;
                // Also while it does not listen: this is where it will.
                let address = address(state).unwrap_or_else(|| format!("http://127.0.0.1:{port}"));
                let copied = tauri::async_runtime::spawn_blocking(move || app.clipboard().write_text(address)).await;
                if let Ok(Err(error)) = copied {
                    tracing::warn!(%error, "the address was not copied");
                }
            });
        }
        STOP => {
            let app = app.clone();
            tauri::async_runtime::spawn(async move {
                let Ok(core) = app.state::<Startup>().core().await else { return };
                let stopped = core.settings.stopped_at().is_some();
                let done = tauri::async_runtime::spawn_blocking(move || {
                    if stopped { core.resume() } else { core.stop_everything().map(drop) }
                });
                if let Ok(Err(error)) = done.await {
                    let title = if stopped { "Everything is still stopped" } else { "Nothing was stopped" };
                    notices::show(&app, title, &error.to_string());
                }
            });
        }
        _ => {}
    }
}

fn address(state: GatewayState) -> Option<String> {
    match state {
        GatewayState::Listening { url } | GatewayState::Refusing { url, .. } => Some(url),
        _ => None,
    }
}

/// Shows what the gateway does and what needs attention.
pub(crate) fn show<R: Runtime>(app: &AppHandle<R>, attention: &[Attention]) {
    let state = app.state::<Startup>().gateway_state();
    let tray = app.state::<Tray<R>>();
    let lines = tray.lines.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(lines) = &*lines else { return };
    // Also where the gateway is turned off besides.
    let stopped = attention.iter().any(|attention| attention.fix == Fix::Resume);
    let text = match attention.len() {
        0 => "Nothing needs attention".to_owned(),
        1 => attention[0].title.clone(),
        many => format!("{many} things need attention"),
    };
    let shown = lines
        .state
        .set_text(in_words(&state))
        .and_then(|()| lines.attention.set_text(text))
        .and_then(|()| lines.attention.set_enabled(!attention.is_empty()))
        .and_then(|()| lines.stop.set_text(if stopped { "Resume" } else { "Stop everything" }));
    if let Err(error) = shown {
        tracing::warn!(%error, "the tray could not be changed");
    }
}

/// What the gateway does, in a line.
pub(crate) fn in_words(state: &GatewayState) -> String {
    match state {
        GatewayState::Starting => "The gateway is starting".into(),
        GatewayState::Listening { url } => format!("The gateway listens at {url}"),
        GatewayState::Refusing { cut: 0, .. } => "Everything is stopped".into(),
        GatewayState::Refusing { cut: 1, .. } => "Everything is stopped; one open call was cut".into(),
        GatewayState::Refusing { cut, .. } => format!("Everything is stopped; {cut} open calls were cut"),
        GatewayState::Off => "The gateway is turned off".into(),
        GatewayState::PortTaken { port, .. } => format!("Port {port} is taken by another program"),
        GatewayState::Failed { reason } => format!("The gateway can’t listen: {reason}"),
        GatewayState::Stopped => "The gateway has stopped".into(),
    }
}

/// On Linux somebody has to watch for icons: a program that may start after this one.
#[cfg(target_os = "linux")]
mod desktop {
    use zbus::blocking::{Connection, fdo::DBusProxy};
    use zbus::names::BusName;

    const WATCHER: &str = "org.kde.StatusNotifierWatcher";

    /// Tells whether there is a tray now, and each time that this changes.
    pub(super) fn follow_tray(mut tell: impl FnMut(bool)) -> zbus::Result<()> {
        let bus = Connection::session()?;
        let names = DBusProxy::new(&bus)?;
        let changes = names.receive_name_owner_changed_with_args(&[(0, WATCHER)])?;
        tell(names.name_has_owner(BusName::try_from(WATCHER)?)?);
        for change in changes {
            tell(change.args()?.new_owner().is_some());
        }
        Ok(())
    }
}

/// Windows and macOS always have one.
#[cfg(not(target_os = "linux"))]
mod desktop {
    pub(super) fn follow_tray(mut tell: impl FnMut(bool)) -> Result<(), std::convert::Infallible> {
        tell(true);
        Ok(())
    }
}
