//! What every call shares.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use atthene_core::Core;
use http::Response;
use http::request::Parts;
use hyper::body::Incoming;
use tokio::sync::watch;

use crate::problem::Problem;
use crate::transport::body::Inbound;
use crate::transport::call::CallContext;
use crate::transport::caller_connection::LookUps;
use crate::transport::forward::{Forwarder, Runtime};
use crate::transport::limits::Limits;
use crate::transport::request_id::RequestId;
use crate::transport::unserved::Unserved;

/// What calls are served with; replaced whole when settings change.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) largest_body: u64,
    /// `None`: no runtime is set. An error: it is set but can't be used now.
    pub(crate) runtime: Option<Result<Runtime, Problem>>,
}

/// What every call shares.
pub(crate) struct Shared {
    pub(crate) core: Arc<Core>,
    forwarder: OnceLock<Forwarder>,
    /// What `/openapi.json` answers.
    description: OnceLock<String>,
    pub(crate) limits: Limits,
    config: RwLock<Arc<Config>>,
    pub(crate) look_ups: LookUps,
    /// Eight digits that tell one run of the gateway from another.
    run_id: String,
    pub(crate) calls: AtomicU64,
    stopped: AtomicBool,
    runtime_trouble: AtomicBool,
    pub(crate) unserved: Unserved,
    /// Cuts every connection each time that it changes.
    pub(crate) cut: watch::Sender<()>,
    /// Calls to agents and connections that are open now.
    open_calls: Arc<()>,
}

impl Shared {
    pub(crate) fn new(core: Arc<Core>, config: Config, limits: Limits) -> std::io::Result<Self> {
        Ok(Self {
            core,
            forwarder: OnceLock::new(),
            description: OnceLock::new(),
            limits,
            config: RwLock::new(Arc::new(config)),
            look_ups: LookUps::start()?,
            run_id: format!(
                "{:08x}",
                std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0) & 0xffff_ffff
            ),
            calls: AtomicU64::new(1),
            stopped: AtomicBool::new(false),
            runtime_trouble: AtomicBool::new(false),
            unserved: Unserved::default(),
            cut: watch::Sender::new(()),
            open_calls: Arc::default(),
        })
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Made by the first call that needs it: reading the system's certificates takes time and
    /// memory that an app without a runtime does not owe.
    pub(crate) fn forwarder(&self) -> Result<&Forwarder, Problem> {
        if let Some(forwarder) = self.forwarder.get() {
            return Ok(forwarder);
        }
        let made =
            Forwarder::new(self.limits).map_err(|error| Problem::RuntimeUnreachable(error.to_string().into()))?;
        Ok(self.forwarder.get_or_init(|| made))
    }

    /// Keeps the description of the API, which is made with the routes.
    pub(crate) fn describe(&self, description: String) {
        self.description.get_or_init(|| description);
    }

    pub(crate) fn description(&self) -> &str {
        self.description.get().map_or("", String::as_str)
    }

    /// Lets go of connections that nobody uses.
    pub(crate) fn tidy(&self) {
        if let Some(forwarder) = self.forwarder.get() {
            forwarder.tidy();
        }
    }

    /// Sends a call on to the agent runtime, and remembers whether that could be reached.
    pub(crate) async fn forward(
        &self,
        runtime: &Runtime,
        head: &mut Parts,
        body: Inbound,
        largest_body: u64,
        call: &CallContext,
    ) -> Result<Response<Incoming>, Problem> {
        let answer = self.forwarder()?.forward(runtime, head, body, largest_body, call).await;
        match &answer {
            Ok(_) if self.runtime_trouble.swap(false, Ordering::Relaxed) => self.core.signals.runtime_seen(Ok(())),
            Err(Problem::RuntimeUnreachable(reason)) => {
                self.runtime_trouble.store(true, Ordering::Relaxed);
                self.core.signals.runtime_seen(Err(reason.to_string()));
            }
            _ => {}
        }
        answer
    }

    pub(crate) fn set_config(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// Counts the call as open for as long as what this returns is held.
    pub(crate) fn open_call(&self) -> Arc<()> {
        self.open_calls.clone()
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

    pub(crate) fn request_id(&self, call: u64) -> RequestId {
        RequestId::new(&self.run_id, call)
    }
}
