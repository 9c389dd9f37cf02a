//! The desktop shell: a window and thin commands on the core. It checks nothing and
//! decides nothing about keys.

mod clipboard;
mod commands;
mod deep_link;
#[cfg(target_os = "linux")]
mod locale;
mod new_key;
mod startup;
mod window;

use std::io::IsTerminal;
use std::process::ExitCode;

use atthene_core::identity::{IDENTIFIER, Profile};
use tauri::{App, Builder, Context, RunEvent, Runtime};
use tracing_subscriber::EnvFilter;

pub use commands::NAMES as COMMAND_NAMES;

use clipboard::CopiedKey;
use new_key::NewKeySlot;
use startup::{RealDesktop, Startup};

/// Runs the app until its window closes.
pub fn run() -> ExitCode {
    // Standard error, so that a terminal and the journal get it. RUST_LOG chooses.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,atthene=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    #[cfg(target_os = "linux")]
    locale::make_usable();
    let builder = Builder::default()
        // First of all plugins: a second start ends here and raises the first window.
        .plugin(tauri_plugin_single_instance::init(|app, arguments, _folder| {
            match deep_link::from_arguments(&arguments) {
                Some(link) => deep_link::take(app, link),
                None => window::raise(app),
            }
        }));
    match build(builder.manage(RealDesktop), Profile::from_environment()) {
        Ok(app) => {
            app.run(|app, event| {
                if let RunEvent::Exit = event {
                    clipboard::clear_now(app);
                    startup::stop(app);
                }
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
        .manage(Startup::new(profile))
        .manage(NewKeySlot::default())
        .manage(CopiedKey::default())
        .setup(|app| {
            startup::begin(app.handle());
            window::open(app.handle())?;
            // A cold start: the desktop started the app for this link.
            let arguments: Vec<String> = std::env::args().collect();
            if let Some(link) = deep_link::from_arguments(&arguments) {
                deep_link::take(app.handle(), link);
            }
            Ok(())
        })
        .build(context)
}
