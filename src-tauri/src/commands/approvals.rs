//! Commands on what agents want to do.

use atthene_core::approvals::{ApprovalId, ApprovalView, Edit, Yes};
use tauri::State;

use super::{CommandAnswer, on_core};
use crate::state::Startup;

/// What waits for an answer, the oldest first.
#[tauri::command]
pub(crate) async fn waiting_approvals(startup: State<'_, Startup>) -> CommandAnswer<Vec<ApprovalView>> {
    on_core(&startup, |core| core.approvals.waiting()).await
}

/// A person says yes, with what is to be sent instead where they have changed it; with `recipients_too`, whoever
/// receives this may receive more for an hour.
#[tauri::command]
pub(crate) async fn approve(
    startup: State<'_, Startup>,
    id: ApprovalId,
    recipients_too: bool,
    edit: Edit,
) -> CommandAnswer<()> {
    on_core(&startup, move |core| core.approvals.approve(&id, &Yes { recipients_too, edit })).await
}

/// A person says no.
#[tauri::command]
pub(crate) async fn deny(startup: State<'_, Startup>, id: ApprovalId) -> CommandAnswer<()> {
    on_core(&startup, move |core| core.approvals.deny(&id)).await
}
