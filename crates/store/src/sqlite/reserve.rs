//! Room that is kept for the day on which the disk is full: what ends something then (a key, a sign-in, all
//! calls) must not fail for want of a few pages.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::private::make_private_file;

/// A few transactions' worth.
const BYTES: usize = 512 * 1024;
const FILE: &str = "reserve";

pub(super) struct Reserve(PathBuf);

impl Reserve {
    /// Keeps the room in `folder`, where there is any.
    pub(super) fn keep(folder: &Path) -> Self {
        let file = folder.join(FILE);
        let has = file.metadata().is_ok_and(|meta| meta.len() >= BYTES as u64);
        if !has && fill(&file).is_err() {
            // Without it, a full disk is told for what ends something, too.
            let _ = std::fs::remove_file(&file);
        }
        Self(file)
    }

    /// Gives the room away; says whether there was any. It is kept again at the next start of a process.
    pub(super) fn spend(&self) -> bool {
        std::fs::remove_file(&self.0).is_ok()
    }
}

fn fill(file: &Path) -> std::io::Result<()> {
    make_private_file(file)?;
    let mut file = std::fs::OpenOptions::new().write(true).truncate(true).open(file)?;
    // Bytes that take room: a hole takes none.
    file.write_all(&vec![b'.'; BYTES])?;
    file.sync_all()
}
