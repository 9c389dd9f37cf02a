//! A window with one line in it, or none at all with `--hidden`. Says when its page is painted,
//! as the app does.
#![allow(clippy::print_stderr, reason = "it is measured by these lines")]

#[tauri::command]
async fn painted(window: tauri::WebviewWindow) {
    let _ = window.show();
    eprintln!("the page is painted");
}

fn main() -> tauri::Result<()> {
    let mut context = tauri::generate_context!();
    let hidden = std::env::args().any(|argument| argument == "--hidden");
    if hidden {
        context.config_mut().app.windows.clear();
    }
    tauri::Builder::default()
        .invoke_handler(tauri::generate_handler![painted])
        .setup(move |_| {
            if hidden {
                eprintln!("ready without a window");
            }
            Ok(())
        })
        .run(context)
}
