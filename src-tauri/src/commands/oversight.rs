//! Commands on usage, the record, what needs attention, and the self-check.

use std::path::Path;

use atthene_core::activity::{ActivityFilter, ActivityPage, Chain, Span, TimelineFilter, TimelineForm, UsageReport};
use atthene_core::oversight::GatewayState;
use atthene_core::oversight::{Attention, Explanation, Finding, PortOwner, TroubledCall, desktop_checks};
use atthene_core::{Clock, Error, Format};
use tauri::{AppHandle, Manager, Runtime, State};

use super::{CommandAnswer, Written, blocking, in_new_file, on_core};
use crate::clipboard;
use crate::state::{HasTray, RealDesktop, Startup};

#[tauri::command]
pub(crate) async fn usage_report(startup: State<'_, Startup>, span: Span) -> CommandAnswer<UsageReport> {
    on_core(&startup, move |core| core.usage.report(span)).await
}

/// Writes the counters of a span to a file that is asked for; tells how many rows.
#[tauri::command]
pub(crate) async fn export_usage<R: Runtime>(
    app: AppHandle<R>,
    startup: State<'_, Startup>,
    span: Span,
    format: Format,
) -> CommandAnswer<Option<Written<u64>>> {
    let core = startup.core().await?;
    let name = format!("usage-{}-days.{}", span.days(), format.extension());
    in_new_file(app, name, None, move |path| core.usage.export(span, format, new_file(path)?)).await
}

#[tauri::command]
pub(crate) async fn activity_page(
    startup: State<'_, Startup>,
    filter: ActivityFilter,
    before: Option<i64>,
) -> CommandAnswer<ActivityPage> {
    on_core(&startup, move |core| core.activity.screen(&filter, before)).await
}

#[tauri::command]
pub(crate) async fn verify_activity(startup: State<'_, Startup>) -> CommandAnswer<Chain> {
    on_core(&startup, |core| core.activity.verify()).await
}

/// Writes the rows that pass the filter to a file that is asked for; tells how many.
#[tauri::command]
pub(crate) async fn export_activity<R: Runtime>(
    app: AppHandle<R>,
    startup: State<'_, Startup>,
    filter: ActivityFilter,
    format: Format,
) -> CommandAnswer<Option<Written<u64>>> {
    let core = startup.core().await?;
    let name = format!("activity.{}", format.extension());
    in_new_file(app, name, None, move |path| core.activity.export(&filter, format, new_file(path)?)).await
}

/// Writes what was done with an account's sign-ins to a file that is asked for; tells how many rows.
#[tauri::command]
pub(crate) async fn export_timeline<R: Runtime>(
    app: AppHandle<R>,
    startup: State<'_, Startup>,
    filter: TimelineFilter,
    form: TimelineForm,
) -> CommandAnswer<Option<Written<u64>>> {
    let core = startup.core().await?;
    let name = format!("{}.{}", timeline_name(&filter.account), form.extension());
    in_new_file(app, name, None, move |path| core.activity.write_timeline(&filter, form, Clock::system().now(), path))
        .await
}

/// A name for the file that is one on every system, whatever the account is called.
fn timeline_name(account: &str) -> String {
    let plain = |it: char| if it.is_alphanumeric() || "@.-_+".contains(it) { it } else { '-' };
    format!("timeline-{}", account.chars().take(64).map(plain).collect::<String>())
}

#[tauri::command]
pub(crate) async fn attention(startup: State<'_, Startup>) -> CommandAnswer<Vec<Attention>> {
    on_core(&startup, |core| core.attention()).await
}

/// The calls that were refused or failed lately.
#[tauri::command]
pub(crate) async fn troubled_calls(startup: State<'_, Startup>) -> CommandAnswer<Vec<TroubledCall>> {
    const SHOWN: u32 = 50;
    on_core(&startup, |core| core.troubled_calls(SHOWN)).await
}

#[tauri::command]
pub(crate) async fn explain_refusal(startup: State<'_, Startup>, request_id: String) -> CommandAnswer<Explanation> {
    on_core(&startup, move |core| core.explain(&request_id)).await
}

/// Looks at the whole set-up. Waits for the keychain and the network.
#[tauri::command]
pub(crate) async fn self_check<R: Runtime>(
    app: AppHandle<R>,
    startup: State<'_, Startup>,
) -> CommandAnswer<Vec<Finding>> {
    let core = startup.core().await?;
    let state = startup.gateway_state().await;
    let owner = match state {
        GatewayState::PortTaken { port, .. } => {
            Some(atthene_gateway::check_port(&core, port).await.map_err(|error| error.view())?.0)
        }
        _ => None,
    };
    let mut checks = vec![about_gateway(&state, owner)];
    checks.extend(core.self_check().await.map_err(|error| error.view())?);
    checks.extend(blocking(move || Ok(about_desktop(&app))).await?);
    Ok(checks)
}

/// `owner`: by whom, where another program has the port.
fn about_gateway(state: &GatewayState, owner: Option<PortOwner>) -> Finding {
    let (id, name, found) = ("gateway", "Gateway", format!("{}.", state.in_words()));
    match state {
        GatewayState::Listening { .. } | GatewayState::Elsewhere => Finding::good(id, name, found),
        GatewayState::Starting => Finding::not_set_up(id, name, found),
        GatewayState::Off => Finding::warning(id, name, found, "Turn it on in Preferences."),
        GatewayState::Refusing { .. } => Finding::warning(id, name, found, "Resume at the foot of the window."),
        GatewayState::PortTaken { .. } if owner == Some(PortOwner::Here) => {
            Finding::good(id, name, format!("{found} It serves this data, as this app would."))
        }
        GatewayState::PortTaken { .. } => Finding::bad(
            id,
            name,
            found,
            "End that program or choose another port in Preferences, then replace the key: applications may have sent it there.",
        ),
        GatewayState::Failed { .. } | GatewayState::Stopped => Finding::bad(id, name, found, "Restart the app."),
    }
}

fn about_desktop<R: Runtime>(app: &AppHandle<R>) -> Vec<Finding> {
    if app.try_state::<RealDesktop>().is_none() {
        return Vec::new();
    }
    let mut checks = desktop_checks().to_vec();
    let (id, name) = ("clipboard", "Clipboard");
    checks.push(match clipboard::is_within_reach(app) {
        Ok(()) => Finding::good(id, name, "Keys can be copied, and are marked as secret for clipboard histories."),
        Err(reason) => Finding::bad(id, name, reason, "Write new keys to a .env file instead."),
    });
    let (id, name) = ("tray", "Tray");
    checks.push(if app.state::<HasTray>().is_there() {
        Finding::good(id, name, "The service shows its icon there, so that you reach the app without a window.")
    } else {
        Finding::not_set_up(id, name, "The service goes on without an icon; start the app again to see its window.")
    });
    checks
}

fn new_file(path: &Path) -> Result<std::io::BufWriter<std::fs::File>, Error> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(std::io::BufWriter::new).map_err(|error| Error::Export(error.to_string()))
}
