//! What blocks on the core, beside the runtime.

use std::sync::Arc;

use atthene_core::{Core, Error};

use crate::out::Failure;

/// Runs what blocks (SQLite, argon2) beside the runtime.
pub(crate) async fn blocking<T: Send + 'static>(
    core: &Arc<Core>,
    work: impl FnOnce(&Core) -> Result<T, Error> + Send + 'static,
) -> Result<T, Failure> {
    let core = core.clone();
    Ok(atthene_core::blocking(move || work(&core)).await?)
}
