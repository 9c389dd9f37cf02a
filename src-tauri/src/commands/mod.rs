//! The commands: each is async, calls one function of the core and maps its error.

mod approvals;
mod connections;
mod fleet;
mod integrations;
mod keys;
mod oversight;
mod preferences;
mod shell;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use atthene_core::{Core, Error, ErrorView, SecretChange};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tauri::{AppHandle, Builder, Runtime};
use tauri_plugin_dialog::{DialogExt, FilePath};
use ts_rs::TS;

use crate::state::Startup;

/// Names every command once: for the handler, and for the test that holds this list
/// against `build.rs` and the capability.
macro_rules! commands {
    ($($module:ident::$name:ident),* $(,)?) => {
        /// The names of all commands.
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];

        pub(crate) fn register<R: Runtime>(builder: Builder<R>) -> Builder<R> {
            builder.invoke_handler(tauri::generate_handler![$($module::$name),*])
        }
    };
}

commands![
    shell::start_up,
    shell::try_again,
    shell::painted,
    shell::close_anyway,
    shell::kept_view,
    shell::keep_view,
    shell::ask_close,
    shell::set_zoom,
    shell::copy_text,
    shell::gateway_state,
    keys::list_keys,
    keys::create_key,
    keys::revoke_key,
    keys::describe_key,
    keys::recent_callers,
    keys::last_day,
    keys::held_new_key,
    keys::reveal_new_key,
    keys::issue_new_key,
    keys::try_new_key,
    keys::where_programs_run,
    keys::copy_new_key,
    keys::write_new_key,
    keys::dismiss_new_key,
    shell::open_link,
    integrations::list_integrations,
    integrations::scope_catalogue,
    integrations::fresh_integration,
    integrations::integration_draft,
    integrations::integration_report,
    integrations::preflight,
    integrations::save_integration,
    integrations::delete_integration,
    integrations::set_default_integration,
    integrations::save_return_page,
    connections::list_connections,
    connections::begin_sign_in,
    connections::begin_device_sign_in,
    connections::sign_in,
    connections::open_sign_in,
    connections::cancel_sign_in,
    connections::unconfirmed_sign_ins,
    connections::confirm_sign_in,
    connections::probe_connection,
    connections::disconnect,
    connections::set_permissions,
    approvals::waiting_approvals,
    approvals::approve,
    approvals::deny,
    connections::explain_error_code,
    preferences::get_settings,
    preferences::save_settings,
    shell::close_window,
    shell::open_data_folder,
    oversight::usage_report,
    oversight::export_usage,
    oversight::activity_page,
    oversight::verify_activity,
    oversight::export_activity,
    oversight::export_timeline,
    oversight::attention,
    oversight::troubled_calls,
    oversight::explain_refusal,
    oversight::self_check,
    preferences::fixed_settings,
    fleet::shared_profile,
    fleet::run_gateway_here,
    fleet::forget_host,
    fleet::share_profile,
    fleet::choose_invite,
    fleet::join_shared_profile,
    fleet::leave_shared_profile,
    preferences::test_runtime,
    preferences::stop_everything,
    preferences::resume_everything,
    preferences::back_up,
    preferences::choose_restore,
    preferences::restore,
    preferences::reset,
    preferences::copy_diagnostics,
];

/// What is to become of a stored secret, as the page says it.
#[derive(Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export)]
pub enum SecretRequest {
    /// Leave it as it is.
    Keep,
    /// Put this one in its place.
    Replace {
        /// The secret; it goes to the keychain and never comes back.
        #[ts(type = "string")]
        secret: SecretString,
    },
    Remove,
}

impl From<SecretRequest> for SecretChange {
    fn from(request: SecretRequest) -> Self {
        match request {
            SecretRequest::Keep => Self::Keep,
            SecretRequest::Replace { secret } => Self::Replace(secret),
            SecretRequest::Remove => Self::Remove,
        }
    }
}

type CommandAnswer<T> = Result<T, ErrorView>;

/// Runs a use case on a blocking thread: SQLite, argon2 and the clipboard all block.
async fn on_core<T: Send + 'static>(
    startup: &Startup,
    use_case: impl FnOnce(Arc<Core>) -> Result<T, Error> + Send + 'static,
) -> CommandAnswer<T> {
    let core = startup.core().await?;
    blocking(move || use_case(core)).await
}

/// Asks for a file to write in the desktop's own dialog, and does `work` with it. `None`: no file was chosen.
async fn in_new_file<R: Runtime, T: Send + 'static>(
    app: AppHandle<R>,
    name: String,
    folder: Option<PathBuf>,
    work: impl FnOnce(&Path) -> Result<T, Error> + Send + 'static,
) -> CommandAnswer<Option<Written<T>>> {
    let Some(path) = choose_new_file(app, name, folder).await? else { return Ok(None) };
    blocking(move || work(&path).map(|done| Some(Written { path, done }))).await
}

/// What was done with a file that a person chose.
#[derive(Serialize, TS)]
#[ts(export)]
pub(crate) struct Written<T> {
    /// The file, to be shown.
    #[ts(type = "string")]
    path: PathBuf,
    done: T,
}

/// Asks for a file to write in the desktop's own dialog.
async fn choose_new_file<R: Runtime>(
    app: AppHandle<R>,
    name: String,
    folder: Option<PathBuf>,
) -> CommandAnswer<Option<PathBuf>> {
    let ask = move || {
        let dialog = app.dialog().file().set_title("Save as").set_file_name(name);
        match folder {
            Some(folder) => dialog.set_directory(folder),
            None => dialog,
        }
        .blocking_save_file()
    };
    chosen(ask).await
}

/// Asks for a file to read in the desktop's own dialog.
async fn choose_old_file<R: Runtime>(app: AppHandle<R>, title: &'static str) -> CommandAnswer<Option<PathBuf>> {
    chosen(move || app.dialog().file().set_title(title).blocking_pick_file()).await
}

async fn chosen(ask: impl FnOnce() -> Option<FilePath> + Send + 'static) -> CommandAnswer<Option<PathBuf>> {
    let chosen = blocking(move || Ok(ask())).await?;
    Ok(chosen.and_then(|path| path.into_path().ok()))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> CommandAnswer<T> {
    atthene_core::blocking(work).await.map_err(|error| error.view())
}
