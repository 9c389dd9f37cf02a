//! The processes of a server, by what they call themselves.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::commands::must;

/// One of its processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// One that a client is connected to.
    Backend,
    /// The one that brings changes to the tables' files.
    Checkpointer,
    /// The one that writes the log ahead.
    LogWriter,
}

impl Victim {
    fn is_it(self, title: &str) -> bool {
        match self {
            // postgres: USER DATABASE ADDRESS STATE
            Self::Backend => title.starts_with("postgres: postgres "),
            Self::Checkpointer => title.starts_with("postgres: checkpointer"),
            Self::LogWriter => title.starts_with("postgres: walwriter"),
        }
    }
}

/// Kills the first one; while the server recovers there may be none, which is no error.
pub(super) fn kill(data: &Path, victim: Victim) -> Result<()> {
    let pid_file = fs::read_to_string(data.join("postmaster.pid")).context("the server does not run")?;
    let server = pid_file.lines().next().context("postmaster.pid is empty")?.to_owned();
    let children = fs::read_dir("/proc")?.flatten().filter(|entry| parent(&entry.path()).as_ref() == Some(&server));
    let found = children
        .filter(|entry| {
            fs::read(entry.path().join("cmdline")).is_ok_and(|title| victim.is_it(&String::from_utf8_lossy(&title)))
        })
        .find_map(|entry| entry.file_name().into_string().ok());
    found.map_or(Ok(()), |process| must(Command::new("kill").args(["-KILL", &process])))
}

fn parent(process: &Path) -> Option<String> {
    let status = fs::read_to_string(process.join("status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")).map(|parent| parent.trim().to_owned())
}
