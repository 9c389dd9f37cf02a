//! The service beside the window: started where none serves this profile, seen when it ends, and started again; where hosts
//! share the profile, only if a person asked for one here. Nothing is asked of it but through the rows.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use atthene_core::oversight::{GatewayState, Keeper};
use atthene_core::{Change, Core};
use tauri::{AppHandle, Manager, Runtime};

use crate::state::{ServiceWish, Startup};
use crate::window;

/// How long a service may take until it holds its lease: a database that is busy, a disk that sleeps.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How soon a service that is not this window's to start is seen, and the wish for one.
const LOOK_WHETHER_WANTED: Duration = Duration::from_millis(500);
/// How long others have to start again what they kept.
const OTHERS_TURN: Duration = Duration::from_secs(3);
/// A service that ended sooner than this ends again, as it seems: the next one waits longer each time.
const SOON: Duration = Duration::from_secs(10);
const PAUSES: [Duration; 4] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];

/// Sees to it that there is a service, for as long as this process lives. Begins at once and returns.
pub(crate) fn keep<R: Runtime>(app: &AppHandle<R>, core: Arc<Core>) {
    let app = app.clone();
    let keeper = std::thread::Builder::new().name("service-keeper".into()).spawn(move || {
        let startup = app.state::<Startup>();
        let mut ended_soon = 0;
        loop {
            if !wait_until_wanted(&app, &core) {
                return;
            }
            let began = Instant::now();
            let served = core.has_service() || start(&app, &core);
            if served {
                tell(&app, &core, None);
                if let Err(error) = core.wait_for_end_of_service() {
                    tracing::error!(%error, "whether the service ended can't be told");
                }
                if startup.is_leaving() {
                    return;
                }
                if startup.service_wish() != ServiceWish::Kept {
                    continue;
                }
                if core.is_service_to_end().unwrap_or(false) {
                    // A person has quit, at the tray.
                    return window::leave(&app);
                }
                tracing::warn!("the service has ended");
                tell(&app, &core, Some(GatewayState::Stopped));
            }
            if began.elapsed() > SOON {
                ended_soon = 0;
            }
            std::thread::sleep(PAUSES[ended_soon]);
            if core.keeper_of_service().is_ok_and(|keeper| keeper == Keeper::Other) {
                wait_for_another(&core);
            }
            ended_soon = (ended_soon + 1).min(PAUSES.len() - 1);
        }
    });
    if let Err(error) = keeper {
        tracing::error!(%error, "there is no thread that looks after the service");
    }
}

/// Waits while there is no service and none is to be started. False: this process is about to end.
fn wait_until_wanted<R: Runtime>(app: &AppHandle<R>, core: &Core) -> bool {
    let startup = app.state::<Startup>();
    let mut told = None;
    while !startup.is_leaving() {
        let wish = startup.service_wish();
        if wish == ServiceWish::Kept || core.has_service() {
            return true;
        }
        if told != Some(wish) {
            told = Some(wish);
            tell(app, core, (wish == ServiceWish::Elsewhere).then_some(GatewayState::Elsewhere));
        }
        // Another process may start one, or the choice be made at any time; files tell neither.
        std::thread::sleep(LOOK_WHETHER_WANTED);
    }
    false
}

/// Leaves it to whoever kept the last service to start the next one: a supervisor that finds another on its port gives up.
fn wait_for_another(core: &Core) {
    let began = Instant::now();
    while began.elapsed() < OTHERS_TURN && !core.has_service() {
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Starts the service and waits until it is there.
fn start<R: Runtime>(app: &AppHandle<R>, core: &Arc<Core>) -> bool {
    // Whoever quit the last one has not quit this one.
    if let Err(error) = core.forget_service() {
        tracing::warn!(%error, "what the last service told was not forgotten");
    }
    let mut child = match spawn() {
        Ok(child) => child,
        Err(error) => {
            let reason = format!("the service did not start: {error}");
            tell(app, core, Some(GatewayState::Failed { reason }));
            return false;
        }
    };
    let began = Instant::now();
    while !core.has_service() {
        if let Ok(Some(status)) = child.try_wait() {
            let reason = format!("the service ended at once ({status}); its log lies in the data folder");
            tell(app, core, Some(GatewayState::Failed { reason }));
            return false;
        }
        if began.elapsed() > PATIENCE {
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    // It outlives this process; where it does not, it is let go of.
    std::thread::spawn(move || drop(child.wait()));
    true
}

fn spawn() -> std::io::Result<Child> {
    let mut service = Command::new(program()?);
    service.args(["serve", "--background"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // What is told to a terminal that this was started from is not told to the service.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut service, 0);
    #[cfg(windows)]
    {
        /// DETACHED_PROCESS (winbase.h): no console of its own, none of ours.
        const DETACHED: u32 = 0x8;
        std::os::windows::process::CommandExt::creation_flags(&mut service, DETACHED);
    }
    service.spawn()
}

/// The command lies beside this program.
fn program() -> std::io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(format!("atthene{}", std::env::consts::EXE_SUFFIX)))
}

/// Tells the page what became of it. `instead`: what the gateway does where no service says so.
fn tell<R: Runtime>(app: &AppHandle<R>, core: &Core, instead: Option<GatewayState>) {
    app.state::<Startup>().without_service(instead.unwrap_or(GatewayState::Starting));
    core.changes().publish(Change::Gateway);
}
