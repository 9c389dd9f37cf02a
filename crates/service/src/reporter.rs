//! Tells the other processes what this one does, where it is the service of the profile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use atthene_core::oversight::{GatewayState, Keeper, ServiceLease};
use atthene_core::{Change, Core, Error};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

/// The thread that tells, and the lease that makes this process the service. Dropping it ends both.
pub(crate) struct Reporter {
    core: Arc<Core>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _lease: ServiceLease,
}

impl Reporter {
    /// `None`: another process is the service, and this one only serves. Blocks for a moment.
    pub(crate) fn start(
        core: Arc<Core>,
        gateway: watch::Receiver<GatewayState>,
        keeper: Keeper,
        in_clear: Vec<SocketAddr>,
        was_told: watch::Sender<()>,
    ) -> Option<Self> {
        let lease = core.become_service().unwrap_or_else(|error| {
            tracing::warn!(%error, "other processes are not told what this one does");
            None
        })?;
        let is_over = Arc::new(AtomicBool::new(false));
        let (teller, over) = (core.clone(), is_over.clone());
        let tell = move |state| {
            teller.tell_service_status(state, keeper, &in_clear)?;
            was_told.send_replace(());
            Ok(())
        };
        let changes = core.changes().subscribe();
        let thread =
            std::thread::Builder::new().name("reporter".into()).spawn(move || report(tell, changes, &gateway, &over));
        Some(Self { core, is_over, thread: thread.ok(), _lease: lease })
    }
}

fn report(
    tell: impl Fn(GatewayState) -> Result<(), Error>,
    mut changes: Receiver<Change>,
    gateway: &watch::Receiver<GatewayState>,
    over: &AtomicBool,
) {
    loop {
        let state = gateway.borrow().clone();
        if let Err(error) = tell(state) {
            // With the next change it is tried again.
            tracing::warn!(%error, "other processes were not told what this one does");
        }
        loop {
            let change = changes.blocking_recv();
            if over.load(Ordering::Acquire) || change == Err(RecvError::Closed) {
                return;
            }
            if matches!(change, Ok(Change::Gateway | Change::Attention | Change::Settings) | Err(_)) {
                break;
            }
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // It waits for news; this is some.
        self.core.changes().publish(Change::Gateway);
        if let Some(thread) = self.thread.take() {
            // A panic in there was logged by its hook; there is nothing left to stop.
            let _ = thread.join();
        }
    }
}
