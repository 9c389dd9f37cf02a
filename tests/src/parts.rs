//! The real parts around the window: a keychain and an identity provider.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::machine::Machine;
use crate::{output, until};

/// An unlocked gnome-keyring on the session bus of the test.
pub struct Keychain(Child);

impl Keychain {
    /// Starts it with an empty collection.
    pub async fn unlocked(machine: &Machine) -> Result<Self> {
        let mut daemon = machine
            .command("gnome-keyring-daemon")
            .args(["--unlock", "--components=secrets", "--foreground", "--replace"])
            .env("XDG_DATA_HOME", machine.home().join("share"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let mut password = daemon.stdin.take().context("no standard input")?;
        password.write_all(b"test").await?;
        drop(password);
        // Whoever asked the bus before would have it start one of its own, which has no collection.
        let process = daemon.id();
        let bus = zbus::Connection::session().await?;
        let bus = zbus::fdo::DBusProxy::new(&bus).await?;
        until("the keychain to be on the bus", || async {
            let owner = bus.get_connection_unix_process_id("org.freedesktop.secrets".try_into()?).await.ok();
            Ok((owner == process).then_some(()))
        })
        .await?;
        Ok(Self(daemon))
    }

    /// What lies under that name, as Seahorse would find it. Empty: nothing.
    pub async fn holds(&self, name: &str) -> Result<String> {
        // Finding nothing is a failure to secret-tool.
        Ok(output("secret-tool", &["search", "--all", "username", name]).await.unwrap_or_default())
    }

    /// Ends it.
    pub async fn stop(mut self) -> Result<()> {
        Ok(self.0.kill().await?)
    }
}

/// The Node that the tests bring, in the folder of the providers.
pub(crate) fn node(machine: &Machine) -> Result<Command> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("providers");
    let node = folder.join("node_modules/.bin/node");
    ensure!(node.exists(), "run `npm ci` in tests/providers; `cargo xtask test` does");
    let mut command = machine.command(node);
    command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

async fn answers(issuer: &str) -> Result<()> {
    let discovery = format!("{issuer}/.well-known/openid-configuration");
    until(issuer, || async { Ok(output("curl", &["--silent", "--fail", &discovery]).await.ok()) }).await.map(drop)
}

/// The npm package `oidc-provider`: a certified OpenID Provider.
pub struct OpenIdProvider(Child);

impl OpenIdProvider {
    /// Its issuer.
    pub const ISSUER: &str = "http://localhost:4010";

    /// Starts it and waits until it answers.
    pub async fn start(machine: &Machine) -> Result<Self> {
        let child = node(machine)?.arg("oidc.mjs").spawn()?;
        answers(Self::ISSUER).await?;
        Ok(Self(child))
    }

    /// Ends it.
    pub async fn stop(mut self) -> Result<()> {
        Ok(self.0.kill().await?)
    }
}

/// The npm package `emulate` as Microsoft.
pub struct Emulate(Child);

impl Emulate {
    /// The issuer that it plays.
    pub const ISSUER: &str = "http://localhost:4005/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0";
    /// Where its Graph answers.
    pub const GRAPH: &str = "http://localhost:4005";
    /// The app that it knows.
    pub const CLIENT_ID: &str = "11111111-2222-3333-4444-555555555555";
    /// The secret of that app.
    pub const CLIENT_SECRET: &str = "planted~client.secret";

    /// Starts it with one app that it knows, and waits until it answers.
    pub async fn start(machine: &Machine) -> Result<Self> {
        Self::with(machine, "emulate.json").await
    }

    /// Starts it so that any app may sign people in, and waits until it answers.
    pub async fn for_anybody(machine: &Machine) -> Result<Self> {
        Self::with(machine, "anybody.json").await
    }

    async fn with(machine: &Machine, seed: &str) -> Result<Self> {
        let child = node(machine)?
            .args(["node_modules/emulate/dist/index.js", "start", "--service", "microsoft", "--port", "4005"])
            .args(["--seed", seed])
            .spawn()?;
        answers(Self::ISSUER).await?;
        Ok(Self(child))
    }

    /// Ends it.
    pub async fn stop(mut self) -> Result<()> {
        Ok(self.0.kill().await?)
    }
}
