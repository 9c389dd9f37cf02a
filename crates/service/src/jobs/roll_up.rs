//! Makes days of old hours, and cuts the record where it is older than its span.

use std::sync::Arc;
use std::time::{Duration, Instant};

use atthene_core::{Core, blocking};

pub(super) const EVERY: Duration = Duration::from_hours(1);

/// The clock of a machine that starts may be wrong until the network has set it.
const CLOCK_SETTLES: Duration = Duration::from_mins(10);

/// `began`: when this process began to do such things.
pub(super) async fn run(core: &Arc<Core>, began: Instant) {
    let rolled = core.clone();
    if let Err(error) = blocking(move || rolled.usage.roll_up()).await {
        tracing::warn!(%error, "usage could not be rolled up");
    }
    if began.elapsed() < CLOCK_SETTLES {
        return;
    }
    let cut = core.clone();
    if let Err(error) = blocking(move || cut.cut_record()).await {
        tracing::warn!(%error, "the record could not be cut");
    }
}
