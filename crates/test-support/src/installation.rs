//! One data folder with an encrypted vault, and the command on it, as a server has them.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rusqlite::Connection;

use crate::authority::CLIENT_ID;
use crate::space::Space;
use crate::strict_authority::{self, StrictAuthority};

pub struct Installation {
    dir: tempfile::TempDir,
    program: PathBuf,
    /// The network that it is in; `None`: the machine's.
    space: Option<Arc<Space>>,
    pub port: u16,
}

impl Installation {
    /// One of its own, on a port of its own.
    pub fn new() -> Result<Self> {
        let port = crate::ports::free();
        let new = Self::bare(None, port)?;
        new.run(&["config", "set", "gateway_port", &port.to_string()])?;
        new.run(&["config", "set", "vault", "file"])?;
        Ok(new)
    }

    /// Nothing was done in it yet.
    pub fn bare(space: Option<Arc<Space>>, port: u16) -> Result<Self> {
        let program = std::env::var_os("ATTHENE_COMMAND").context("ATTHENE_COMMAND names no command")?.into();
        let dir = tempfile::tempdir()?;
        let passphrase = dir.path().join("passphrase");
        std::fs::write(&passphrase, "not a real passphrase\n")?;
        std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { dir, program, space, port })
    }

    /// The folder that all of it lies in.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    pub fn space(&self) -> Option<&Arc<Space>> {
        self.space.as_ref()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match &self.space {
            Some(space) => space.command(&self.program),
            None => Command::new(&self.program),
        };
        command
            .args(arguments)
            .env("ATTHENE_DATA_DIR", self.data())
            .env("ATTHENE_VAULT_PASSPHRASE_FILE", self.dir.path().join("passphrase"))
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
            .stdin(Stdio::null());
        command
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Runs the command to its end; tells what it printed.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        self.run_with(arguments, "")
    }

    /// The same with this on its standard input.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| self.program.display().to_string())?;
        child.stdin.take().context("no input")?.write_all(input.as_bytes())?;
        let done = child.wait_with_output()?;
        ensure!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr).trim());
        Ok(String::from_utf8(done.stdout)?.trim().to_owned())
    }

    pub fn add_integration(&self, at: &StrictAuthority, graph: &str) -> Result<()> {
        let issuer = &at.authority.issuer;
        let named = ["--name", "Contoso", "--client-id", CLIENT_ID, "--authority", issuer, "--graph", graph];
        self.run(&[&["integration", "add"], &named[..], &["--scopes", "Mail.Read"]].concat())?;
        Ok(())
    }

    pub fn key(&self) -> Result<String> {
        self.run(&["key", "create", "--name", "endurance", "--expires", "30d", "--yes"])
    }

    /// Signs this account in, as a browser would; tells the connection.
    pub fn sign_in(&self, account: &str) -> Result<String> {
        let mut child = self
            .command(&["connection", "add", "outlook", "--print-url", "--yes"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let link = lines.next().context("no link")??;
        strict_authority::sign_in(&link, account)?;
        let id = lines.next().context("no connection")??;
        ensure!(child.wait()?.success(), "the sign-in ended with an error");
        self.run(&["connection", "permit", &id, "--everything"])?;
        Ok(id)
    }

    /// Starts the service and waits until it serves.
    pub fn serve(&self, arguments: &[&str]) -> Result<Child> {
        let mut child = self
            .command(&[&["-q", "serve"], arguments].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut address = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut address)?;
        ensure!(!address.is_empty(), "it ended before it served");
        Ok(child)
    }

    /// Looks into the rows beside everything else.
    pub fn rows<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let path: &Path = &self.data().join("atthene.db");
        let db = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.busy_timeout(std::time::Duration::from_secs(5))?;
        Ok(read(&db)?)
    }

    /// Answered calls that are on the disk.
    pub fn counted(&self) -> Result<u64> {
        self.rows(|db| {
            let sum = "SELECT coalesce(sum(requests), 0) FROM usage_hours WHERE outcome = 'answered'";
            db.query_row(sum, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
        })
    }
}
