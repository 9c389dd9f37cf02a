//! `atthene connection`.

use std::io::{IsTerminal, Write as _};
use std::sync::Arc;
use std::time::Duration;

use atthene_core::connections::{Progress, SignInId, SignInRequest, SignInView, Toolkit};
use atthene_core::integrations::IntegrationId;
use atthene_core::{Core, Error, open_in_browser};
use secrecy::ExposeSecret;
use serde_json::json;

use super::permit;
use crate::args::ConnectionCommand;
use crate::blocking::blocking;
use crate::out::{CommandResult, Failure, Out, ask};
use crate::time::minute;

pub(crate) async fn run(core: &Arc<Core>, out: &Out, command: ConnectionCommand) -> CommandResult {
    match command {
        ConnectionCommand::Add { toolkit, integration, device_code, print_url, account, yes } => {
            let right = match account {
                Some(name) => Right::Named(name),
                None if yes => Right::Anybody,
                None if std::io::stdin().is_terminal() => Right::Asked,
                None => {
                    let why = "Nobody is there to be asked whether the right account signed in; name it with --account, or \
                               take whoever signs in with --yes.";
                    return Err(Failure::Use(why.into()));
                }
            };
            let integration = integration.map_or_else(|| default(core), Ok)?;
            let request = SignInRequest { toolkit, integration, again: None, switch_account: false };
            sign_in(core, out, request, device_code, print_url, &right).await
        }
        ConnectionCommand::SignIn { id, device_code, print_url } => {
            let (toolkit, integration) = core.connections.way_in(&id)?;
            let request = SignInRequest { toolkit, integration, again: Some(id), switch_account: false };
            // Another account is refused: it is the connection that says whose it is.
            sign_in(core, out, request, device_code, print_url, &Right::Anybody).await
        }
        ConnectionCommand::List => {
            let all = blocking(core, |core| core.connections.list()).await?;
            out.result(&all, |to| {
                let rows: Vec<_> = all
                    .iter()
                    .map(|view| {
                        vec![
                            view.id.as_str().to_owned(),
                            view.account.clone(),
                            word(&view.state),
                            view.used_at.map_or("not used yet".into(), minute),
                            view.problem.clone().unwrap_or_default(),
                        ]
                    })
                    .collect();
                out.table(to, &["ID", "ACCOUNT", "STATE", "LAST USED", "PROBLEM"], &rows)
            })
        }
        ConnectionCommand::Test { id } => {
            let steps = atthene_toolkits::probe(core, &id).await?;
            out.result(&steps, |to| {
                for step in &steps {
                    writeln!(to, "{:7} {}: {}", if step.passed { "passed" } else { "failed" }, step.call, step.note)?;
                }
                Ok(())
            })?;
            if steps.iter().all(|step| step.passed) {
                Ok(())
            } else {
                Err(Failure::Failed("The test did not pass.".into()))
            }
        }
        ConnectionCommand::Token { id } => {
            let program = std::future::ready("atthene connection token".to_owned());
            let fresh = atthene_toolkits::hand_out(core, &id, None, program).await?;
            let shown = json!({
                "access_token": fresh.token.expose_secret(),
                "expires_at": fresh.expires_at,
                "scopes": fresh.scopes,
            });
            out.result(&shown, |to| writeln!(to, "{}", fresh.token.expose_secret()))
        }
        ConnectionCommand::Permit(arguments) => permit::run(core, out, arguments).await,
        ConnectionCommand::Remove { id } => {
            core.connections.disconnect(&id).await?;
            let done = json!({ "id": id, "removed": true });
            out.done(&done, "It is signed out here. At Microsoft, the consent stays until it is withdrawn there.")
        }
    }
}

pub(super) fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn default(core: &Core) -> Result<IntegrationId, Failure> {
    let all = core.integrations.list()?;
    let usable = all.into_iter().find(|view| view.is_default && view.client_id.is_some());
    let none = || Failure::NotFound("No integration is set up that people can sign in through; add one.".into());
    Ok(usable.ok_or_else(none)?.id)
}

/// Which account is the right one: the page to sign in on can be seen by others on this machine, who could
/// sign in with one of theirs.
enum Right {
    Named(String),
    Anybody,
    Asked,
}

