//! Commands on a profile that hosts share: who they are, and how this folder comes and goes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atthene_core::identity::Profile;
use atthene_core::oversight::{Keeper, SharedView};
use atthene_core::{Actor, Core, Error, ErrorView, blocking};
use atthene_service::fleet::{self, FleetError, Membership};
use secrecy::SecretString;
use tauri::{AppHandle, Runtime, State};

use super::{CommandAnswer, choose_old_file, on_core};
use crate::chosen::{ChosenFile, ToJoin};
use crate::state::{Startup, no_home};
use crate::window;

/// Longer than a service may take to end: a refresh that has begun is brought to its end.
const ENDS_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where the profile lies and who shares it; `None`: it is this machine's alone.
#[tauri::command]
pub(crate) async fn shared_profile(startup: State<'_, Startup>) -> CommandAnswer<Option<SharedView>> {
    let folder = startup.data_dir().map_err(|error| error.view())?;
    on_core(&startup, move |core| {
        let Some(membership) = Membership::of(&folder)? else { return Ok(None) };
        let Membership { url, gateway_beside_window, .. } = membership;
        Ok(core.hosts()?.map(|hosts| SharedView { url, hosts, gateway_beside_window }))
    })
    .await
}

/// From now on this window runs a gateway on this machine, or none.
#[tauri::command]
pub(crate) async fn run_gateway_here(startup: State<'_, Startup>, runs: bool) -> CommandAnswer<()> {
    let profile = profile(&startup)?;
    let core = startup.core().await?;
    let done = blocking(move || {
        let done = fleet::run_gateway_beside_window(&profile, runs);
        // One that somebody else keeps is theirs.
        if done.is_ok() && !runs && core.has_service() && core.keeper_of_service()? == Keeper::Window {
            core.ask_service_to_end()?;
        }
        Ok(done)
    });
    done.await.map_err(|error| error.view())?.map_err(|error| error.view())
}

/// Takes a host that is gone off the list.
#[tauri::command]
pub(crate) async fn forget_host(startup: State<'_, Startup>, id: String) -> CommandAnswer<()> {
    let core = startup.core().await?;
    let done = blocking(move || Ok(fleet::forget_host(&core, &id).map(drop)));
    done.await.map_err(|error| error.view())?.map_err(|error| error.view())
}

/// Copies this machine's profile to the database at this URL, and starts anew with it.
#[tauri::command]
pub(crate) async fn share_profile<R: Runtime>(
    app: AppHandle<R>,
    startup: State<'_, Startup>,
    url: String,
    password: Option<SecretString>,
) -> CommandAnswer<()> {
    let profile = profile(&startup)?;
    // What the service counts while rows are copied would be left behind, so it ends first.
    switch(app, &startup, async move |core| {
        end_service(core).await?;
        fleet::init(&profile, Actor::Window, &url, password).await.map(drop)
    })
    .await
}

/// Asks for an invite, and tells what it is called. [`join_shared_profile`] takes it.
#[tauri::command]
pub(crate) async fn choose_invite<R: Runtime>(
    app: AppHandle<R>,
    chosen: State<'_, ChosenFile<ToJoin>>,
) -> CommandAnswer<Option<PathBuf>> {
    let file = choose_old_file(app, "Choose an invite").await?;
    if file.is_some() {
        chosen.hold(file.clone());
    }
    Ok(file)
}

/// Takes part in the profile that the chosen invite is for, and starts anew with it.
#[tauri::command]
pub(crate) async fn join_shared_profile<R: Runtime>(
    app: AppHandle<R>,
    startup: State<'_, Startup>,
    chosen: State<'_, ChosenFile<ToJoin>>,
    passphrase: SecretString,
) -> CommandAnswer<()> {
    let profile = profile(&startup)?;
    // It stays chosen: a passphrase is mistyped more often than a file mistaken.
    let file = chosen.held().ok_or_else(|| Error::Internal("no invite was chosen".into()).view())?;
    // Its secrets lie where those of before do.
    let vault = startup.core().await?.settings.current().vault;
    switch(app, &startup, async move |core| {
        let invite = fleet::read_invite(&file)?;
        fleet::join(&profile, Actor::Window, invite, passphrase, vault).await?;
        // Only now: a passphrase that was mistyped costs no call.
        end_service(core).await.map_err(FleetError::from)
    })
    .await
}

/// Takes no part any more, and starts anew with the folder's own rows.
#[tauri::command]
pub(crate) async fn leave_shared_profile<R: Runtime>(
    app: AppHandle<R>,
    startup: State<'_, Startup>,
) -> CommandAnswer<()> {
    let profile = profile(&startup)?;
    switch(app, &startup, async move |core| {
        end_service(core).await?;
        fleet::leave(&profile, Actor::Window).await.map(drop)
    })
    .await
}

fn profile(startup: &Startup) -> Result<Profile, ErrorView> {
    startup.profile.clone().ok_or_else(|| no_home().view())
}

/// Leads the folder to other rows, and starts this process anew. Where that fails, the service of before comes back.
async fn switch<R: Runtime>(
    app: AppHandle<R>,
    startup: &Startup,
    work: impl AsyncFnOnce(Arc<Core>) -> Result<(), FleetError>,
) -> CommandAnswer<()> {
    let core = startup.core().await?;
    startup.switch(true);
    if let Err(error) = work(core).await {
        startup.switch(false);
        return Err(error.view());
    }
    window::start_anew(&app);
    Ok(())
}

/// Asks the service to end, where there is one, and waits until it has. One that a supervisor starts again is found out
/// by whoever needs that there is none.
async fn end_service(core: Arc<Core>) -> Result<(), Error> {
    blocking(move || {
        if !core.has_service() {
            return Ok(());
        }
        core.ask_service_to_end()?;
        let began = Instant::now();
        while core.has_service() {
            if began.elapsed() > ENDS_WITHIN {
                return Err(Error::Internal("the service did not end".into()));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    })
    .await
}
