//! Tells the other hosts of a shared profile that this one serves, and where.

use std::sync::Arc;

use atthene_core::oversight::HEARTBEAT;
use atthene_core::{Core, UnixMs, blocking};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// Every few seconds; and whenever this process has `told` what it does, so that nobody waits for an address.
pub(super) async fn run(core: &Arc<Core>, since: UnixMs, mut told: watch::Receiver<()>) {
    let mut tick = tokio::time::interval(HEARTBEAT);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            // Never, where this process is not the service.
            Ok(()) = told.changed() => tick.reset(),
        }
        let beating = core.clone();
        // Where the database is away, that is told elsewhere.
        if let Err(error) = blocking(move || beating.beat(since)).await {
            tracing::debug!(%error, "the other hosts were not told that this one serves");
        }
    }
}
