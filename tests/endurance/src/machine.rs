//! One data folder with an encrypted vault, and the command on it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use atthene_test_support::authority::CLIENT_ID;
use atthene_test_support::strict_authority::{self, StrictAuthority};
use rusqlite::Connection;

/// Access lives so long, in seconds: each connection is renewed every second or so.
pub(crate) const LIVES: u64 = 2;

pub(crate) struct Machine {
    dir: tempfile::TempDir,
    program: PathBuf,
    pub(crate) port: u16,
}

impl Machine {
    pub(crate) fn new() -> Result<Self> {
        let program = std::env::var_os("ATTHENE_COMMAND").context("ATTHENE_COMMAND names no command")?.into();
        let dir = tempfile::tempdir()?;
        let passphrase = dir.path().join("passphrase");
        std::fs::write(&passphrase, "not a real passphrase\n")?;
        std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600))?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let machine = Self { dir, program, port };
        machine.run(&["config", "set", "gateway_port", &port.to_string()])?;
        machine.run(&["config", "set", "vault", "file"])?;
        Ok(machine)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
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
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String> {
        let done = self.command(arguments).output()?;
        ensure!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr).trim());
        Ok(String::from_utf8(done.stdout)?.trim().to_owned())
    }

    pub(crate) fn add_integration(&self, at: &StrictAuthority, graph: &str) -> Result<()> {
        let issuer = &at.authority.issuer;
        let named = ["--name", "Contoso", "--client-id", CLIENT_ID, "--authority", issuer, "--graph", graph];
        self.run(&[&["integration", "add"], &named[..], &["--scopes", "Mail.Read"]].concat())?;
        Ok(())
    }

    pub(crate) fn key(&self) -> Result<String> {
        self.run(&["key", "create", "--name", "endurance", "--expires", "30d", "--yes"])
    }

    /// Signs this account in, as a browser would; tells the connection.
    pub(crate) fn sign_in(&self, account: &str) -> Result<String> {
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
    pub(crate) fn serve(&self) -> Result<Child> {
        let mut child = self.command(&["-q", "serve"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut address = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut address)?;
        ensure!(!address.is_empty(), "it ended before it served");
        std::io::stdout().flush()?;
        Ok(child)
    }

    /// Looks into the rows beside everything else.
    pub(crate) fn rows<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let path: &Path = &self.data().join("atthene.db");
        let db = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.busy_timeout(std::time::Duration::from_secs(5))?;
        Ok(read(&db)?)
    }

    /// Answered calls that are on the disk.
    pub(crate) fn counted(&self) -> Result<u64> {
        self.rows(|db| {
            let sum = "SELECT coalesce(sum(requests), 0) FROM usage_hours WHERE outcome = 'answered'";
            db.query_row(sum, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
        })
    }
}
