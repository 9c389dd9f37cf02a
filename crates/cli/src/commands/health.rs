//! `atthene status`, `atthene doctor` and `atthene explain`.

use std::sync::Arc;

use atthene_core::oversight::{Finding, FindingState, RungState, desktop_checks};
use atthene_core::{Core, Error};
use serde_json::json;

use crate::blocking;
use crate::out::{Failure, Out, Outcome};
use crate::time::minute;

/// Who has the gateway's port; `None`: nobody.
async fn port_owner(core: &Core) -> Option<String> {
    let port = core.settings.current().gateway_port;
    if tokio::net::TcpListener::bind(("127.0.0.1", port)).await.is_ok() {
        return None;
    }
    let who = tokio::task::spawn_blocking(move || atthene_gateway::who_listens(port)).await.ok().flatten();
    Some(who.unwrap_or_else(|| "an unknown program".into()))
}

/// Our own programs, as they are called on this machine.
fn is_ours(program: &str) -> bool {
    ["atthene", "atthene-settings"].contains(&program.trim_end_matches(".exe"))
}

pub(crate) async fn status(core: &Arc<Core>, out: &Out) -> Outcome {
    let owner = port_owner(core).await;
    let port = core.settings.current().gateway_port;
    let keys = blocking(core, |core| core.keys.list()).await?;
    let key = keys.first().filter(|key| key.ended_at.is_none());
    let connections = blocking(core, |core| core.connections.list()).await?;
    let attention = blocking(core, Core::attention).await?;
    let stopped = core.settings.stopped_at();
    let shown = json!({
        "gateway": {
            "port": port,
            "listening": owner.as_deref().is_some_and(is_ours),
            "owner": owner,
            "stopped_at": stopped,
        },
        "key": key.map(|key| json!({
            "id": key.id, "name": key.name, "state": key.state,
            "expires_at": key.expires_at, "requests": key.requests,
        })),
        "connections": connections.len(),
        "attention": attention,
    });
    out.result(&shown, |to| {
        match &owner {
            None => writeln!(to, "gateway      nobody listens on port {port}")?,
            Some(owner) => writeln!(to, "gateway      port {port}, {owner}")?,
        }
        if stopped.is_some() {
            writeln!(to, "             everything is stopped; `atthene resume` lets it go on")?;
        }
        match key {
            None => writeln!(to, "key          none is live")?,
            Some(key) => {
                let ends = key.expires_at.map_or("never expires".into(), |at| format!("expires {}", minute(at)));
                writeln!(to, "key          {} ({}), {ends}, {} calls", key.name, key.id.0, key.requests)?;
            }
        }
        writeln!(to, "connections  {}", connections.len())?;
        for one in &attention {
            writeln!(to, "attention    {}. {}", one.title, one.text)?;
        }
        Ok(())
    })
}

pub(crate) async fn doctor(core: &Arc<Core>, out: &Out) -> Outcome {
    let mut findings = vec![about_port(core).await];
    findings.extend(core.self_check().await?);
    findings.extend(blocking(core, |_| Ok::<_, Error>(desktop_checks())).await?);
    out.result(&findings, |to| {
        for finding in &findings {
            let mark = match finding.state {
                FindingState::Good => "ok  ",
                FindingState::Warning => "warn",
                FindingState::Bad => "FAIL",
                FindingState::NotSetUp => "-   ",
            };
            writeln!(to, "{mark}  {:22}  {}", finding.name, finding.found)?;
            if let Some(remedy) = &finding.remedy {
                writeln!(to, "      {:22}  {remedy}", "")?;
            }
        }
        Ok(())
    })?;
    if findings.iter().any(|finding| finding.state == FindingState::Bad) {
        return Err(Failure::Failed("Something does not work.".into()));
    }
    Ok(())
}

async fn about_port(core: &Core) -> Finding {
    let (id, name) = ("gateway", "Gateway");
    let port = core.settings.current().gateway_port;
    match port_owner(core).await {
        None => Finding::good(id, name, format!("Port {port} is free for it.")),
        Some(owner) if is_ours(&owner) => Finding::good(id, name, format!("{owner} serves on port {port}.")),
        Some(owner) => Finding::bad(
            id,
            name,
            format!("Port {port} is taken by {owner}."),
            "End that program, or choose another port: atthene config set gateway_port PORT.",
        ),
    }
}

pub(crate) fn explain(core: &Core, out: &Out, request_id: &str) -> Outcome {
    let explained = core.explain(request_id)?;
    out.result(&explained, |to| {
        let call = &explained.call;
        writeln!(to, "{}  {} {}  {}", minute(call.at), call.method, call.path, call.code)?;
        for rung in &explained.rungs {
            let mark = match rung.state {
                RungState::Passed => "ok  ",
                RungState::Failed => "FAIL",
                RungState::NotReached => "-   ",
            };
            writeln!(to, "{mark}  {}  {}", rung.name, rung.found.as_deref().unwrap_or_default())?;
        }
        writeln!(to, "{}", explained.remedy)
    })
}
