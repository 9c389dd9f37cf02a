//! `atthene serve`: the gateway on a server.

use std::sync::Arc;
use std::time::Duration;

use atthene_core::oversight::{GatewayState, Keeper};
use atthene_core::{Change, Code, Core, Error, StoreError};
use atthene_gateway::{Limits, refuse_meanwhile, serve_metrics};
use atthene_service::Service;
use serde_json::json;
use tokio::sync::watch;

use crate::args::ServeArguments;
use crate::commands::listening::WantedListening;
use crate::desktop;
use crate::log::Log;
use crate::out::{CommandResult, Failure, Out};

pub(crate) async fn run(core: Arc<Core>, out: &Out, log: &Log, wanted: &ServeArguments) -> CommandResult {
    let place = WantedListening::of(wanted)?;
    place.warn(&core);
    let step = core.clone();
    // May wait for the keychain, and nothing waits for it.
    tokio::spawn(async move {
        if let Err(error) = step.reconcile_secrets().await {
            tracing::warn!(%error, "secrets could not be compared with the database");
        }
    });
    let mut signals = ProcessSignals::listen()?;
    let limits = Limits { drain: Duration::from_secs(wanted.drain), ..Limits::default() };
    let keeper = if wanted.background { Keeper::Window } else { Keeper::Other };
    let service = Service::start_on(core.clone(), limits, place.listening.clone(), keeper)?;
    if service.is_the_service() {
        tokio::spawn(desktop::run(core.clone(), service.watch()));
    } else if wanted.background {
        // One is enough.
        return Ok(());
    }
    let hurry = service.hurry();
    let outcome = until_told(&core, out, log, wanted, &place, &service, &mut signals).await;
    notify(&[Notice::Stopping]);
    // Open calls go on to their own end, for a while; that blocks.
    let mut stopping = tokio::task::spawn_blocking(move || service.stop());
    let stopped = loop {
        tokio::select! {
            stopped = &mut stopping => break stopped,
            told = signals.next() => if matches!(told, Instruction::End) {
                tracing::info!("told to end a second time: open calls are cut");
                hurry.now();
            },
        }
    };
    if stopped.is_err() {
        tracing::warn!("stopping the service broke");
    }
    outcome
}

/// How often it is tried again to reach the rows.
const AGAIN: Duration = Duration::from_secs(1);
/// Where the rows can't be read, the port that they name can't either.
const USUAL_PORT: u16 = 8765;

/// Whether the rows may be had later, without anybody doing anything on this host.
pub(crate) fn is_worth_waiting_for(error: &Error) -> bool {
    error.code() == Code::DatabaseUnreachable || matches!(error, Error::Store(StoreError::ServerDiskFull))
}

/// Refuses calls with the reason until the rows can be had. `None`: it was told to end before.
pub(crate) async fn wait_for_rows<Opening>(
    wanted: &ServeArguments,
    error: Error,
    open: impl Fn() -> Opening,
) -> Result<Option<Arc<Core>>, Failure>
where
    Opening: Future<Output = Result<Arc<Core>, Failure>>,
{
    let mut signals = ProcessSignals::listen()?;
    let port = wanted.port.unwrap_or(USUAL_PORT);
    tracing::error!(%error, port, "this host refuses calls until the database can be reached");
    let (why, reason) = watch::channel(error.to_string());
    let refusing = tokio::spawn(refuse_meanwhile(port, reason));
    let opened = loop {
        tokio::select! {
            told = signals.next() => if matches!(told, Instruction::End) {
                break Ok(None);
            },
            opened = async { tokio::time::sleep(AGAIN).await; open().await } => match opened {
                Err(Failure::Core(error)) if is_worth_waiting_for(&error) => drop(why.send_replace(error.to_string())),
                opened => break opened.map(Some),
            },
        }
    };
    refusing.abort();
    // Its port is free only when it is gone.
    let _ = refusing.await;
    opened
}

