//! Hosts of one profile, each with a gateway, and with a line of its own to the database.

use std::fs::File;

use anyhow::{Context, Result, ensure};
use atthene_e2e::Machine;
use atthene_test_support::line::Line;
use atthene_test_support::{ports, runtime};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::runtime::Handle;

pub(crate) struct Host {
    pub(crate) machine: Machine,
    pub(crate) line: Line,
    pub(crate) port: u16,
    serving: Option<Child>,
}

impl Host {
    fn new(database: &str) -> Result<Self> {
        let port = ports::free();
        Ok(Self { machine: Machine::server()?, line: Line::to(database), port, serving: None })
    }

    /// What lies in the folder says which way it goes to the database.
    fn take_own_line(&self) -> Result<()> {
        let file = self.machine.data_dir().join("fleet.json");
        let mut membership: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
        membership["url"] = self.line.url.as_str().into();
        Ok(std::fs::write(file, membership.to_string())?)
    }

    async fn serve(&mut self) -> Result<()> {
        let mut serve = self.machine.atthene(&["serve", "--port", &self.port.to_string()])?;
        let mut serving = serve.stderr(File::create(self.machine.log())?).spawn()?;
        let mut address = String::new();
        BufReader::new(serving.stdout.take().context("no standard output")?).read_line(&mut address).await?;
        ensure!(!address.is_empty(), "it ended before it served: {}", self.said());
        self.serving = Some(serving);
        Ok(())
    }

    /// What its gateway wrote to standard error; its end.
    pub(crate) fn said(&self) -> String {
        let said = std::fs::read_to_string(self.machine.log()).unwrap_or_default();
        let lines: Vec<_> = said.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

/// So many hosts that share a new profile in this database, with a trust period of so many seconds.
pub(crate) async fn fleet(database: &str, hosts: usize, trust_period: u64) -> Result<Vec<Host>> {
    let mut hosts = (0..hosts).map(|_| Host::new(database)).collect::<Result<Vec<_>>>()?;
    let first = &hosts[0].machine;
    first.done(&["config", "set", "vault", "file"]).await?;
    first.done(&["config", "set", "trust_period", &trust_period.to_string()]).await?;
    // Nothing but the key is looked at: the built-in agent would read rows.
    first.done(&["config", "set", "runtime_url", &runtime::start(&Handle::current())]).await?;
    let begun = first.run_with(&["fleet", "init", database, "--password-stdin"], "not asked for").await?;
    ensure!(begun.code == 0, "{begun:?}");
    let file = first.home().join("invite.age");
    let file = file.to_str().context("a path")?;
    let invited = first.done(&["--json", "fleet", "invite", file]).await?.json()?;
    let passphrase = invited["passphrase"].as_str().context("a passphrase")?;
    for host in &hosts[1..] {
        let joined = host.machine.run_with(&["fleet", "join", file, "--vault-file"], passphrase).await?;
        ensure!(joined.code == 0, "{joined:?}");
    }
    for host in &mut hosts {
        host.take_own_line()?;
        host.serve().await?;
    }
    Ok(hosts)
}
