//! The one place that hands out access.

use std::sync::Arc;

use atthene_core::connections::{ConnectionId, Fresh};
use atthene_core::keys::KeyId;
use atthene_core::{Core, Error, blocking};

/// Fresh access, unless an administrator has stopped everything.
pub(crate) async fn access(core: &Core, id: &ConnectionId) -> Result<Fresh, Error> {
    if core.settings.stopped_at().is_some() {
        return Err(Error::Stopped);
    }
    let fresh = core.connections.fresh(id).await?;
    // Stopped while the authority was asked.
    if core.settings.stopped_at().is_some() { Err(Error::Stopped) } else { Ok(fresh) }
}

/// Fresh access for this program. The receipt comes first: access that is not on record is not handed out.
pub async fn hand_out(
    core: &Arc<Core>,
    id: &ConnectionId,
    key: Option<KeyId>,
    program: impl Future<Output = String>,
) -> Result<Fresh, Error> {
    let fresh = access(core, id).await?;
    let program = program.await;
    let (core, id) = (core.clone(), id.clone());
    blocking(move || core.connections.hand_over(&id, &fresh, &program, key.as_ref()).map(|()| fresh)).await
}
