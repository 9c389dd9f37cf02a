//! One running gateway: its state, its listeners, and what it looks after.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use atthene_core::{Change, Core, Error, Settings};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;
use ts_rs::TS;

use crate::api::problem::Problem;
use crate::api::routes;
use crate::caller;
use crate::caller::stranger::Strangers;
use crate::shared::{Config, Shared};
use crate::transport::body::MIB;
use crate::transport::forward::Runtime;
use crate::transport::limits::Limits;
use crate::transport::server;

/// What the gateway is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "state", rename_all = "snake_case")]
#[ts(export)]
pub enum GatewayState {
    /// Not bound yet.
    Starting,
    /// Serving.
    Listening {
        /// The base URL that applications use.
        url: String,
    },
    /// Listening, but every call is refused: an administrator has stopped everything.
    Refusing {
        /// The base URL that applications use.
        url: String,
        /// Calls that were open then and were cut.
        cut: usize,
    },
    /// Turned off in the settings.
    Off,
    /// Another program has the port.
    PortTaken {
        /// The port.
        port: u16,
        /// The program, where it could be told.
        by: Option<String>,
        /// A port that was free a moment ago.
        free_port: Option<u16>,
    },
    /// It can't listen, for the reason that the system gave.
    Failed {
        /// The reason.
        reason: String,
    },
    /// Ended.
    Stopped,
}

/// The running gateway. Dropping it stops it.
pub struct Gateway {
    state: watch::Receiver<GatewayState>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    /// Starts the gateway on its own thread; it follows the settings of `core` from then on.
    pub fn start(core: Arc<Core>, limits: Limits) -> std::io::Result<Self> {
        Self::start_on(core, limits, None)
    }

    /// The same on this port, whatever the settings say of it.
    pub fn start_on(core: Arc<Core>, limits: Limits, port: Option<u16>) -> std::io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (tell, state) = watch::channel(GatewayState::Starting);
        let thread = std::thread::Builder::new().name("gateway".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(16).build();
            match runtime {
                Ok(runtime) => {
                    runtime.block_on(run(core, limits, port, &tell, stopped));
                    // Blocking work may wait for a person at the keychain; nobody waits for that.
                    runtime.shutdown_timeout(Duration::from_millis(200));
                }
                Err(error) => {
                    tell.send_replace(GatewayState::Failed { reason: error.to_string() });
                }
            }
        })?;
        Ok(Self { state, stop, thread: Some(thread) })
    }

    /// What it is doing now.
    pub fn state(&self) -> GatewayState {
        self.state.borrow().clone()
    }

    /// Follows what it is doing.
    pub fn watch(&self) -> watch::Receiver<GatewayState> {
        self.state.clone()
    }

    /// Stops it: open calls go on for [`Limits::drain`], counters are written. Blocks until done.
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

/// How often counters are written. What a crash loses is no older than this and one commit: less
/// than 250 ms together.
const FLUSH_EVERY: Duration = Duration::from_millis(150);
/// How often is looked whether access has to be renewed. After a sleep or a clock change the next
/// look finds what has ended meanwhile.
const RENEW_EVERY: Duration = Duration::from_mins(1);
/// How often old hours become days.
const ROLL_UP_EVERY: Duration = Duration::from_hours(1);
/// How often a taken port is tried again: the program that has it may end.
const RETRY_EVERY: Duration = Duration::from_secs(2);

