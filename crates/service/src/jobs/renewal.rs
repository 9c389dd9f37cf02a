//! Renews access that would end soon or has lain idle.

use std::sync::Arc;
use std::time::Duration;

use atthene_core::Core;

/// How often is looked whether access has to be renewed.
pub(super) const EVERY: Duration = Duration::from_mins(1);

pub(super) async fn run(core: &Arc<Core>) {
    // What is stopped asks for nothing.
    if core.settings.stopped_at().is_some() {
        return;
    }
    if let Err(error) = core.connections.renew().await {
        tracing::warn!(%error, "connections could not be renewed");
    }
}
