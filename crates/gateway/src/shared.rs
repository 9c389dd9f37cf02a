//! What every call shares.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use atthene_core::Core;
use http::request::Parts;
use http::{HeaderValue, Response};
use hyper::body::Incoming;
use tokio::sync::{Notify, watch};

use crate::attachment_links::AttachmentLinks;
use crate::hosts::Hosts;
use crate::listening::Listening;
use crate::problem::{Callee, Problem, UpstreamFailure};
use crate::transport::body::Limited;
use crate::transport::call::CallContext;
use crate::transport::caller_connection::LookUps;
use crate::transport::connections::OpenConnections;
use crate::transport::forward::{Forwarder, Runtime};
use crate::transport::limits::Limits;
use crate::transport::log_throttle::LogThrottle;
use crate::transport::request_id::RequestId;
use crate::transport::tls::Certificate;
use crate::transport::unserved::Unserved;

/// What calls are served with; replaced whole when settings change.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    pub(crate) largest_body: u64,
    /// `None`: no runtime is set. An error: it is set but can't be used now.
    pub(crate) runtime: Option<Result<Runtime, Problem>>,
    /// Whether the keychain is still asked for what the runtime is called with.
    pub(crate) is_loading: bool,
}

/// Gateways that a call may go through, one behind the other.
const MOST_HOPS: usize = 8;

/// How long a call waits for the keychain's first answer.
const LONGEST_LOADING: Duration = Duration::from_secs(10);

/// What every call shares.
pub(crate) struct Shared {
    pub(crate) core: Arc<Core>,
    /// Each worker keeps connections of its own to whoever is called.
    forwarders: Vec<OnceLock<Forwarder>>,
    pub(crate) limits: Limits,
    /// The names that are answered to beyond those of loopback.
    pub(crate) hosts: Hosts,
    /// What connections from other machines are encrypted with.
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) connections: Arc<OpenConnections>,
    config: RwLock<Arc<Config>>,
    /// The config was replaced.
    loaded: Notify,
    pub(crate) look_ups: LookUps,
    /// Eight digits that tell one run of the gateway from another.
    run_id: String,
    pub(crate) calls: AtomicU64,
    stopped: AtomicBool,
    runtime_trouble: AtomicBool,
    pub(crate) unserved: Unserved,
    /// Lines of the log about connections that could not be accepted.
    pub(crate) unaccepted: LogThrottle,
    /// Cuts every connection each time that it changes.
    pub(crate) cut: watch::Sender<()>,
    /// Calls to agents and connections that are open now.
    open_calls: Arc<()>,
    /// Files that tools have named.
    pub(crate) attachments: AttachmentLinks,
}

