//! The `atthene` command on a machine of a test, without a display.

use std::fmt::Write as _;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::machine::Machine;
use crate::output;
use crate::parts::Emulate;

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Printed {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Printed {
    /// Exit code and all lines, for a snapshot: what differs each time is replaced, as is `secret`.
    pub fn shown(&self, secret: &str) -> String {
        let mut shown = format!("exit {}\n", self.code);
        for (name, text) in [("out", &self.out), ("err", &self.err)] {
            for line in text.lines() {
                let _ = writeln!(shown, "{name}: {line}");
            }
        }
        if secret.is_empty() { shown } else { shown.replace(secret, "[SECRET]") }
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.out).with_context(|| format!("{self:?}"))
    }
}

impl Machine {
    /// `atthene` with these arguments; nothing of a desktop is there.
    pub fn atthene(&self, arguments: &[&str]) -> Result<Command> {
        let program = std::env::var_os("ATTHENE_COMMAND")
            .context("ATTHENE_COMMAND names no command; run `cargo xtask test --only e2e`")?;
        let mut command = self.command(program);
        command.args(arguments).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    /// Runs `atthene` to its end.
    pub async fn run(&self, arguments: &[&str]) -> Result<Printed> {
        self.run_with(arguments, "").await
    }

    /// Runs `atthene` to its end with this on its standard input.
    pub async fn run_with(&self, arguments: &[&str], input: &str) -> Result<Printed> {
        let mut child = self.atthene(arguments)?.spawn()?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        stdin.write_all(input.as_bytes()).await?;
        drop(stdin);
        let done = child.wait_with_output().await?;
        Ok(Printed {
            code: done.status.code().unwrap_or(-1),
            out: String::from_utf8(done.stdout)?,
            err: String::from_utf8(done.stderr)?,
        })
    }

    /// Runs `atthene` to its end; anything but success is an error.
    pub async fn done(&self, arguments: &[&str]) -> Result<Printed> {
        let printed = self.run(arguments).await?;
        ensure!(printed.code == 0, "{arguments:?}: {printed:?}");
        Ok(printed)
    }

    /// A server without a keychain: an encrypted file, chosen on purpose.
    pub fn server() -> Result<Self> {
        let mut machine = Self::new()?;
        machine.set_passphrase()?;
        machine.set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
        Ok(machine)
    }

    /// Names the file with the passphrase of the encrypted vault, as on a server without a keychain.
    pub fn set_passphrase(&mut self) -> Result<()> {
        let file = self.home().join("passphrase");
        std::fs::write(&file, "not a real passphrase\n")?;
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        self.set("ATTHENE_VAULT_PASSPHRASE_FILE", &file.display().to_string());
        Ok(())
    }

    /// Adds the integration Contoso, with or without a client secret; tells its id.
    pub async fn add_integration(&self, issuer: &str, graph: &str, secret: Option<&str>) -> Result<String> {
        let mut arguments = vec![
            "integration",
            "add",
            "--name",
            "Contoso",
            "--client-id",
            Emulate::CLIENT_ID,
            "--authority",
            issuer,
            "--graph",
            graph,
            "--scopes",
            "User.Read Mail.Read",
        ];
        if secret.is_some() {
            arguments.push("--secret-stdin");
        }
        let added = self.run_with(&arguments, secret.unwrap_or_default()).await?;
        ensure!(added.code == 0, "{added:?}");
        ensure!(added.err.contains("/callback"), "it names the redirect URI: {added:?}");
        Ok(added.out.trim().to_owned())
    }

    /// Starts `atthene serve` and waits until it serves; tells its address.
    pub async fn serve(&self, arguments: &[&str]) -> Result<(Child, String)> {
        let mut child = self.atthene(&[&["serve"], arguments].concat())?.stderr(Stdio::inherit()).spawn()?;
        let mut address = String::new();
        BufReader::new(child.stdout.take().context("no standard output")?).read_line(&mut address).await?;
        ensure!(!address.is_empty(), "it ended before it served");
        Ok((child, address.trim().to_owned()))
    }

    /// Lets agents do all that was granted.
    pub async fn permit_everything(&self, connection: &str) -> Result<()> {
        self.done(&["connection", "permit", connection, "--everything"]).await.map(drop)
    }

    /// Signs this person in with `atthene connection add --print-url`, and pages in a shell.
    pub async fn connect(&self, integration: &str, person: &str) -> Result<Value> {
        self.sign_in(&["--json"], integration, person).await?.json()
    }

    /// The same; what was printed after the address.
    pub async fn sign_in(&self, more: &[&str], integration: &str, person: &str) -> Result<Printed> {
        let add = ["connection", "add", "outlook", "--integration", integration, "--print-url", "--yes"];
        let mut adding = self.atthene(&[more, &add].concat())?.spawn()?;
        let mut lines = BufReader::new(adding.stdout.take().context("no standard output")?);
        let mut first = String::new();
        while !first.ends_with("}\n") && !first.starts_with("http") {
            ensure!(lines.read_line(&mut first).await? > 0, "no address was printed: {first}");
        }
        let url = match serde_json::from_str::<Value>(&first) {
            Ok(printed) => printed["url"].as_str().context("an address")?.to_owned(),
            Err(_) => first.trim().to_owned(),
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/shell_browser.py");
        output("python3", &[script, &url, person]).await?;
        let mut out = String::new();
        lines.read_to_string(&mut out).await?;
        let done = adding.wait_with_output().await?;
        ensure!(done.status.success(), "{out}");
        Ok(Printed { code: 0, out, err: String::from_utf8(done.stderr)? })
    }
}