async fn until_told(
    core: &Arc<Core>,
    out: &Out,
    log: &Log,
    wanted: &ServeArguments,
    place: &WantedListening,
    service: &Service,
    signals: &mut ProcessSignals,
) -> CommandResult {
    let mut changes = core.changes().subscribe();
    log.set(core.settings.current().log_level);
    if let Some(port) = wanted.metrics_port {
        // Before anybody is told that it is ready.
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
            Failure::Failed(format!("No figures can be served on port {port}: {error}. Choose another --metrics-port."))
        })?;
        let core = core.clone();
        tokio::spawn(async move {
            if let Err(error) = serve_metrics(core, listener).await {
                tracing::error!(%error, port, "no figures are served any more");
            }
        });
    }
    let mut states = service.watch();
    let mut ready = false;
    loop {
        let state = states.borrow_and_update().clone();
        match state {
            GatewayState::Listening { url } | GatewayState::Refusing { url, .. } if !ready => {
                ready = true;
                notify(&[Notice::Ready]);
                out.line(&json!({ "url": url }), &url)?;
            }
            GatewayState::PortTaken { port, by, .. } if !ready && !wanted.background => {
                let by = by.unwrap_or_else(|| "another program".into());
                return Err(Failure::Failed(format!(
                    "Port {port} is taken by {by}. End it, or choose another one with --port."
                )));
            }
            // Later it is tried again and again: an address may come back.
            GatewayState::Failed { reason } if !ready && !wanted.background => {
                return Err(Failure::Failed(format!("The gateway can't listen: {reason}.")));
            }
            GatewayState::Off if !ready && !wanted.background => {
                let remedy = "atthene config set gateway_on true";
                return Err(Failure::Failed(format!(
                    "The gateway is turned off in the settings. Turn it on: {remedy}"
                )));
            }
            _ => {}
        }
        tokio::select! {
            changed = states.changed() => if changed.is_err() { return Ok(()) },
            // Whoever lagged behind reads everything again.
            change = changes.recv() => match change {
                Ok(Change::Settings) | Err(_) => log.set(core.settings.current().log_level),
                // A person quits, here or in another process.
                Ok(Change::Gateway) if service.is_the_service() && core.is_service_to_end().unwrap_or(false) => {
                    return Ok(());
                }
                Ok(_) => {}
            },
            told = signals.next() => match told {
                Instruction::End => return Ok(()),
                Instruction::Reload => {
                    notify(&[Notice::Reloading]);
                    // A database that is busy now is no reason to end: what was read before holds.
                    match core.read_again() {
                        Ok(()) => tracing::info!("everything was read again"),
                        Err(error) => tracing::error!(%error, "not everything could be read again"),
                    }
                    place.read_again();
                    notify(&[Notice::Ready]);
                }
            },
        }
    }
}

enum Instruction {
    End,
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no such signal"))]
    Reload,
}

#[cfg(unix)]
struct ProcessSignals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    /// They mean nothing here, and must not end it.
    meaningless: [tokio::signal::unix::Signal; 2],
}

#[cfg(unix)]
impl ProcessSignals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            meaningless: [signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?],
        })
    }

    async fn next(&mut self) -> Instruction {
        let [first, second] = &mut self.meaningless;
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Instruction::End,
                _ = self.interrupt.recv() => return Instruction::End,
                _ = self.hang_up.recv() => return Instruction::Reload,
                _ = first.recv() => {}
                _ = second.recv() => {}
            }
        }
    }
}

#[cfg(not(unix))]
struct ProcessSignals;

#[cfg(not(unix))]
impl ProcessSignals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Instruction {
        let _ = tokio::signal::ctrl_c().await;
        Instruction::End
    }
}

enum Notice {
    Ready,
    Reloading,
    Stopping,
}

/// Tells systemd (`Type=notify-reload`), where it started us.
#[cfg(target_os = "linux")]
fn notify(notices: &[Notice]) {
    use sd_notify::NotifyState;
    for notice in notices {
        let told = match notice {
            Notice::Ready => sd_notify::notify(&[NotifyState::Ready]),
            Notice::Reloading => match NotifyState::monotonic_usec_now() {
                Ok(now) => sd_notify::notify(&[NotifyState::Reloading, now]),
                Err(error) => Err(error),
            },
            Notice::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        };
        if let Err(error) = told {
            tracing::warn!(%error, "the service manager could not be told");
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn notify(_notices: &[Notice]) {}
