//! `atthene integration`.

use std::io::{IsTerminal, Write as _};
use std::sync::Arc;

use atthene_core::integrations::{AuthorityDraft, Draft, IntegrationView, RedirectDraft, StepReport};
use atthene_core::provider::Cloud;
use atthene_core::{Core, SecretChange};
use serde_json::json;

use crate::args::{IntegrationCommand, IntegrationFields};
use crate::blocking::blocking;
use crate::out::{CommandResult, Failure, Out, ask, secret_from_stdin};

pub(crate) async fn run(core: &Arc<Core>, out: &Out, command: IntegrationCommand) -> CommandResult {
    match command {
        IntegrationCommand::Add(fields) => {
            if fields.name.is_none() || fields.client_id.is_none() || fields.scopes.is_none() {
                return Err(Failure::Use("--name, --client-id and --scopes are needed.".into()));
            }
            let draft = core.integrations.fresh_draft();
            save(core, out, draft, *fields, true).await
        }
        IntegrationCommand::Edit { fields, .. } if fields.are_empty() => {
            Err(Failure::Use("Nothing is named that is to be changed.".into()))
        }
        IntegrationCommand::Edit { id, fields, yes } => {
            let draft = blocking(core, move |core| core.integrations.draft(&id)).await?;
            save(core, out, draft, *fields, yes).await
        }
        IntegrationCommand::List => {
            let all = blocking(core, |core| core.integrations.list()).await?;
            out.result(&all, |to| {
                let rows: Vec<_> = all.iter().map(row).collect();
                out.table(to, &["ID", "NAME", "AUTHORITY", "HEALTH", "DEFAULT"], &rows)
            })
        }
        IntegrationCommand::Check { id } => {
            let draft = blocking(core, move |core| core.integrations.draft(&id)).await?;
            let mut steps: Vec<StepReport> = Vec::new();
            let passed = core.integrations.preflight(draft, SecretChange::Keep, &mut |step| steps.push(step)).await?;
            let steps: Vec<_> =
                steps.iter().filter_map(|step| serde_json::to_value(step).ok()).filter(is_final).collect();
            out.result(&json!({ "passed": passed, "steps": steps }), |to| {
                let text = |step: &serde_json::Value, field: &str| {
                    step.pointer(field).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
                };
                for step in &steps {
                    let found = ["/state/failure/what", "/state/note", "/state/found"].map(|field| text(step, field));
                    let found = found.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
                    writeln!(to, "{:14} {:8} {found}", text(step, "/step"), text(step, "/state/state"))?;
                    let more = [
                        text(step, "/state/failure/fix"),
                        step.pointer("/state/failure/aadsts")
                            .and_then(serde_json::Value::as_u64)
                            .map_or_else(String::new, |n| format!("AADSTS{n}")),
                        text(step, "/state/failure/said"),
                        Some(text(step, "/state/failure/correlation_id"))
                            .filter(|id| !id.is_empty())
                            .map_or_else(String::new, |id| format!("Correlation ID {id}")),
                    ];
                    for line in more.iter().filter(|line| !line.is_empty()) {
                        writeln!(to, "{:23} {line}", "")?;
                    }
                }
                Ok(())
            })?;
            let fix = steps.iter().find_map(|step| step.pointer("/state/failure/fix")?.as_str());
            let fix = fix.unwrap_or("Correct what the steps name, then check again.").to_owned();
            if passed { Ok(()) } else { Err(Failure::Helped("The check did not pass.".into(), fix)) }
        }
        IntegrationCommand::Default { id } => {
            let done = json!({ "id": id, "is_default": true });
            blocking(core, move |core| core.integrations.set_default(&id)).await?;
            out.done(&done, "It is the default now.")
        }
        IntegrationCommand::Remove { id } => {
            core.delete_integration(&id).await?;
            let done = json!({ "id": id, "removed": true });
            out.done(&done, "It is deleted, and every connection through it is signed out.")
        }
    }
}

/// A step is told when it begins and when it ends.
fn is_final(step: &serde_json::Value) -> bool {
    step.pointer("/state/state").is_some_and(|state| state != "running")
}

