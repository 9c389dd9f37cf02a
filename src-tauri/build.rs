//! Declares the commands, so that each needs a grant in `capabilities/main.json`.

/// Every command of the app. `tests/permissions.rs` holds this list against the others.
const COMMANDS: &[&str] = &[
    "start_up",
    "try_again",
    "painted",
    "close_anyway",
    "list_keys",
    "create_key",
    "revoke_key",
    "recent_callers",
    "last_day",
    "copy_new_key",
    "choose_env_file",
    "write_new_key",
    "dismiss_new_key",
    "copy_text",
    "gateway_state",
    "get_settings",
    "save_settings",
    "open_link",
    "list_integrations",
    "scope_catalogue",
    "fresh_integration",
    "integration_draft",
    "integration_report",
    "preflight",
    "save_integration",
    "delete_integration",
    "set_default_integration",
    "choose_return_page",
    "save_return_page",
    "list_connections",
    "begin_sign_in",
    "begin_device_sign_in",
    "sign_in",
    "open_sign_in",
    "cancel_sign_in",
    "probe_connection",
    "disconnect",
    "explain_error_code",
];

fn main() {
    let attributes = tauri_build::Attributes::new().app_manifest(tauri_build::AppManifest::new().commands(COMMANDS));
    if let Err(error) = tauri_build::try_build(attributes) {
        println!("cargo::error={error:#}");
        std::process::exit(1);
    }
}
