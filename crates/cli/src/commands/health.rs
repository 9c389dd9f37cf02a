//! `atthene status`, `atthene doctor` and `atthene explain`.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use atthene_core::oversight::{Finding, FindingState, PortOwner, RungState, desktop_checks};
use atthene_core::provider::Provider;
use atthene_core::{Core, Error};
use serde_json::json;

use crate::blocking::blocking;
use crate::out::{CommandResult, Failure, Out};
use crate::time::minute;

/// Who has the gateway's port, with the name of the program.
enum Port {
    Free,
    Ours(String),
    /// The same, which can't read its data any more.
    Lost(String),
    /// A gateway on other data.
    Elsewhere(String),
    Others(String),
}

impl Port {
    async fn of(core: &Core) -> Self {
        let port = port_of(core);
        let (owner, who) = atthene_gateway::check_port(core, port).await.unwrap_or((PortOwner::ByStranger, None));
        let who = who.unwrap_or_else(|| "an unknown program".into());
        match owner {
            PortOwner::ByNone => Self::Free,
            PortOwner::Here => Self::Ours(who),
            PortOwner::HereAndLost => Self::Lost(who),
            PortOwner::Elsewhere => Self::Elsewhere(who),
            PortOwner::ByStranger => Self::Others(who),
        }
    }

    fn owner(&self) -> Option<&str> {
        match self {
            Self::Free => None,
            Self::Ours(who) | Self::Lost(who) | Self::Elsewhere(who) | Self::Others(who) => Some(who),
        }
    }
}

/// The port that a gateway on this data has been given, which may be another one than the settings name.
fn port_of(core: &Core) -> u16 {
    core.serving_ports().first().copied().unwrap_or_else(|| core.settings.current().gateway_port)
}

/// Stops everything, and says so where that is not what answers on the port.
pub(crate) async fn stop(core: &Arc<Core>, out: &Out) -> CommandResult {
    blocking(core, Core::stop_everything).await?;
    if let Port::Elsewhere(who) = Port::of(core).await {
        let port = core.settings.current().gateway_port;
        out.tell(format_args!("On port {port} {who} serves the data of another folder or account, and goes on."));
    }
    out.done(&json!({ "stopped": true }), "Everything is stopped. `atthene resume` ends that.")
}

pub(crate) async fn status(core: &Arc<Core>, out: &Out) -> CommandResult {
    let owner = Port::of(core).await;
    let port = port_of(core);
    let key = blocking(core, |core| core.keys.live()).await?;
    let connections = blocking(core, |core| core.connections.list()).await?;
    let attention = blocking(core, Core::attention).await?;
    let stopped = core.settings.stopped_at();
    let shown = json!({
        "gateway": {
            "port": port,
            "listening": matches!(owner, Port::Ours(_)),
            "owner": owner.owner(),
            "stopped_at": stopped,
        },
        "key": key.as_ref().map(|key| json!({
            "id": key.id, "name": key.name, "state": key.state,
            "expires_at": key.expires_at, "requests": key.requests,
        })),
        "connections": connections.len(),
        "attention": attention,
    });
    out.result(&shown, |to| {
        match &owner {
            Port::Free => writeln!(to, "gateway      nobody listens on port {port}")?,
            Port::Ours(who) => writeln!(to, "gateway      {who} listens on port {port}")?,
            Port::Lost(who) => {
                writeln!(to, "gateway      {who} on port {port} can't read its data any more; restart it")?;
            }
            Port::Elsewhere(who) => {
                writeln!(to, "gateway      port {port} is taken by {who}, for the data of another folder")?;
            }
            Port::Others(who) => writeln!(to, "gateway      port {port} is taken by {who}")?,
        }
        if stopped.is_some() {
            writeln!(to, "             everything is stopped; `atthene resume` ends that")?;
        }
        match key {
            None => writeln!(to, "key          none is live")?,
            Some(key) => {
                let ends = key.expires_at.map_or("never expires".into(), |at| format!("expires {}", minute(at)));
                writeln!(to, "key          {} ({}), {ends}, calls: {}", key.name, key.id.0, key.requests)?;
            }
        }
        writeln!(to, "connections  {}", connections.len())?;
        for one in &attention {
            writeln!(to, "attention    {}. {}", one.title, one.text)?;
        }
        Ok(())
    })
}

pub(crate) async fn doctor(core: &Arc<Core>, out: &Out) -> CommandResult {
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
    let port = port_of(core);
    let taken = |by: String| {
        let remedy = "End that program, or choose another port: atthene config set gateway_port PORT. Then replace the \
                      key: applications may have sent it there.";
        Finding::bad(id, name, format!("Port {port} is taken by {by}, which is not this gateway."), remedy)
    };
    match Port::of(core).await {
        Port::Elsewhere(who) => taken(format!("{who}, for the data of another folder or account")),
        Port::Others(who) => taken(who),
        Port::Lost(who) => Finding::bad(
            id,
            name,
            format!("{who} serves on port {port} and can't read its data any more: it refuses every call."),
            "The database was moved, deleted or replaced, or is locked. Put it back, or restart that program.",
        ),
        _ if core.settings.stopped_at().is_some() => {
            Finding::warning(id, name, "Everything is stopped; applications are refused.", "Run: atthene resume.")
        }
        Port::Free => Finding::good(id, name, format!("Port {port} is free for it.")),
        Port::Ours(who) => Finding::good(id, name, format!("{who} serves on port {port}.")),
    }
}

/// A call is written down within this time of its answer.
const WRITTEN: Duration = Duration::from_millis(400);

pub(crate) async fn explain(core: &Core, out: &Out, id: &str) -> CommandResult {
    if id.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("AADSTS")) {
        let meant = atthene_identity::explain_code(Provider::Microsoft, id);
        return out.result(&meant, |to| writeln!(to, "{meant}.\n{}", meant.fix));
    }
    let mut explained = core.explain(id);
    if matches!(explained, Err(Error::UnknownRequest)) {
        // Whoever asks at once is told, too.
        tokio::time::sleep(WRITTEN).await;
        explained = core.explain(id);
    }
    let explained = explained?;
    out.result(&explained, |to| {
        let call = &explained.call;
        writeln!(to, "{}  {} {}  {}", minute(call.at), call.method, call.path, call.code)?;
        for rung in &explained.rungs {
            let mark = match rung.state {
                RungState::Passed => "ok  ",
                RungState::Failed => "FAIL",
                RungState::NotReached => "-   ",
            };
            let on = rung.at.map(|at| format!(" on {}.", minute(at))).unwrap_or_default();
            writeln!(to, "{mark}  {}  {}{on}", rung.name, rung.found.as_deref().unwrap_or_default())?;
        }
        writeln!(to, "{}", explained.remedy)
    })
}