async fn run(
    core: Arc<Core>,
    limits: Limits,
    fixed_port: Option<u16>,
    state: &watch::Sender<GatewayState>,
    mut stop: watch::Receiver<bool>,
) {
    let mut changes = core.changes().listen();
    let shared = match Shared::new(core.clone(), Config::without_credential(&core.settings.current()), limits) {
        Ok(shared) => Arc::new(shared),
        Err(error) => {
            state.send_replace(GatewayState::Failed { reason: error.to_string() });
            return core.changes().tell(Change::Gateway);
        }
    };
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
            core.changes().tell(Change::Gateway);
        }
    };
    let mut flush = tokio::time::interval(FLUSH_EVERY);
    flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut renew = tokio::time::interval(RENEW_EVERY);
    renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut retry = tokio::time::interval(RETRY_EVERY);
    let mut roll_up = tokio::time::interval(ROLL_UP_EVERY);
    roll_up.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut serving: Option<Serving> = None;
    let mut strangers = Strangers::new(core.clone());
    let mut cut = follow_stop(&shared, None);
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            _ = flush.tick() => write_counters(&core).await,
            _ = renew.tick() => {
                // What is stopped asks for nothing.
                if cut.is_none() {
                    tokio::spawn(renew_connections(core.clone()));
                }
                tokio::spawn(look_for_runtime(core.clone()));
                shared.tidy();
            }
            _ = roll_up.tick() => drop(tokio::task::spawn_blocking({
                let core = core.clone();
                move || log_failure("usage could not be rolled up", core.usage.roll_up())
            })),
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
                        let old = serving.replace(Serving::start(port, listeners, &shared, &router));
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
                            strangers.look(port);
                        }
                        tell(state);
                    }
                }
            }
        }
    }
    if let Some(serving) = serving {
        serving.end().await;
    }
    reloading.abort();
    write_counters(&core).await;
    tell(GatewayState::Stopped);
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

struct Serving {
    port: u16,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Serving {
    fn start(port: u16, listeners: Vec<TcpListener>, shared: &Arc<Shared>, router: &axum::Router) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(server::serve(listeners, shared.clone(), router.clone(), stopped));
        Self { port, stop, task }
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
    loop {
        let settings = shared.core.settings.current();
        let mut config = Config::without_credential(&settings);
        if let Some(url) = settings.runtime_url.as_deref().filter(|_| settings.runtime_has_credential) {
            config.runtime = Some(match shared.core.runtime_credential().await {
                Ok(credential) => Runtime::new(url, credential.as_ref())
                    .map(|runtime| runtime.trusting_front_proxy(settings.trust_front_proxy))
                    .ok_or(Problem::RUNTIME_UNUSABLE),
                Err(error) => Err(Problem::CredentialUnavailable(error.to_string())),
            });
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
    /// What the settings alone say.
    fn without_credential(settings: &Settings) -> Self {
        let runtime = settings.runtime_url.as_deref().map(|url| {
            if settings.runtime_has_credential {
                return Err(Problem::CredentialUnavailable("The keychain has not answered yet.".into()));
            }
            Runtime::new(url, None)
                .map(|runtime| runtime.trusting_front_proxy(settings.trust_front_proxy))
                .ok_or(Problem::RUNTIME_UNUSABLE)
        });
        Self { largest_body: u64::from(settings.largest_body_mib) * MIB, runtime }
    }
}

async fn renew_connections(core: Arc<Core>) {
    log_failure("connections could not be renewed", core.connections.renew().await);
}

fn log_failure(what: &str, outcome: Result<(), Error>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "{what}");
    }
}

/// How long a look at the agent runtime may take.
const LOOK: Duration = Duration::from_secs(5);

/// Looks whether something listens where the agent runtime should be, without calling it.
async fn look_for_runtime(core: Arc<Core>) {
    let url = core.settings.current().runtime_url.as_deref().and_then(|url| url::Url::parse(url).ok());
    let place = url.as_ref().and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?)));
    let Some((host, port)) = place else { return core.signals.runtime_seen(Ok(())) };
    let host = host.trim_matches(['[', ']']).to_owned();
    let seen = match tokio::time::timeout(LOOK, tokio::net::TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(_)) => Ok(()),
        // Without its address: diagnostics show this to others.
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it does not answer".to_owned()),
    };
    core.signals.runtime_seen(seen);
}

async fn write_counters(core: &Arc<Core>) {
    let core = core.clone();
    match tokio::task::spawn_blocking(move || core.usage.flush()).await {
        Ok(Ok(())) => {}
        Ok(Err(Error::Store(error))) => {
            tracing::warn!(%error, "counters could not be written; they are kept for the next time");
        }
        Ok(Err(error)) => tracing::warn!(%error, "counters could not be written"),
        Err(error) => tracing::warn!(%error, "writing counters broke"),
    }
}
