//! Commands on the integrations.

use atthene_core::connections::{RETURN_PAGE_FILE, write_return_page};
use atthene_core::integrations::{Draft, DraftReport, IntegrationId, IntegrationView, StepReport};
use atthene_core::provider::{Catalogue, Provider};
use atthene_identity::catalogue;
use tauri::ipc::Channel;
use tauri::{AppHandle, Runtime, State};

use super::{CommandAnswer, SecretRequest, Written, in_new_file, on_core};
use crate::state::Startup;

#[tauri::command]
pub(crate) async fn list_integrations(startup: State<'_, Startup>) -> CommandAnswer<Vec<IntegrationView>> {
    on_core(&startup, |core| core.integrations.list()).await
}

#[tauri::command]
pub(crate) async fn scope_catalogue() -> CommandAnswer<Catalogue> {
    Ok(catalogue(Provider::Microsoft))
}

#[tauri::command]
pub(crate) async fn fresh_integration(startup: State<'_, Startup>) -> CommandAnswer<Draft> {
    on_core(&startup, |core| Ok(core.integrations.fresh_draft())).await
}

#[tauri::command]
pub(crate) async fn integration_draft(startup: State<'_, Startup>, id: IntegrationId) -> CommandAnswer<Draft> {
    on_core(&startup, move |core| core.integrations.draft(&id)).await
}

#[tauri::command]
pub(crate) async fn integration_report(
    startup: State<'_, Startup>,
    draft: Draft,
    secret: SecretRequest,
) -> CommandAnswer<DraftReport> {
    on_core(&startup, move |core| core.integrations.report(&draft, &secret.into())).await
}

/// Tells each step on the channel; returns whether all passed.
#[tauri::command]
pub(crate) async fn preflight(
    startup: State<'_, Startup>,
    draft: Draft,
    secret: SecretRequest,
    steps: Channel<StepReport>,
) -> CommandAnswer<bool> {
    let core = startup.core().await?;
    // A window that is gone needs no news.
    let mut tell = |report| drop(steps.send(report));
    core.integrations.preflight(draft, secret.into(), &mut tell).await.map_err(|error| error.view())
}

#[tauri::command]
pub(crate) async fn save_integration(
    startup: State<'_, Startup>,
    draft: Draft,
    secret: SecretRequest,
) -> CommandAnswer<IntegrationView> {
    let core = startup.core().await?;
    core.save_integration(draft, secret.into()).await.map_err(|error| error.view())
}

#[tauri::command]
pub(crate) async fn delete_integration(startup: State<'_, Startup>, id: IntegrationId) -> CommandAnswer<()> {
    let core = startup.core().await?;
    core.delete_integration(&id).await.map_err(|error| error.view())
}

#[tauri::command]
pub(crate) async fn set_default_integration(startup: State<'_, Startup>, id: IntegrationId) -> CommandAnswer<()> {
    on_core(&startup, move |core| core.integrations.set_default(&id)).await
}

/// Asks in the desktop's own dialog where the page for this integration's way back is to be saved, and
/// saves it.
#[tauri::command]
pub(crate) async fn save_return_page<R: Runtime>(
    app: AppHandle<R>,
    id: IntegrationId,
) -> CommandAnswer<Option<Written<()>>> {
    in_new_file(app, RETURN_PAGE_FILE.into(), None, move |path| write_return_page(path, &id)).await
}