impl Right {
    fn is(&self, account: &str) -> bool {
        match self {
            Self::Named(name) => name.to_lowercase() == account.to_lowercase(),
            Self::Anybody => true,
            Self::Asked => ask(&format!("{account} signed in. Is that the right account?"), "").is_ok(),
        }
    }
}

async fn sign_in(
    core: &Arc<Core>,
    out: &Out,
    request: SignInRequest,
    device_code: bool,
    print_url: bool,
    right: &Right,
) -> CommandResult {
    if device_code {
        by_code(core, out, request, right).await
    } else {
        in_browser(core, out, request, print_url, right).await
    }
}

async fn in_browser(
    core: &Arc<Core>,
    out: &Out,
    request: SignInRequest,
    print_url: bool,
    right: &Right,
) -> CommandResult {
    if !core.connections.returns_through_loopback(&request.integration)? {
        let why = "This integration returns by a link to the window, which no command gets. Use --device-code, or connect in the window.";
        return Err(Failure::Failed(why.into()));
    }
    // Before a person signs in for nothing.
    core.check_vault().await?;
    let toolkit = request.toolkit;
    let view = atthene_gateway::begin_sign_in(core, request).await?;
    if print_url {
        out.result(&json!({ "url": view.link }), |to| writeln!(to, "{}", view.link))?;
    } else {
        out.say(format_args!("Your browser opens the sign-in page. If it does not, open this:\n  {}", view.link));
        let page = view.link.clone();
        if let Err(Failure::Core(error)) = blocking(core, move |_| open_in_browser(&page)).await {
            // The link works all the same: whoever waits for its answer does.
            out.tell_all(
                &json!({ "url": view.link, "message": error.to_string() }),
                format_args!(
                    "{error} Open this on this machine yourself; or end this and use --device-code:\n  {}",
                    view.link
                ),
            );
        }
    }
    wait(core, out, &view, toolkit, print_url, right).await
}

async fn by_code(core: &Arc<Core>, out: &Out, request: SignInRequest, right: &Right) -> CommandResult {
    core.check_vault().await?;
    let toolkit = request.toolkit;
    let (view, begun) = core.connections.begin_device_sign_in(request).await?;
    if let Some(device) = &view.device {
        // On standard error: standard output is for the connection.
        out.tell_all(
            &json!({ "page": device.page, "code": device.code }),
            format_args!("Open {} on any machine and enter the code {}", device.page, device.code),
        );
    }
    let finishing = core.clone();
    tokio::spawn(async move { finishing.connections.finish_device_sign_in(begun).await });
    wait(core, out, &view, toolkit, false, right).await
}

/// How often is looked how far a sign-in has come.
const LOOK_EVERY: Duration = Duration::from_millis(100);

async fn wait(
    core: &Arc<Core>,
    out: &Out,
    begun: &SignInView,
    toolkit: Toolkit,
    printed: bool,
    right: &Right,
) -> CommandResult {
    let id: &SignInId = &begun.id;
    loop {
        let Some(view) = core.connections.sign_in(id) else { return Err(Error::UnknownSignIn.into()) };
        match view.progress {
            Progress::Waiting | Progress::Checking => tokio::time::sleep(LOOK_EVERY).await,
            Progress::Confirm { account } => {
                if !right.is(&account) {
                    core.connections.cancel(id).await?;
                    return Err(Failure::Failed(format!("{account} signed in. Nothing was connected.")));
                }
                core.connections.confirm(id).await?;
            }
            Progress::Failed { failure } => return Err(Error::Authority(failure).into()),
            // One that was connected before is not asked about again, and may still be another than was named.
            Progress::Done { account, .. } if matches!(right, Right::Named(_)) && !right.is(&account) => {
                let why = format!(
                    "{account} signed in, who is connected already. The account that you named is not connected."
                );
                return Err(Failure::Failed(why));
            }
            Progress::Done { connection, account } => {
                out.say(format_args!("{account} is connected."));
                let shown = json!({ "id": connection, "account": account, "toolkit": toolkit });
                // The browser still fetches the page that says so.
                tokio::time::sleep(if printed { Duration::from_secs(1) } else { Duration::from_millis(500) }).await;
                return out.result(&shown, |to| writeln!(to, "{}", connection.as_str()));
            }
        }
    }
}
