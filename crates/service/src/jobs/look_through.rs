//! Looks through the whole database once, beside everything else: it takes as long as the history is large.

use std::sync::Arc;

use atthene_core::{Core, blocking};

pub(super) async fn run(core: &Arc<Core>) {
    let core = core.clone();
    if let Err(error) = blocking(move || core.look_through()).await {
        tracing::error!(%error, "the database was looked through");
    }
}
