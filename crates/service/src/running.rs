//! The service: the gateway and the jobs of one open profile.

use std::sync::Arc;

use atthene_core::Core;
use atthene_core::oversight::{GatewayState, Keeper};
use atthene_gateway::{Gateway, Hurry, Limits, Listening};
use tokio::sync::watch;

use crate::files;
use crate::jobs::Jobs;
use crate::reporter::Reporter;

/// What serves and looks after things. Dropping it stops it.
pub struct Service {
    // Ended in this order: what the last calls have counted is written after them.
    gateway: Option<Gateway>,
    jobs: Jobs,
    reporter: Option<Reporter>,
    state: watch::Receiver<GatewayState>,
}

impl Service {
    /// Starts gateway and jobs on threads of their own; both follow the settings of `core` from then on.
    pub fn start(core: Arc<Core>, limits: Limits) -> std::io::Result<Self> {
        Self::start_on(core, limits, Listening::default(), Keeper::Window)
    }

    /// The same with the gateway listening as it is told here, whatever the settings say of it, kept by this one.
    pub fn start_on(core: Arc<Core>, limits: Limits, listening: Listening, keeper: Keeper) -> std::io::Result<Self> {
        let (told, was_told) = watch::channel(());
        let jobs = Jobs::start(core.clone(), was_told)?;
        let in_clear = if listening.is_in_clear() { listening.beyond_loopback().collect() } else { Vec::new() };
        let gateway = Gateway::start_on(core.clone(), limits.within(files::most()), listening)?;
        let state = gateway.watch();
        let reporter = Reporter::start(core.clone(), state.clone(), keeper, in_clear, told);
        // What was begun before and is not its own was left by a crash.
        if reporter.is_some()
            && let Err(error) = core.approvals.give_up_left_over()
        {
            tracing::error!(%error, "acts that were begun before this start are not on record");
        }
        Ok(Self { state, gateway: Some(gateway), jobs, reporter })
    }

    /// What the gateway is doing now.
    pub fn state(&self) -> GatewayState {
        self.state.borrow().clone()
    }

    /// Follows what the gateway is doing.
    pub fn watch(&self) -> watch::Receiver<GatewayState> {
        self.state.clone()
    }

    /// Whether this process is the service of the profile: another one may be it already.
    pub fn is_the_service(&self) -> bool {
        self.reporter.is_some()
    }

    /// What cuts the end of open calls short.
    pub fn hurry(&self) -> Hurry {
        self.gateway.as_ref().map(Gateway::hurry).unwrap_or_default()
    }

    /// Stops it: open calls go on for [`Limits::drain`], counters are written. Blocks until done.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.stop();
        }
        self.jobs.end();
        self.reporter = None;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}
