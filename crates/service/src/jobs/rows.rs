//! Work on rows, beside the thread of the jobs.

use std::sync::Arc;

use atthene_core::{Core, Error};

/// Runs it; says in the log where it failed.
pub(super) async fn on_rows(
    core: &Arc<Core>,
    what: &str,
    work: impl FnOnce(&Core) -> Result<(), Error> + Send + 'static,
) {
    let core = core.clone();
    match tokio::task::spawn_blocking(move || work(&core)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "{what}"),
        Err(error) => tracing::warn!(%error, "{what}: it broke"),
    }
}
