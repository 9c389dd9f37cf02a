//! A window with one line in it. Says when its page is painted, as the app does.
#![allow(clippy::print_stderr, reason = "it is measured by this line")]

#[tauri::command]
async fn painted(window: tauri::WebviewWindow) {
    let _ = window.show();
    eprintln!("the page is painted");
}

fn main() -> tauri::Result<()> {
    tauri::Builder::default().invoke_handler(tauri::generate_handler![painted]).run(tauri::generate_context!())
}
