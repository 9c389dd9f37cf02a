//! Drives the real window: the release build of the app under WebKitWebDriver, on a display
//! and a session bus of its own (`cargo xtask test --only e2e` brings both).

pub mod acts;
mod agent;
mod browser;
mod checks;
mod command;
mod desktop;
mod fenced;
mod graph;
mod http;
mod looks;
mod machine;
mod mailbox;
mod many;
mod parts;
mod processes;
mod strangers;
mod window;

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

pub use agent::{Agent, Client};
pub use browser::Browser;
pub use checks::{add_key, conformance, inspect};
pub use command::Printed;
pub use desktop::{NotificationDaemon, Panel};
pub use fenced::fenced;
pub use graph::Graph;
pub use http::{Answer, call, call_at, call_tool, execute, execute_as, execute_with};
pub use looks::check;
pub use machine::Machine;
pub use mailbox::{MailAgent, MailDesk};
pub use many::many;
pub use parts::{Emulate, Keychain, OpenIdProvider};
pub use processes::{app_is_running, end_app, kill_window, service, window_is_running, window_process};
pub use strangers::{WROTE, mails as mails_of_strangers, tricks};
pub use window::Window;

/// How long the slowest step may take on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Asks until the answer is there.
pub async fn until<T, F: Future<Output = Result<Option<T>>>>(what: &str, mut ask: impl FnMut() -> F) -> Result<T> {
    let started = Instant::now();
    let mut last = None;
    while let Some(left) = TIMEOUT.checked_sub(started.elapsed()) {
        match tokio::time::timeout(left, ask()).await {
            Ok(Ok(Some(found))) => return Ok(found),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => last = Some(error),
            Err(_) => last = last.or_else(|| Some(anyhow::anyhow!("no answer"))),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("it never happened"))).with_context(|| format!("waited for: {what}"))
}

/// The answer of a driver that has none of its own limits: a page that never calls back fails the
/// test instead of stopping all that come after it.
pub(crate) async fn answered<T, E>(what: &str, ask: impl Future<Output = Result<T, E>>) -> Result<T>
where
    anyhow::Error: From<E>,
{
    Ok(tokio::time::timeout(TIMEOUT, ask).await.with_context(|| format!("no answer: {what}"))??)
}

/// Runs a program to its end and returns what it printed; a failure is an error.
pub async fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let done =
        tokio::process::Command::new(program).args(arguments).output().await.with_context(|| program.to_owned())?;
    ensure!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
