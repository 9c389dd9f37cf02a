//! One running gateway: its state, its listeners, and what it looks after.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use atthene_core::oversight::{GatewayState, Serving};
use atthene_core::{Change, Core, Settings};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

use crate::api::routes;
use crate::caller;
use crate::caller::stranger::Strangers;
use crate::problem::{Callee, Problem};
use crate::server;
use crate::shared::{Config, Shared};
use crate::transport::body::MIB;
use crate::transport::forward::Runtime;
use crate::transport::limits::Limits;

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
    /// Starts the gateway on its own thread; it follows the settings of `core` from then on, the port aside where
    /// one is given.
    pub fn start_on(core: Arc<Core>, limits: Limits, port: Option<u16>) -> std::io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (tell, state) = watch::channel(GatewayState::Starting);
        let hurry = Hurry::default();
        let hurried = hurry.clone();
        let thread = std::thread::Builder::new().name("gateway".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(16).build();
            match runtime {
                Ok(runtime) => {
                    runtime.block_on(async {
                        run(core.clone(), limits, port, &tell, stopped, hurried).await;
                        // A refresh that a call began goes on to its end without it.
                        core.finish_begun().await;
                    });
                    // Blocking work may wait for a person at the keychain; nobody waits for that.
                    runtime.shutdown_timeout(Duration::from_millis(200));
                }
                Err(error) => {
                    tell.send_replace(GatewayState::Failed { reason: error.to_string() });
                }
            }
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
    fixed_port: Option<u16>,
    state: &watch::Sender<GatewayState>,
    mut stop: watch::Receiver<bool>,
    hurry: Hurry,
) {
    let mut changes = core.changes().subscribe();
    let shared = match Shared::new(core.clone(), limits) {
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
    let mut serving: Option<ListeningTask> = None;
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
                let port = fixed_port.unwrap_or(settings.gateway_port);
                if !settings.gateway_on {
                    if let Some(old) = serving.take() {
                        tokio::spawn(old.end());
                    }
                    strangers.watch(port);
                    tell(GatewayState::Off);
                    continue;
                }
                if serving.as_ref().is_some_and(|serving| serving.port == port) {
                    tell(serving_state(port, cut));
                    continue;
                }
                match bind(port).await {
                    Ok(listeners) => {
                        strangers.are_gone();
                        let old = serving.replace(ListeningTask::start(port, listeners, &shared, &router));
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
    if let Some(serving) = serving {
        tokio::select! {
            () = serving.end() => {}
            () = hurry.0.notified() => {}
        }
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
        | GatewayState::Stopped => None,
    }
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

struct ListeningTask {
    port: u16,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
    /// Tells the command which port that is.
    _told: Option<Serving>,
}

impl ListeningTask {
    fn start(port: u16, listeners: Vec<TcpListener>, shared: &Arc<Shared>, router: &axum::Router) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(server::serve(listeners, shared.clone(), router.clone(), stopped));
        Self { port, stop, task, _told: shared.core.serving(port) }
    }

    async fn end(self) {
        self.stop.send_replace(true);
        let _ = self.task.await;
    }
}

async fn bind(port: u16) -> std::io::Result<Vec<TcpListener>> {
    let mut listeners = vec![TcpListener::bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)).await?];
    match TcpListener::bind(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port)).await {
        Ok(listener) => listeners.push(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => return Err(error),
        // A machine without IPv6 is served over IPv4.
        Err(_) => {}
    }
    Ok(listeners)
}

/// Ports looked at for a free one.
const NEARBY: u16 = 20;

async fn cannot_listen(port: u16, error: &std::io::Error) -> GatewayState {
    if error.kind() != std::io::ErrorKind::AddrInUse {
        return GatewayState::Failed { reason: error.to_string() };
    }
    let mut free_port = None;
    for near in port.saturating_add(1)..=port.saturating_add(NEARBY) {
        if bind(near).await.is_ok() {
            free_port = Some(near);
            break;
        }
    }
    let by = tokio::task::spawn_blocking(move || caller::listener_on(port)).await.ok().flatten();
    GatewayState::PortTaken { port, by, free_port }
}

/// How soon a credential that could not be had is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// Keeps what calls are served with true to the settings and the keychain.
async fn keep_config(shared: Arc<Shared>, reload: Arc<Notify>) {
    let mut before = None;
    loop {
        let settings = shared.core.settings.current();
        let mut config = Config::of(&shared);
        let of = Some((settings.runtime_url.clone(), shared.core.settings.credential_writing()));
        if std::mem::replace(&mut before, of.clone()) != of {
            // What was called with until now is not to be used any more; calls wait for what comes instead.
            shared.set_config(config.clone());
        }
        if config.is_loading
            && let Some(url) = settings.runtime_url.as_deref()
        {
            config.runtime = Some(match shared.core.runtime_credential().await {
                Ok(credential) => shared.runtime(&settings, url, credential.as_ref()),
                Err(error) => Err(Problem::CredentialUnavailable(error.to_string())),
            });
            config.is_loading = false;
        }
        let unavailable = matches!(config.runtime, Some(Err(Problem::CredentialUnavailable(_))));
        shared.set_config(config);
        if unavailable {
            let _ = tokio::time::timeout(ASK_AGAIN, reload.notified()).await;
        } else {
            reload.notified().await;
        }
    }
}

impl Config {
    /// What the settings of this profile alone say.
    fn of(shared: &Shared) -> Self {
        let settings = shared.core.settings.current();
        let is_loading = shared.core.settings.has_runtime_credential();
        let runtime = settings.runtime_url.as_deref().map(|url| {
            if is_loading {
                return Err(Problem::CredentialUnavailable("The keychain has not answered yet.".into()));
            }
            shared.runtime(&settings, url, None)
        });
        Self {
            largest_body: u64::from(settings.largest_body_mib) * MIB,
            is_loading: is_loading && runtime.is_some(),
            runtime,
        }
    }
}

impl Shared {
    fn runtime(&self, settings: &Settings, url: &str, credential: Option<&SecretString>) -> Result<Runtime, Problem> {
        let runtime = Runtime::new(Callee::Runtime, url, credential).ok_or(Problem::RUNTIME_UNUSABLE)?;
        Ok(runtime.trusting_front_proxy(settings.trust_front_proxy).marking(self.hop()))
    }
}
