//! One running gateway: its state, its listeners, and what it looks after.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use atthene_core::oversight::GatewayState;
use atthene_core::{Change, Core};
use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

use crate::api::routes;
use crate::caller;
use crate::caller::stranger::Strangers;
use crate::config::keep_config;
use crate::listeners::{ListeningTask, bind_loopback, bind_named};
use crate::listening::{Listening, is_loopback};
use crate::shared::{Config, Shared};
use crate::transport::limits::Limits;
use crate::workers::{self, WorkerThreads};

/// The running gateway. Dropping it stops it.
pub struct Gateway {
    state: watch::Receiver<GatewayState>,
    stop: watch::Sender<bool>,
    hurry: Hurry,
    thread: Option<JoinHandle<()>>,
}

/// Cuts short what a gateway that ends still waits for.
#[derive(Clone, Default)]
pub struct Hurry(Arc<Notify>);

impl Hurry {
    /// Open calls are not waited for any more.
    pub fn now(&self) {
        self.0.notify_one();
    }
}

impl Gateway {
    /// Starts the gateway on threads of its own; it follows the settings of `core` from then on, the port aside where
    /// one is given.
    pub fn start_on(core: Arc<Core>, limits: Limits, listening: Listening) -> std::io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (tell, state) = watch::channel(GatewayState::Starting);
        let hurry = Hurry::default();
        let hurried = hurry.clone();
        let thread = std::thread::Builder::new().name("gateway".into()).spawn(move || {
            let started = workers::runtime().and_then(|runtime| {
                let threads = WorkerThreads::start(runtime.handle().clone(), listening.workers)?;
                Ok((runtime, threads))
            });
            let (runtime, threads) = match started {
                Ok(started) => started,
                Err(error) => {
                    tell.send_replace(GatewayState::Failed { reason: error.to_string() });
                    return core.changes().publish(Change::Gateway);
                }
            };
            runtime.block_on(async {
                run(core.clone(), limits, &listening, threads.handles(), &tell, stopped, hurried).await;
                // A refresh that a call began goes on to its end without it.
                core.finish_begun().await;
            });
            drop(threads);
            workers::end(runtime);
        })?;
        Ok(Self { state, stop, hurry, thread: Some(thread) })
    }

    /// Follows what it is doing.
    pub fn watch(&self) -> watch::Receiver<GatewayState> {
        self.state.clone()
    }

    /// What cuts its end short.
    pub fn hurry(&self) -> Hurry {
        self.hurry.clone()
    }

    /// Stops it: open calls go on for [`Limits::drain`]. Blocks until done.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic in there was logged by its hook; there is nothing left to stop.
            let _ = thread.join();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.end();
    }
}

/// How often connections to the agent runtime that nobody uses are let go of.
const TIDY_EVERY: Duration = Duration::from_mins(1);
/// How often a taken port is tried again: the program that has it may end.
const RETRY_EVERY: Duration = Duration::from_secs(2);

