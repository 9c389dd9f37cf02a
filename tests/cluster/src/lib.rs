//! What tests take of a machine. A PostgreSQL server of their own, in a folder that goes with it, whatever else runs here:
//! it can be stopped, killed and started, and its disk filled. And ports. Nothing of the app is in here: the task
//! runner uses it, too.

mod commands;
mod disk;
pub mod ports;
mod processes;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use commands::must;
use disk::Disk;
pub use processes::Victim;

const CONNECTIONS: u32 = 300;

/// Runs until it is dropped.
pub struct Cluster {
    // Dropped in this order: what is mounted lies in the folder.
    disk: Option<Disk>,
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
    options: String,
}

impl Cluster {
    /// A server on the ordinary disk, with room for all tests.
    pub fn start() -> Result<Self> {
        Self::for_connections(CONNECTIONS)
    }

    /// The same, with room for so many connections.
    pub fn for_connections(most: u32) -> Result<Self> {
        Self::make(None, most)
    }

    /// A server whose data lies on a disk of so many MiB, which [`Self::fill`] fills. Where this machine lets nobody
    /// mount one, the data lies on the ordinary disk, and [`Self::can_be_filled`] says so.
    pub fn on_small_disk(mib: u32) -> Result<Self> {
        Self::make(Some(mib), CONNECTIONS)
    }

    fn make(small: Option<u32>, connections: u32) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("atthene-postgres").tempdir()?;
        let port = ports::free();
        // It writes to the disk as it does at work: what a crash leaves is a part of the tests.
        let settings = format!("-c max_connections={connections} -c track_commit_timestamp=on");
        let options = format!("-p {port} -k '' -c listen_addresses=127.0.0.1 {settings}");
        let mut cluster = Self { disk: None, folder, programs: programs()?, port, options };
        std::fs::create_dir(cluster.data())?;
        if let Some(mib) = small {
            cluster.disk = Disk::mount(&cluster.data(), mib)?;
            // Its log needs a new file again and again: a full disk meets it as soon as tables.
            cluster.options.push_str(" -c max_wal_size=8MB -c min_wal_size=2MB");
        }
        if is_root() {
            must(Command::new("chown").arg("--recursive").arg("postgres").arg(cluster.folder.path()))?;
        }
        let mut initdb = cluster.program("initdb");
        initdb.args(["--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", "--username=postgres"]);
        if small.is_some() {
            initdb.arg("--wal-segsize=1");
        }
        must(initdb.arg("--pgdata").arg(cluster.data()).stdout(Stdio::null()))?;
        cluster.start_again()?;
        Ok(cluster)
    }

    /// The server, as `ATTHENE_TEST_POSTGRES` names it.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}", self.port)
    }

    /// Stops it as a crash would: nothing is written any more, and connections break.
    pub fn stop_now(&self) -> Result<()> {
        must(self.control("stop").arg("--mode=immediate"))
    }

    /// Starts it after [`Self::stop_now`], and waits until it lets clients in.
    pub fn start_again(&self) -> Result<()> {
        must(self.control("start").args(["--wait", "--options", &self.options]).arg("--log").arg(self.log()))
            .with_context(|| self.last_lines())
    }

    /// Whether its first process lives: not after a crash from which it could not recover.
    pub fn is_running(&self) -> bool {
        self.control("status").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    /// Kills one of its processes with -9, upon which it ends all connections and recovers as after a crash.
    pub fn kill(&self, victim: Victim) -> Result<()> {
        processes::kill(&self.data(), victim)
    }

    /// Whether its disk is one that [`Self::fill`] fills.
    pub fn can_be_filled(&self) -> bool {
        self.disk.is_some()
    }

    /// Leaves nothing free on its disk.
    pub fn fill(&self) -> Result<()> {
        self.disk.as_ref().context("its disk is the ordinary one")?.fill()
    }

    /// Frees what [`Self::fill`] took.
    pub fn free(&self) -> Result<()> {
        self.disk.as_ref().context("its disk is the ordinary one")?.free()
    }

    /// Runs SQL in one of its databases, as whoever may do anything; the rows, with tabs between their values.
    pub fn sql(&self, database: &str, sql: &str) -> Result<Vec<String>> {
        let asked = self
            .program("psql")
            .args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"])
            .args([
                "--field-separator=\t",
                "--set=ON_ERROR_STOP=1",
                "--command",
                sql,
                &format!("{}/{database}?connect_timeout=30", self.url()),
            ])
            .output()
            .context("psql")?;
        ensure!(asked.status.success(), "{sql}: {}", String::from_utf8_lossy(&asked.stderr).trim());
        Ok(String::from_utf8(asked.stdout)?.lines().map(str::to_owned).collect())
    }

    /// What it wrote to its log.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn last_lines(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(8).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn control(&self, what: &str) -> Command {
        let mut command = self.program("pg_ctl");
        command.args([what, "--silent", "--pgdata"]).arg(self.data());
        command
    }

    /// PostgreSQL refuses to be root.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = Command::new(if is_root() { Path::new("setpriv") } else { &program });
        if is_root() {
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
        }
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Its folder goes right after; nothing of it is kept.
        let _ = self.control("stop").arg("--mode=immediate").stderr(Stdio::null()).status();
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n")
}

/// The folder of the newest PostgreSQL: Debian keeps each version in one of its own, others have one in the path.
fn programs() -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .max()
        .map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")));
    newest
        .or_else(|| Some(PathBuf::from("/usr/bin")))
        .filter(|folder| folder.join("initdb").exists())
        .context("there is no PostgreSQL server on this machine")
}
