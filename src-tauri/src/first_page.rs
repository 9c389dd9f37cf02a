//! A driver may keep the page from ever running: WebKit's renderer through DMA-BUF leaves a blank window on some, NVIDIA's
//! above all (WebKit bug 261874). Then the app starts once more without that renderer; all others keep it.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tauri::{AppHandle, Manager, Runtime};
use tokio::sync::Notify;

/// Read by WebKit when the process starts; setting it later is unsafe.
const WITHOUT_RENDERER: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";
/// Longer than a machine under load takes to run the page.
const PATIENCE: Duration = Duration::from_secs(15);

/// Whether the page has ever run.
#[derive(Default)]
pub(crate) struct FirstPage {
    ran: AtomicBool,
    runs: Notify,
}

impl FirstPage {
    /// The page asked for something.
    pub(crate) fn runs(&self) {
        self.ran.store(true, Ordering::Release);
        self.runs.notify_one();
    }
}

/// Starts the app once more where its page does not run.
pub(crate) fn watch<R: Runtime>(app: &AppHandle<R>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if tokio::time::timeout(PATIENCE, app.state::<FirstPage>().runs.notified()).await.is_err() {
            without_renderer("the page does not run");
        }
    });
}

/// The process of the page ended. One that never ran is not loaded again in vain.
pub(crate) fn broke<R: Runtime>(app: &AppHandle<R>) {
    if !app.state::<FirstPage>().ran.load(Ordering::Acquire) {
        without_renderer("the page broke before it ran");
    }
}

/// Once: where the variable is set, by a person or by this, there is nothing more to try.
fn without_renderer(why: &str) {
    if std::env::var_os(WITHOUT_RENDERER).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    tracing::warn!(why, "the app starts again with {WITHOUT_RENDERER}=1");
    let error = Command::new(program).args(std::env::args_os().skip(1)).env(WITHOUT_RENDERER, "1").exec();
    tracing::error!(%error, "the app could not be started again");
}
