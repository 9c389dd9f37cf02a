//! Keeps the web view's processes small, and lets go of what they leave behind.

use tauri::{AppHandle, Runtime};
#[cfg(target_os = "linux")]
use webkit2gtk::{HardwareAccelerationPolicy, HitTestResultExt, SettingsExt, WebView, WebViewExt};

/// Forms and lists need no graphics card, and its drivers cost 75 MB of memory.
#[cfg(target_os = "linux")]
pub(crate) fn without_gpu(view: &WebView) {
    if let Some(settings) = WebViewExt::settings(view) {
        settings.set_hardware_acceleration_policy(HardwareAccelerationPolicy::Never);
    }
}

/// The browser's own menu reloads and goes back; only fields keep theirs, to cut and paste. A page that broke is
/// loaded again, and finds what was open.
#[cfg(target_os = "linux")]
pub(crate) fn without_browser_menu(view: &WebView) {
    view.connect_context_menu(|_, _, _, at| !at.context_is_editable());
    view.connect_web_process_terminated(|view, reason| {
        tracing::error!(?reason, "the page broke; it is loaded again");
        view.reload();
    });
}

/// WebKitGTK keeps its network process for the next window; an app that sits in the tray for
/// days is better off without. It is started again with the next window.
#[cfg(target_os = "linux")]
pub(crate) fn end_idle<R: Runtime>(app: &AppHandle<R>, has_window: fn(&AppHandle<R>) -> bool) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        // The web view lets go of it a moment after its window.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        if has_window(&app) {
            return;
        }
        let ended = tokio::task::spawn_blocking(end_network_process).await;
        tracing::info!(processes = ended.unwrap_or(0), "the window is closed; its processes have ended");
    });
}

#[cfg(target_os = "linux")]
fn end_network_process() -> usize {
    let Ok(me) = procfs::process::Process::myself() else { return 0 };
    let Ok(all) = procfs::process::all_processes() else { return 0 };
    all.filter_map(Result::ok)
        .filter_map(|process| process.stat().ok())
        // The kernel keeps 15 characters of a name.
        .filter(|stat| stat.ppid == me.pid && "WebKitNetworkProcess".starts_with(&stat.comm) && stat.comm.len() > 8)
        .filter_map(|stat| rustix::process::Pid::from_raw(stat.pid))
        .filter(|pid| rustix::process::kill_process(*pid, rustix::process::Signal::TERM).is_ok())
        .count()
}

/// WebView2 and WKWebView end their processes with the last view.
#[cfg(not(target_os = "linux"))]
pub(crate) fn end_idle<R: Runtime>(_app: &AppHandle<R>, _has_window: fn(&AppHandle<R>) -> bool) {}
