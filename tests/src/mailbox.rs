//! A gateway without a window whose one connection leads to a mailbox of the test.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use atthene_test_support::authority::CLIENT_ID;
use atthene_test_support::caller::Caller;
use atthene_test_support::mailbox::{Contents, Mailbox};
use atthene_test_support::strict_authority::{self, StrictAuthority};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::machine::Machine;
use crate::parts::Keychain;

/// Longer than a test goes on, in seconds: nothing is renewed meanwhile.
const LIVES: u64 = 3_600;

/// `atthene serve` in front of a mailbox.
pub struct MailDesk {
    port: u16,
    key: String,
    serving: Child,
    _machine: Machine,
    _keychain: Keychain,
    _authority: StrictAuthority,
}

impl MailDesk {
    /// Signs in, permits everything and serves.
    pub async fn new(contents: Contents) -> Result<Self> {
        // As on a desktop: opening an encrypted file takes 32 MiB for a moment, which has nothing to do with mails.
        let machine = Machine::new()?;
        let keychain = Keychain::unlocked(&machine).await?;
        let (mailbox, authority) = (Mailbox::start(contents).await, StrictAuthority::start(LIVES).await);
        let named = ["--name", "Contoso", "--client-id", CLIENT_ID, "--scopes", "Mail.ReadWrite Mail.Send"];
        let places = ["--authority", &authority.authority.issuer, "--graph", &mailbox.base];
        machine.done(&[&["integration", "add"], &named[..], &places[..]].concat()).await?;
        sign_in(&machine, "ada").await?;
        let key = machine.done(&["key", "create", "--name", "Agents", "--expires", "1d"]).await?.out.trim().to_owned();
        // Other gateways of this machine are left alone.
        let port = atthene_test_support::ports::free();
        let (serving, _) = machine.serve(&["--port", &port.to_string()]).await?;
        Ok(Self { port, key, serving, _machine: machine, _keychain: keychain, _authority: authority })
    }

    /// An agent on a connection of its own.
    pub fn agent(&self) -> MailAgent {
        MailAgent { caller: Caller::new(self.port), key: self.key.clone() }
    }

    /// The most memory that the gateway has had in its life so far, in KiB.
    pub fn peak(&self) -> Result<u64> {
        let pid = self.serving.id().context("it has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak")?;
        Ok(peak.split_whitespace().next().context("no number")?.parse()?)
    }
}

/// Calls tools, one after the other.
pub struct MailAgent {
    caller: Caller,
    key: String,
}

impl MailAgent {
    /// The whole result of this call, an error or not. Blocks.
    pub fn calls(&mut self, tool: &str, arguments: &Value) -> Result<Value> {
        Ok(self.caller.call_tool(tool, arguments, &self.key)?)
    }

    /// The same; a result that is an error is one.
    pub fn gets(&mut self, tool: &str, arguments: &Value) -> Result<Value> {
        let result = self.calls(tool, arguments)?;
        ensure!(result["isError"] != true, "{tool} {arguments}: {result}");
        Ok(result)
    }
}

async fn sign_in(machine: &Machine, account: &str) -> Result<()> {
    let mut adding =
        machine.atthene(&["connection", "add", "outlook", "--print-url", "--yes"])?.stderr(Stdio::inherit()).spawn()?;
    let mut lines = BufReader::new(adding.stdout.take().context("no standard output")?).lines();
    let page = lines.next_line().await?.context("no address was printed")?;
    let account = account.to_owned();
    tokio::task::spawn_blocking(move || strict_authority::sign_in(&page, &account)).await??;
    let id = lines.next_line().await?.context("no connection was told")?;
    ensure!(adding.wait().await?.success(), "the sign-in ended with an error");
    machine.permit_everything(&id).await
}
