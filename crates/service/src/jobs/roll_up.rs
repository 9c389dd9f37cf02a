//! Makes days of old hours.

use std::sync::Arc;
use std::time::Duration;

use atthene_core::{Core, blocking};

pub(super) const EVERY: Duration = Duration::from_hours(1);

pub(super) async fn run(core: &Arc<Core>) {
    let core = core.clone();
    if let Err(error) = blocking(move || core.usage.roll_up()).await {
        tracing::warn!(%error, "usage could not be rolled up");
    }
}