fn row(view: &IntegrationView) -> Vec<String> {
    vec![
        view.id.as_str().to_owned(),
        view.name.clone(),
        view.authority.clone(),
        word(&view.health),
        if view.is_default { "default".into() } else { String::new() },
    ]
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

async fn save(core: &Arc<Core>, out: &Out, mut draft: Draft, fields: IntegrationFields, yes: bool) -> CommandResult {
    let secret = if fields.secret_stdin {
        SecretChange::Replace(secret_from_stdin()?)
    } else if fields.remove_secret {
        SecretChange::Remove
    } else {
        SecretChange::Keep
    };
    apply(&mut draft, fields);
    if !yes {
        tell_who_is_signed_out(core, out, &draft, &secret)?;
    }
    let saved = core.save_integration(draft, secret).await?;
    out.result(&saved, |to| {
        writeln!(to, "{}", saved.id.as_str())?;
        Ok(())
    })?;
    let platform = match word(&saved.platform).as_str() {
        "web" => "Web",
        _ => "Mobile and desktop applications",
    };
    out.say(format_args!("Register this redirect URI in Azure, platform \"{platform}\":\n  {}", saved.redirect_uri));
    out.say(format_args!("Then: atthene integration check {}", saved.id.as_str()));
    Ok(())
}

/// Names every account that has to sign in again after this change; at a terminal, asks.
fn tell_who_is_signed_out(core: &Arc<Core>, out: &Out, draft: &Draft, secret: &SecretChange) -> CommandResult {
    let accounts = core.integrations.report(draft, secret)?.signs_out;
    if accounts.is_empty() {
        return Ok(());
    }
    out.tell("It leads to another authority, client ID or Graph then. These accounts have to sign in again:");
    for account in accounts {
        out.tell(format_args!("  {account}"));
    }
    if std::io::stdin().is_terminal() { ask("Change it?", "Nothing was changed.") } else { Ok(()) }
}

fn apply(draft: &mut Draft, fields: IntegrationFields) {
    if let Some(name) = fields.name {
        draft.name = name;
    }
    if let Some(client_id) = fields.client_id {
        draft.client_id = client_id;
    }
    let custom = match &draft.authority {
        AuthorityDraft::Custom { issuer, graph } => Some((issuer.clone(), graph.clone())),
        AuthorityDraft::Entra { .. } => None,
    };
    if let Some(issuer) = fields.authority {
        // The Graph of the same authority stays.
        let same = custom.filter(|(before, _)| *before == issuer).map(|(_, graph)| graph);
        draft.authority = AuthorityDraft::Custom { issuer, graph: fields.graph.or(same).unwrap_or_default() };
    } else if let (Some((issuer, _)), Some(graph)) = (custom, &fields.graph) {
        draft.authority = AuthorityDraft::Custom { issuer, graph: graph.clone() };
    } else if fields.tenant.is_some() || fields.cloud.is_some() {
        let (cloud_before, tenant_before) = match &draft.authority {
            AuthorityDraft::Entra { cloud, tenant } => (*cloud, tenant.clone()),
            AuthorityDraft::Custom { .. } => (Cloud::Global, String::new()),
        };
        draft.authority = AuthorityDraft::Entra {
            cloud: fields.cloud.unwrap_or(cloud_before),
            tenant: fields.tenant.unwrap_or(tenant_before),
        };
    }
    // A new secret has another last day, told or not.
    if fields.secret_stdin || fields.secret_ends.is_some() {
        draft.secret_expires_at = fields.secret_ends;
    }
    if let Some(scopes) = fields.scopes {
        draft.scopes = scopes.split_whitespace().map(str::to_owned).collect();
    }
    match fields.way_back.as_deref() {
        Some("loopback") => draft.redirect = RedirectDraft::Loopback,
        Some("deep-link") => draft.redirect = RedirectDraft::DeepLink,
        Some(url) => draft.redirect = RedirectDraft::Page { url: url.to_owned() },
        None => {}
    }
}
