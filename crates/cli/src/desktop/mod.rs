//! What a person sees of the service while no window is open: the tray, notifications, and the start at login. A
//! machine without a desktop has none of it, and the service goes on without.

mod chosen;
mod login_item;
mod notices;
// Only Linux has a tray whose icon needs no window's toolkit.
#[cfg_attr(not(target_os = "linux"), path = "no_tray.rs")]
mod tray;

use std::sync::Arc;
use std::time::Duration;

use atthene_core::oversight::{Attention, GatewayState};
use atthene_core::{Change, Core, blocking};
use chosen::Chosen;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::MissedTickBehavior;
use tray::Tray;

/// Dates come near without any news.
const EVERY: Duration = Duration::from_mins(1);
/// News come in bunches; one look is enough for each.
const PAUSE: Duration = Duration::from_millis(500);

/// Keeps all of it true, until the core is gone.
pub(crate) async fn run(core: Arc<Core>, mut gateway: watch::Receiver<GatewayState>) {
    let (choose, mut chosen) = mpsc::unbounded_channel();
    let mut tray = Tray::new(choose);
    let mut changes = core.changes().subscribe();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut starts_at_login = None;
    let mut was_stopped = false;
    let state = gateway.borrow().clone();
    tray.show(&state, None).await;
    loop {
        let settings = core.settings.current();
        if starts_at_login != Some(settings.start_at_login) {
            starts_at_login = Some(settings.start_at_login);
            login_item::set(settings.start_at_login).await;
        }
        let state = gateway.borrow_and_update().clone();
        let is_stopped = matches!(state, GatewayState::Refusing { .. });
        // What nobody could see is not told, nor noted as told.
        let notify = settings.notifications && tray.has_desktop();
        if notify && is_stopped && !was_stopped {
            // The person may be far from any window: says what was cut.
            notices::show(state.in_words(), "Applications are refused until you resume.".into(), lead).await;
        }
        was_stopped = is_stopped;
        let attention = look(&core, notify).await;
        tray.show(&state, attention.as_deref()).await;
        tokio::select! {
            _ = tick.tick() => {}
            changed = gateway.changed() => if changed.is_err() { return },
            is_over = next(&mut changes) => if is_over { return },
            Some(chosen) = chosen.recv() => { act(&core, chosen).await; continue }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What needs attention, and what is due is told; `None`: nobody can tell.
async fn look(core: &Arc<Core>, notify: bool) -> Option<Vec<Attention>> {
    let asked = core.clone();
    let looked = blocking(move || {
        let due = if notify { asked.due_notices()? } else { Vec::new() };
        Ok((asked.attention()?, due))
    });
    match looked.await {
        Ok((attention, due)) => {
            for due in due {
                notices::show(due.title, due.text, lead).await;
            }
            Some(attention)
        }
        Err(error) => {
            tracing::warn!(%error, "nobody can tell what needs attention");
            None
        }
    }
}

/// Waits for news that may matter here. True where there will be none any more.
async fn next(changes: &mut broadcast::Receiver<Change>) -> bool {
    loop {
        match changes.recv().await {
            // Counters and sign-ins that go on need nobody's attention.
            Ok(Change::Usage | Change::SignIns) => {}
            Ok(_) | Err(RecvError::Lagged(_)) => return false,
            Err(RecvError::Closed) => return true,
        }
    }
}

async fn act(core: &Arc<Core>, chosen: Chosen) {
    let (title, done) = match chosen {
        Chosen::Open => ("The window did not open", blocking(open_window).await),
        Chosen::StopOrResume => {
            let is_stopped = core.settings.stopped_at().is_some();
            let core = core.clone();
            let done =
                blocking(move || if is_stopped { core.resume() } else { core.stop_everything().map(drop) }).await;
            (if is_stopped { "Everything is still stopped" } else { "Nothing was stopped" }, done)
        }
        Chosen::Quit => {
            let core = core.clone();
            ("The service goes on", blocking(move || core.ask_service_to_end()).await)
        }
    };
    if let Err(error) = done {
        tracing::warn!(%error, "{title}");
        notices::show(title.into(), error.to_string(), lead).await;
    }
}

/// Leads a person who clicked a notification to the window.
fn lead() {
    if let Err(error) = open_window() {
        tracing::warn!(%error, "the window did not open");
    }
}

/// The program of the window lies beside this one. One that runs already comes to the front.
fn open_window() -> Result<(), atthene_core::Error> {
    let failed = |error: std::io::Error| atthene_core::Error::Internal(format!("atthene-settings: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    let program = program.with_file_name(format!("atthene-settings{}", std::env::consts::EXE_SUFFIX));
    let mut window = std::process::Command::new(program).spawn().map_err(failed)?;
    // Whoever has ended is let go of.
    std::thread::spawn(move || drop(window.wait()));
    Ok(())
}
