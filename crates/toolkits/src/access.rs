//! The one place that hands out access.

use std::sync::Arc;

use atthene_core::connections::{ConnectionId, Fresh};
use atthene_core::keys::KeyId;
use atthene_core::permissions::{Intent, Leave};
use atthene_core::{Core, Error, blocking};

/// How an agent wants to use a connection, and whether a person has said yes to that.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) of: Intent,
    pub(crate) has_yes: bool,
}

/// Fresh access, unless an administrator has stopped everything, or does not permit agents this use. `None`: it is an
/// administrator who tries it.
pub(crate) async fn access(core: &Arc<Core>, id: &ConnectionId, asked: Option<Wanted>) -> Result<Fresh, Error> {
    let may = || {
        let (core, id) = (core.clone(), id.clone());
        blocking(move || {
            if core.settings.stopped_at().is_some() {
                return Err(Error::Stopped);
            }
            let Some(Wanted { of, has_yes }) = asked else { return Ok(()) };
            match core.connections.permit(&id, of)? {
                Leave::Asked if !has_yes => Err(Error::NeedsApproval),
                Leave::Given | Leave::Asked => Ok(()),
            }
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
    let fresh = access(core, id, Some(Wanted { of: Intent::Token, has_yes: false })).await?;
    let program = program.await;
    let (core, id) = (core.clone(), id.clone());
    blocking(move || core.connections.hand_over(&id, &fresh, &program, key.as_ref()).map(|()| fresh)).await
}