async fn run(
    core: Arc<Core>,
    limits: Limits,
    listening: &Listening,
    workers: &[Handle],
    state: &watch::Sender<GatewayState>,
    mut stop: watch::Receiver<bool>,
    hurry: Hurry,
) {
    let mut changes = core.changes().subscribe();
    let shared = match Shared::new(core.clone(), limits, listening) {
        Ok(shared) => Arc::new(shared),
        Err(error) => {
            state.send_replace(GatewayState::Failed { reason: error.to_string() });
            return core.changes().publish(Change::Gateway);
        }
    };
    shared.set_config(Config::of(&shared));
    let router = routes::router(shared.clone());
    // The keychain may wait for a person; listening does not wait for the keychain.
    let reload = Arc::new(Notify::new());
    let reloading = tokio::spawn(keep_config(shared.clone(), reload.clone()));
    let tell = |new: GatewayState| {
        let changed = state.send_if_modified(|state| {
            let changed = *state != new;
            *state = new;
            changed
        });
        if changed {
            core.signals.gateway_seen(trouble_of(&state.borrow()));
            core.changes().publish(Change::Gateway);
        }
    };
    let mut tidy = tokio::time::interval(TIDY_EVERY);
    tidy.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut retry = tokio::time::interval(RETRY_EVERY);
    // On the port of loopback, and on the addresses that were named.
    let mut serving: Option<ListeningTask> = None;
    let mut named: Option<ListeningTask> = None;
    let mut strangers = Strangers::new(core.clone());
    let mut cut = follow_stop(&shared, None);
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            _ = tidy.tick() => shared.tidy(),
            change = changes.recv() => {
                // Whoever lagged behind reads everything again.
                if matches!(change, Ok(Change::Settings) | Err(_)) {
                    cut = follow_stop(&shared, cut);
                    reload.notify_one();
                    retry.reset_immediately();
                }
            }
            _ = retry.tick() => {
                let settings = core.settings.current();
                let port = listening.port().unwrap_or(settings.gateway_port);
                if !settings.gateway_on {
                    for old in serving.take().into_iter().chain(named.take()) {
                        tokio::spawn(old.end());
                    }
                    strangers.watch(port);
                    tell(GatewayState::Off);
                    continue;
                }
                if named.is_none() {
                    match listen_at_named(listening, workers, &shared, &router).await {
                        Ok(listens) => named = listens,
                        Err(error) => {
                            tell(GatewayState::Failed { reason: error.to_string() });
                            continue;
                        }
                    }
                }
                if serving.as_ref().is_some_and(|serving| serving.port == Some(port)) {
                    tell(serving_state(port, cut));
                    continue;
                }
                match bind_loopback(port, listening, workers).await {
                    Ok(bound) => {
                        strangers.are_gone();
                        let old = serving.replace(ListeningTask::start(Some(port), bound, workers, &shared, &router));
                        tracing::info!("the gateway listens at {}", url(port));
                        tell(serving_state(port, cut));
                        if let Some(old) = old {
                            // Calls that began on the old port may end there.
                            tokio::spawn(old.end());
                        }
                    }
                    Err(error) => {
                        if let Some(old) = serving.take() {
                            tokio::spawn(old.end());
                        }
                        let state = cannot_listen(port, &error).await;
                        if matches!(state, GatewayState::PortTaken { .. }) {
                            strangers.check(port);
                        }
                        tell(state);
                    }
                }
            }
        }
    }
    let ending = serving.into_iter().chain(named).map(|serving| Box::pin(serving.end()));
    tokio::select! {
        _ = join_all(ending) => {}
        () = hurry.0.notified() => {}
    }
    reloading.abort();
    tell(GatewayState::Stopped);
}

/// Why applications can't reach the gateway although they should.
fn trouble_of(state: &GatewayState) -> Option<String> {
    match state {
        GatewayState::PortTaken { port, by, free_port } => {
            let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            let instead = free_port.map(|free| format!(" Port {free} is free.")).unwrap_or_default();
            Some(format!("Port {port} is taken{by}. End that program, or choose another port.{instead}"))
        }
        GatewayState::Failed { reason } => Some(format!("{reason}.")),
        GatewayState::Starting
        | GatewayState::Listening { .. }
        | GatewayState::Refusing { .. }
        | GatewayState::Off
        | GatewayState::Stopped
        | GatewayState::Elsewhere => None,
    }
}

/// Listens at the addresses that were named; `None`: there are none.
async fn listen_at_named(
    listening: &Listening,
    workers: &[Handle],
    shared: &Arc<Shared>,
    router: &axum::Router,
) -> std::io::Result<Option<ListeningTask>> {
    if listening.addresses().is_empty() {
        return Ok(None);
    }
    let bound = bind_named(listening, workers).await?;
    for address in listening.addresses() {
        let encrypted = listening.certificate.is_some() && !is_loopback(address);
        tracing::info!("the gateway listens at {}://{address}", if encrypted { "https" } else { "http" });
    }
    Ok(Some(ListeningTask::start(None, bound, workers, shared, router)))
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn serving_state(port: u16, cut: Option<usize>) -> GatewayState {
    let url = url(port);
    cut.map_or(GatewayState::Listening { url: url.clone() }, |cut| GatewayState::Refusing { url, cut })
}

/// Stops or resumes as the settings say. `cut`: how many calls were cut when everything was
/// stopped; `None`: nothing is stopped.
fn follow_stop(shared: &Shared, cut: Option<usize>) -> Option<usize> {
    if shared.core.settings.stopped_at().is_some() {
        return Some(cut.unwrap_or_else(|| shared.stop_everything()));
    }
    shared.resume();
    None
}

/// Ports looked at for a free one.
const NEARBY: u16 = 20;

async fn cannot_listen(port: u16, error: &std::io::Error) -> GatewayState {
    if error.kind() != std::io::ErrorKind::AddrInUse {
        return GatewayState::Failed { reason: error.to_string() };
    }
    let mut free_port = None;
    for near in port.saturating_add(1)..=port.saturating_add(NEARBY) {
        if bind_loopback(near, &Listening::default(), &[Handle::current()]).await.is_ok() {
            free_port = Some(near);
            break;
        }
    }
    let by = tokio::task::spawn_blocking(move || caller::listener_on(port)).await.ok().flatten();
    GatewayState::PortTaken { port, by, free_port }
}
