//! The desktop shell: a window and thin commands on the core. It checks nothing and
//! decides nothing about keys.

mod chosen;
mod clipboard;
mod commands;
mod deep_link;
#[cfg(target_os = "linux")]
mod first_page;
mod has_tray;
#[cfg(target_os = "linux")]
mod locale;
mod log;
mod new_key;
mod service_process;
mod startup;
mod state;
mod view_file;
mod watch;
#[cfg(target_os = "linux")]
mod web_processes;
mod window;

use std::process::ExitCode;

use atthene_core::identity::{IDENTIFIER, Profile};
#[cfg(target_os = "linux")]
use tauri::Manager as _;
use tauri::{App, Builder, Context, RunEvent, Runtime};

pub use commands::NAMES as COMMAND_NAMES;

use chosen::{ChosenFile, ToJoin, ToRestore};
use clipboard::CopiedKey;
use new_key::NewKeySlot;
use state::{HasTray, RealDesktop, Startup};

/// Runs the app until its window closes.
pub fn run() -> ExitCode {
    #[cfg(target_os = "linux")]
    {
        locale::make_usable();
        // Desktops find the entry of a window, and with it its icon, by this name (app-id, WM_CLASS).
        webkit2gtk::glib::set_prgname(Some(IDENTIFIER));
    }
    let profile = Profile::from_environment();
    let log = log::begin(profile.as_ref().map(Profile::data_dir));
    let mut builder = Builder::default()
        // First of all plugins: a second start ends here and raises the first window.
        .plugin(tauri_plugin_single_instance::init(|app, arguments, _folder| {
            match deep_link::from_arguments(&arguments) {
                Some(link) => deep_link::take(app, link),
                None => window::raise(app),
            }
        }));
    if let Some(log) = log {
        builder = builder.manage(log);
    }
    match build(builder.manage(RealDesktop), profile) {
        Ok(app) => {
            app.run(|app, event| match event {
                // At the exit itself the clipboard's plugin has let go of it already.
                RunEvent::ExitRequested { .. } => clipboard::clear_now(app),
                RunEvent::Exit => startup::finish(app),
                _ => {}
            });
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(%error, "the app could not start");
            ExitCode::FAILURE
        }
    }
}

/// The app on any runtime, so that tests can ask it what the real one would answer.
pub fn build<R: Runtime>(builder: Builder<R>, profile: Option<Profile>) -> tauri::Result<App<R>> {
    let mut context: Context<R> = tauri::generate_context!();
    IDENTIFIER.clone_into(&mut context.config_mut().identifier);
    commands::register(builder)
        .plugin(tauri_plugin_clipboard_manager::init())
        .plugin(tauri_plugin_deep_link::init())
        .plugin(tauri_plugin_dialog::init())
        .plugin(window::remembered(profile.as_ref()))
        .manage(Startup::new(profile))
        .manage(NewKeySlot::default())
        .manage(ChosenFile::<ToRestore>::default())
        .manage(ChosenFile::<ToJoin>::default())
        .manage(CopiedKey::default())
        .manage(HasTray::default())
        .setup(|app| {
            let arguments: Vec<String> = std::env::args().collect();
            #[cfg(target_os = "linux")]
            app.manage(first_page::FirstPage::default());
            window::open(app.handle())?;
            startup::begin(app.handle());
            #[cfg(target_os = "linux")]
            if app.try_state::<RealDesktop>().is_some() {
                first_page::watch(app.handle());
            }
            // A cold start: the desktop started the app for this link.
            if let Some(link) = deep_link::from_arguments(&arguments) {
                deep_link::take(app.handle(), link);
            }
            Ok(())
        })
        .build(context)
}
