//! A disk of limited size, in memory, that a file fills.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Mounted until it is dropped.
pub(super) struct Disk(PathBuf);

impl Disk {
    /// Mounts one of so many MiB at this folder; `None`: nobody may here.
    pub(super) fn mount(at: &Path, mib: u32) -> Result<Option<Self>> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m,mode=0700"), "atthene-test"]).arg(at);
        let done = mount.stderr(Stdio::null()).status().context("mount")?;
        Ok(done.success().then(|| Self(at.to_owned())))
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Writes until there is no room.
    pub(super) fn fill(&self) -> Result<()> {
        let mut ballast = File::options().append(true).create(true).open(self.ballast())?;
        // Whole pages of the disk last: a small write finds no room either.
        for piece in [vec![0; 1 << 20], vec![0; 4096]] {
            loop {
                match ballast.write_all(&piece) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => bail!("the disk can't be filled: {error}"),
                }
            }
        }
        Ok(())
    }

    /// Makes room again.
    pub(super) fn free(&self) -> Result<()> {
        std::fs::remove_file(self.ballast()).context("the ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Also while a process of the server still ends in there.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
