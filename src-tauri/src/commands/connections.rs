//! Commands on the connections.

use atthene_core::connections::{ConnectionId, ConnectionView, SignInId, SignInRequest, SignInView};
use atthene_core::permissions::Permissions;
use atthene_core::provider::{AuthorityFailure, Provider};
use atthene_core::{Error, ErrorView, open_in_browser};
use atthene_identity::explain_code;
use atthene_toolkits::ProbeStep;
use tauri::State;

use super::{CommandAnswer, blocking, on_core};
use crate::state::Startup;

#[tauri::command]
pub(crate) async fn list_connections(startup: State<'_, Startup>) -> CommandAnswer<Vec<ConnectionView>> {
    on_core(&startup, |core| core.connections.list()).await
}

/// Prepares a sign-in; `open_sign_in` opens its page.
#[tauri::command]
pub(crate) async fn begin_sign_in(startup: State<'_, Startup>, request: SignInRequest) -> CommandAnswer<SignInView> {
    let core = startup.core().await?;
    atthene_gateway::begin_sign_in(&core, request).await.map_err(|error| error.view())
}

/// Prepares a sign-in on another machine, and waits for it beside everything else.
#[tauri::command]
pub(crate) async fn begin_device_sign_in(
    startup: State<'_, Startup>,
    request: SignInRequest,
) -> CommandAnswer<SignInView> {
    let core = startup.core().await?;
    let (view, begun) = core.connections.begin_device_sign_in(request).await.map_err(|error| error.view())?;
    tokio::spawn(async move { core.connections.finish_device_sign_in(begun).await });
    Ok(view)
}

#[tauri::command]
pub(crate) async fn sign_in(startup: State<'_, Startup>, id: SignInId) -> CommandAnswer<Option<SignInView>> {
    on_core(&startup, move |core| Ok(core.connections.sign_in(&id))).await
}

/// Opens the page of a sign-in in the person's browser, also once more.
#[tauri::command]
pub(crate) async fn open_sign_in(startup: State<'_, Startup>, id: SignInId) -> CommandAnswer<()> {
    let core = startup.core().await?;
    let page = core.connections.sign_in(&id).ok_or_else(|| Error::UnknownSignIn.view())?.link;
    // From Rust: the page never names an address to open.
    blocking(move || open_in_browser(&page)).await
}

/// Sign-ins that wait for the person to say whether the right account signed in.
#[tauri::command]
pub(crate) async fn unconfirmed_sign_ins(startup: State<'_, Startup>) -> CommandAnswer<Vec<SignInView>> {
    on_core(&startup, |core| Ok(core.connections.unconfirmed())).await
}

/// The right account signed in: from now on agents get access.
#[tauri::command]
pub(crate) async fn confirm_sign_in(startup: State<'_, Startup>, id: SignInId) -> CommandAnswer<()> {
    let core = startup.core().await?;
    core.connections.confirm(&id).await.map(drop).map_err(|error| error.view())
}

#[tauri::command]
pub(crate) async fn cancel_sign_in(startup: State<'_, Startup>, id: SignInId) -> CommandAnswer<()> {
    let core = startup.core().await?;
    core.connections.cancel(&id).await.map_err(|error| error.view())
}

#[tauri::command]
pub(crate) async fn probe_connection(startup: State<'_, Startup>, id: ConnectionId) -> CommandAnswer<Vec<ProbeStep>> {
    let core = startup.core().await?;
    atthene_toolkits::probe(&core, &id).await.map_err(|error| error.view())
}

#[tauri::command]
pub(crate) async fn disconnect(startup: State<'_, Startup>, id: ConnectionId) -> CommandAnswer<()> {
    let core = startup.core().await?;
    core.connections.disconnect(&id).await.map_err(|error| error.view())
}

/// Says what agents may do through a connection from now on.
#[tauri::command]
pub(crate) async fn set_permissions(
    startup: State<'_, Startup>,
    id: ConnectionId,
    permissions: Permissions,
) -> CommandAnswer<()> {
    on_core(&startup, move |core| core.connections.set_permissions(&id, permissions)).await
}

/// Help for a code that Microsoft's page shows, which the app itself never gets to see.
#[tauri::command]
pub(crate) async fn explain_error_code(code: String) -> Result<AuthorityFailure, ErrorView> {
    Ok(explain_code(Provider::Microsoft, &code))
}
