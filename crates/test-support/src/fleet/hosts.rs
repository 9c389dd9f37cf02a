//! Hosts that run `atthene serve` on one database.

use std::net::TcpListener;
use std::process::Child;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use url::Url;

use crate::databases;
use crate::installation::Installation;
use crate::line::Line;
use crate::ports;
use crate::space::Space;

/// Where each gateway listens that has a network of its own: the port that it has by itself.
const PORT: u16 = 8765;

pub struct FleetHost {
    pub installation: Installation,
    /// Its way to the database, where it has a network of its own.
    pub line: Option<Line>,
    serving: Option<Child>,
}

impl FleetHost {
    fn new(space: Option<Arc<Space>>, url: &str) -> Result<Self> {
        let Some(space) = space else {
            let port = ports::free();
            return Ok(Self { installation: Installation::bare(None, port)?, line: None, serving: None });
        };
        // In there nobody has the database's port: so one address is good for all hosts.
        let port = Url::parse(url)?.port().context("the database's port")?;
        let listener = space.within(|| TcpListener::bind(("127.0.0.1", port)))?;
        let line = Some(Line::from(listener, url));
        Ok(Self { installation: Installation::bare(Some(space), PORT)?, line, serving: None })
    }

    /// Starts the gateway and waits until it serves.
    pub fn serve(&mut self, arguments: &[&str]) -> Result<()> {
        let port = self.installation.port.to_string();
        self.serving = Some(self.installation.serve(&[&["--port", &port], arguments].concat())?);
        Ok(())
    }

    /// The process of its gateway.
    pub fn process(&self) -> Result<u32> {
        Ok(self.serving.as_ref().context("it does not serve")?.id())
    }

    /// Kills the gateway.
    pub fn end(&mut self) -> Result<()> {
        if let Some(mut serving) = self.serving.take() {
            serving.kill()?;
            serving.wait()?;
        }
        Ok(())
    }
}

impl Drop for FleetHost {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.end();
    }
}

/// Hosts of one shared profile, in a database that goes with this.
pub struct Fleet {
    pub url: String,
    pub hosts: Vec<FleetHost>,
}

impl Fleet {
    /// So many hosts, each in a network of its own where that is permitted, and on a port of its own otherwise. None of
    /// them serves yet.
    pub fn apart(count: usize) -> Result<Self> {
        Self::with(count, true)
    }

    /// The same in one network: nothing lies between a host and the database.
    pub fn together(count: usize) -> Result<Self> {
        Self::with(count, false)
    }

    fn with(count: usize, apart: bool) -> Result<Self> {
        let mut fleet = Self { url: databases::empty(), hosts: Vec::new() };
        let here = Url::parse(&fleet.url)?;
        let is_here = here.host_str().is_some_and(|host| ["127.0.0.1", "localhost"].contains(&host));
        let spaces = if apart && is_here {
            let spaces: std::io::Result<Vec<_>> = (0..count).map(|_| Space::new().map(Arc::new)).collect();
            spaces.ok().filter(|spaces| spaces.iter().all(|space| space.within(|| Ok(())).is_ok()))
        } else {
            None
        };
        if apart && spaces.is_none() {
            tell("no networks of their own are to be had here: the hosts differ by their ports");
        }
        for number in 0..count {
            let space = spaces.as_ref().map(|spaces| spaces[number].clone());
            fleet.hosts.push(FleetHost::new(space, &fleet.url)?);
        }
        fleet.join()?;
        Ok(fleet)
    }

    /// The first begins the shared profile, the others join it.
    fn join(&self) -> Result<()> {
        let (first, others) = self.hosts.split_first().context("no host")?;
        let first = &first.installation;
        first.run(&["config", "set", "vault", "file"])?;
        first.run(&["fleet", "init", &self.url]).context("the first host")?;
        let file = first.folder().join("invite.age");
        let file = file.to_str().context("a path")?;
        let invited: serde_json::Value = serde_json::from_str(&first.run(&["--json", "fleet", "invite", file])?)?;
        let passphrase = invited["passphrase"].as_str().context("a passphrase")?;
        for other in others {
            other
                .installation
                .run_with(&["fleet", "join", file, "--vault-file"], passphrase)
                .context("another host")?;
        }
        Ok(())
    }

    /// Starts every gateway and waits until each serves.
    pub fn serve(&mut self, arguments: &[&str]) -> Result<()> {
        self.hosts.iter_mut().try_for_each(|host| host.serve(arguments))
    }

    /// Kills every gateway.
    pub fn end(&mut self) -> Result<()> {
        self.hosts.iter_mut().try_for_each(FleetHost::end)
    }

    /// Lets nobody be told of changes: they are found by looking.
    pub fn silence(&self) {
        databases::run(&self.url, "ALTER TABLE revisions DISABLE TRIGGER hint");
    }

    /// Whether each host has a network of its own.
    pub fn is_apart(&self) -> bool {
        self.hosts.iter().all(|host| host.installation.space().is_some())
    }

    /// Whether the server says when each transaction was committed.
    pub fn needs_commit_times(&self) -> Result<()> {
        let on = databases::asked(&self.url, async |client| {
            let row = client.query_one("SELECT current_setting('track_commit_timestamp')", &[]).await?;
            row.try_get::<_, String>(0)
        })?;
        ensure!(on == "on", "the server does not keep commit times: start it with track_commit_timestamp=on");
        Ok(())
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.hosts.clear();
        databases::drop_at(&self.url);
    }
}

#[expect(clippy::print_stderr, reason = "so that nobody takes the one for the other")]
fn tell(what: &str) {
    eprintln!("{what}");
}
