//! One machine of a test: home, data folder, clock.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio::process::Command;

/// A home and a data folder that live as long as the test.
pub struct Machine {
    home: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Machine {
    /// A fresh one.
    pub fn new() -> Result<Self> {
        Ok(Self { home: tempfile::tempdir()?, variables: Vec::new() })
    }

    /// The home folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The data folder of the app on it.
    pub fn data_dir(&self) -> PathBuf {
        self.home().join("data")
    }

    /// What the app and its driver wrote to standard error.
    pub fn log(&self) -> PathBuf {
        self.home().join("stderr.log")
    }

    /// Whether any file on this machine holds the text: database, log, whatever else.
    pub fn any_file_holds(&self, text: &str) -> Result<Option<PathBuf>> {
        let mut folders = vec![self.home().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                // The keychain's own file is where secrets belong; it is encrypted all the same.
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else if entry.file_type()?.is_file()
                    && std::fs::read(entry.path())?.windows(text.len()).any(|part| part == text.as_bytes())
                {
                    return Ok(Some(entry.path()));
                }
            }
        }
        Ok(None)
    }

    /// Whether the text stands in the command line or the environment of the running app or service.
    pub fn processes_show(text: &str) -> Result<bool> {
        let ours = ["atthene-settings", "atthene", "WebKitWebProcess"];
        let shown = std::fs::read_dir("/proc")?.flatten().filter(|entry| {
            std::fs::read_link(entry.path().join("exe")).is_ok_and(|exe| ours.iter().any(|name| exe.ends_with(name)))
        });
        Ok(shown.flat_map(|entry| ["cmdline", "environ"].map(|file| entry.path().join(file))).any(|file| {
            std::fs::read(file).is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
        }))
    }

    /// Sets a variable for every window opened from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Moves the clock of every program started from now on, such as `+31d`.
    pub fn shift_clock(&mut self, by: &str) {
        self.set("LD_PRELOAD", "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1");
        self.set("FAKETIME", by);
        // Timers must go on: only the wall clock is moved.
        self.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }

    /// A command that runs on this machine.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("HOME", self.home())
            .env("ATTHENE_DATA_DIR", self.data_dir())
            .env_remove("XDG_DATA_HOME")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .kill_on_drop(true);
        command
    }

    /// The binary under test.
    pub fn app() -> Result<PathBuf> {
        std::env::var_os("ATTHENE_APP")
            .map(PathBuf::from)
            .context("ATTHENE_APP names no app; run `cargo xtask test --only e2e`")
    }
}
