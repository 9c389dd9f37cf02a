//! Which window of which origin may call which command: asked of the real configuration and
//! capability, on the mock runtime.
#![allow(clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;

use atthene_core::identity::Profile;
use atthene_settings_lib::{COMMAND_NAMES, build};
use tauri::ipc::{CallbackFn, InvokeBody};
use tauri::test::{INVOKE_KEY, MockRuntime, get_ipc_response, mock_builder};
use tauri::webview::InvokeRequest;
use tauri::{App, WebviewUrl, WebviewWindow, WebviewWindowBuilder};

fn app() -> (tempfile::TempDir, App<MockRuntime>) {
    let dir = tempfile::tempdir().expect("a folder");
    let app = build(mock_builder(), Some(Profile::at(dir.path()))).expect("builds");
    (dir, app)
}

fn window(app: &App<MockRuntime>, label: &str) -> WebviewWindow<MockRuntime> {
    WebviewWindowBuilder::new(app, label, WebviewUrl::default()).build().expect("opens")
}

/// The page's own origin, as each platform writes it.
const OWN: &str = if cfg!(any(target_os = "windows", target_os = "android")) {
    "http://tauri.localhost"
} else {
    "tauri://localhost"
};

/// Whether the access rules let the call through. An error of the command itself is a yes.
fn may_call(window: &WebviewWindow<MockRuntime>, origin: &str, command: &str) -> bool {
    let request = InvokeRequest {
        cmd: command.to_owned(),
        callback: CallbackFn(0),
        error: CallbackFn(1),
        url: origin.parse().expect("a URL"),
        body: InvokeBody::default(),
        headers: tauri::http::HeaderMap::default(),
        invoke_key: INVOKE_KEY.to_owned(),
    };
    match get_ipc_response(window, request) {
        Ok(_) => true,
        Err(error) => {
            let text = error.to_string();
            !text.contains("not allowed") && !text.contains("not found")
        }
    }
}

/// Commands that need no argument and no open profile: there is none on the mock runtime.
const HARMLESS: [&str; 2] = ["gateway_state", "dismiss_new_key"];

#[test]
fn only_the_main_window_on_its_own_origin_may_call() {
    let (_dir, app) = app();
    let main = window(&app, "main");
    let other = window(&app, "other");
    for command in HARMLESS {
        assert!(may_call(&main, OWN, command), "{command} from the page");
        assert!(!may_call(&other, OWN, command), "{command} from another window");
        for origin in ["http://127.0.0.1:8765", "http://localhost:8765", "https://evil.example"] {
            assert!(!may_call(&main, origin, command), "{command} from {origin}");
        }
    }
    for command in COMMAND_NAMES {
        assert!(!may_call(&other, OWN, command), "{command} from another window");
        assert!(!may_call(&main, "https://evil.example", command), "{command} from the web");
    }
}

#[test]
fn the_plugins_give_the_page_nothing() {
    let (_dir, app) = app();
    let main = window(&app, "main");
    for command in [
        "plugin:clipboard-manager|read_text",
        "plugin:clipboard-manager|write_text",
        "plugin:dialog|open",
        "plugin:dialog|save",
        "plugin:event|emit",
        "plugin:window|close",
        "plugin:webview|create_webview_window",
        "plugin:path|resolve_directory",
    ] {
        assert!(!may_call(&main, OWN, command), "{command}");
    }
}

#[test]
fn every_list_of_commands_names_the_same_ones() {
    let names: BTreeSet<&str> = COMMAND_NAMES.iter().copied().collect();
    let build = include_str!("../build.rs");
    let capability = include_str!("../capabilities/main.json");
    let page = include_str!("../../ui/src/lib/backend/tauri.ts");
    let quoted = |text: &'static str, prefix: &str| -> BTreeSet<String> {
        let inside =
            |part: &&str| part.starts_with(prefix) && part.chars().all(|c| c.is_ascii_lowercase() || "_-".contains(c));
        text.split('"')
            .skip(1)
            .step_by(2)
            .filter(inside)
            .map(|part| part.trim_start_matches(prefix).replace('-', "_"))
            .collect()
    };
    let owned: BTreeSet<String> = names.iter().map(|&name| name.to_owned()).collect();
    let declared = build.split("COMMANDS: &[&str]").nth(1).and_then(|list| list.split("];").next()).expect("the list");
    assert_eq!(quoted(Box::leak(declared.to_owned().into_boxed_str()), ""), owned, "build.rs");
    assert_eq!(quoted(capability, "allow-"), owned, "the capability");
    let called: BTreeSet<String> =
        page.split("invoke('").skip(1).filter_map(|rest| rest.split('\'').next()).map(str::to_owned).collect();
    assert_eq!(called, owned, "the page");
}
