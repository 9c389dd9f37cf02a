//! Tells the other hosts of a shared profile that this one serves.

use std::sync::Arc;
use std::time::Duration;

use atthene_core::oversight::HEARTBEAT;
use atthene_core::{Core, UnixMs, blocking};

pub(super) const EVERY: Duration = HEARTBEAT;

pub(super) async fn run(core: &Arc<Core>, since: UnixMs) {
    let beating = core.clone();
    // Where the database is away, that is told elsewhere.
    if let Err(error) = blocking(move || beating.beat(since)).await {
        tracing::debug!(%error, "the other hosts were not told that this one serves");
    }
}