impl Shared {
    pub(crate) fn new(core: Arc<Core>, limits: Limits, listening: &Listening) -> std::io::Result<Self> {
        Ok(Self {
            core,
            forwarders: (0..listening.workers.get()).map(|_| OnceLock::new()).collect(),
            limits,
            hosts: listening.hosts.clone(),
            certificate: listening.certificate.clone(),
            connections: OpenConnections::new(limits.connections),
            config: RwLock::default(),
            loaded: Notify::new(),
            look_ups: LookUps::start()?,
            run_id: format!(
                "{:08x}",
                std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0) & 0xffff_ffff
            ),
            calls: AtomicU64::new(1),
            stopped: AtomicBool::new(false),
            runtime_trouble: AtomicBool::new(false),
            unserved: Unserved::default(),
            unaccepted: LogThrottle::default(),
            cut: watch::Sender::new(()),
            open_calls: Arc::default(),
            attachments: AttachmentLinks::default(),
        })
    }

    /// What calls are served with, once the keychain has answered: a call that comes right after a start waits for
    /// that.
    pub(crate) async fn loaded_config(&self) -> Arc<Config> {
        // One that was loaded may be followed by another one at once.
        let loaded = async {
            loop {
                let mut loaded = pin!(self.loaded.notified());
                loaded.as_mut().enable();
                if !self.config().is_loading {
                    return;
                }
                loaded.await;
            }
        };
        let _ = tokio::time::timeout(LONGEST_LOADING, loaded).await;
        self.config()
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// That of this worker. Made by the first call that needs it: reading the system's certificates takes time and
    /// memory that an app without a runtime does not owe.
    pub(crate) fn forwarder(&self, worker: usize) -> Result<&Forwarder, Problem> {
        let own = self.forwarders.get(worker).ok_or(Problem::Internal)?;
        if let Some(forwarder) = own.get() {
            return Ok(forwarder);
        }
        let made = Forwarder::new(self.limits).map_err(|error| {
            let why = UpstreamFailure::Unreachable(error.to_string().into());
            Problem::Upstream(Callee::Runtime, why)
        })?;
        Ok(own.get_or_init(|| made))
    }

    /// Lets go of connections that nobody uses.
    pub(crate) fn tidy(&self) {
        for forwarder in self.forwarders.iter().filter_map(OnceLock::get) {
            forwarder.tidy();
        }
    }

    /// Sends a call on to the agent runtime, and remembers whether that could be reached.
    pub(crate) async fn forward(
        &self,
        runtime: &Runtime,
        head: &mut Parts,
        body: Limited,
        call: &CallContext,
    ) -> Result<Response<Incoming>, Problem> {
        let answer = self.forwarder(call.connection().worker())?.forward(runtime, head, body, call).await;
        match &answer {
            Ok(_) if self.runtime_trouble.swap(false, Ordering::Relaxed) => self.core.signals.runtime_seen(Ok(())),
            Err(Problem::Upstream(_, UpstreamFailure::Unreachable(reason))) => {
                self.runtime_trouble.store(true, Ordering::Relaxed);
                self.core.signals.runtime_seen(Err(reason.to_string()));
            }
            _ => {}
        }
        answer
    }

    pub(crate) fn set_config(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        self.loaded.notify_waiters();
    }

    /// Counts the call as open for as long as what this returns is held.
    pub(crate) fn open_call(&self) -> Arc<()> {
        self.open_calls.clone()
    }

    /// Why no call is let in now; `None`: calls are.
    pub(crate) fn not_ready(&self) -> Option<Problem> {
        if let Some(trouble) = self.store_trouble() {
            return Some(Problem::StoreUnavailable(trouble));
        }
        if self.is_stopped() {
            return Some(Problem::Stopped);
        }
        self.config().is_loading.then_some(Problem::Starting)
    }

    /// Why the rows can't be had; `None`: they can.
    pub(crate) fn store_trouble(&self) -> Option<String> {
        let signals = &self.core.signals;
        if signals.is_store_lost() { signals.store_trouble() } else { None }
    }

    /// Whether an administrator has stopped everything.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Refuses all calls from now on and cuts those that are open; tells how many those were.
    pub(crate) fn stop_everything(&self) -> usize {
        self.stopped.store(true, Ordering::Release);
        let open = Arc::strong_count(&self.open_calls) - 1;
        self.cut.send_replace(());
        open
    }

    pub(crate) fn resume(&self) {
        self.stopped.store(false, Ordering::Release);
    }

    /// The number of the next call.
    pub(crate) fn number_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn next_request_id(&self) -> RequestId {
        self.request_id(self.number_call())
    }

    /// Whether a call that is marked so went through this run before, or through more gateways than any that ends.
    pub(crate) fn has_seen(&self, hops: &HeaderValue) -> bool {
        let hops = hops.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        hops.clone().count() > MOST_HOPS || hops.into_iter().any(|hop| hop == self.run_id.as_bytes())
    }

    /// Marks the calls that went through this run.
    pub(crate) fn hop(&self) -> HeaderValue {
        HeaderValue::try_from(&self.run_id).unwrap_or(HeaderValue::from_static("1"))
    }

    pub(crate) fn request_id(&self, call: u64) -> RequestId {
        RequestId::new(&self.run_id, call)
    }
}
