//! A PostgreSQL server of our own, for tests: in a folder that goes with it, whatever else runs on the machine.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::steps::must;

/// Runs until it is dropped.
pub struct Cluster {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
}

impl Cluster {
    /// With room for all tests.
    pub fn start() -> Result<Self> {
        Self::for_connections(300)
    }

    /// With room for so many connections.
    pub fn for_connections(most: u32) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("atthene-postgres").tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let cluster = Self { folder, programs: programs()?, port };
        if is_root() {
            must(Command::new("chown").arg("postgres").arg(cluster.folder.path()))?;
        }
        let encoding = ["--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", "--username=postgres"];
        must(cluster.program("initdb").args(encoding).arg("--pgdata").arg(cluster.data()).stdout(Stdio::null()))?;
        // It writes to the disk as it does at work: what a crash leaves is a part of the tests.
        let settings = format!("-c max_connections={most} -c track_commit_timestamp=on");
        let options = format!("-p {port} -k '' -c listen_addresses=127.0.0.1 {settings}");
        must(cluster.control("start").args(["--wait", "--options", &options]).arg("--log").arg(cluster.log()))?;
        Ok(cluster)
    }

    /// The server, as `ATTHENE_TEST_POSTGRES` names it.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
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
        let _ = self.control("stop").arg("--mode=immediate").status();
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
