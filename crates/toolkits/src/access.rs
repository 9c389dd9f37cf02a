//! The one place that hands out access.

use std::sync::Arc;

use atthene_core::connections::{ConnectionId, Fresh};
use atthene_core::keys::KeyId;
use atthene_core::permissions::Use;
use atthene_core::{Core, Error, blocking};

/// Fresh access, unless an administrator has stopped everything, or does not permit agents this use. `None`: it is an
/// administrator who tries it.
pub(crate) async fn access(core: &Arc<Core>, id: &ConnectionId, asked: Option<Use>) -> Result<Fresh, Error> {
    let may = || {
        let (core, id) = (core.clone(), id.clone());
        blocking(move || {
            if core.settings.stopped_at().is_some() {
                return Err(Error::Stopped);
            }
            asked.map_or(Ok(()), |asked| core.connections.permit(&id, asked))
        })
    };
    may().await?;
    let fresh = core.connections.fresh(id).await?;
    // Stopped, or taken away, while the authority was asked.
    may().await.map(|()| fresh)
}

/// Fresh access for this program. The receipt comes first: access that is not on record is not handed out.
pub async fn hand_out(
    core: &Arc<Core>,
    id: &ConnectionId,
    key: Option<KeyId>,
    program: impl Future<Output = String>,
) -> Result<Fresh, Error> {
    let fresh = access(core, id, Some(Use::Token)).await?;
    let program = program.await;
    let (core, id) = (core.clone(), id.clone());
    blocking(move || core.connections.hand_over(&id, &fresh, &program, key.as_ref()).map(|()| fresh)).await
}
