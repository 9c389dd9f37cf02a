//! Files that only their owner may read, from the first byte.

use std::fs;
use std::path::Path;

use atthene_core::files;

/// SQLite gives the -wal and -shm files the mode of the database itself.
pub(super) fn make_private(folder: &Path, file: &Path) -> std::io::Result<()> {
    files::make_private_folder(folder)?;
    make_private_file(file)
}

/// Makes the file where it is missing, and lets its owner alone read it before anything more is in it:
/// one of an earlier version may be there, with the mode that was usual then.
pub(super) fn make_private_file(file: &Path) -> std::io::Result<()> {
    match files::open_private(file) {
        Ok(opened) => {
            #[cfg(unix)]
            opened.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
            drop(opened);
        }
        // A database may lie elsewhere; whoever laid the link sees to whom that lets in.
        Err(_) if fs::symlink_metadata(file).is_ok_and(|meta| meta.is_symlink()) => {
            fs::OpenOptions::new().append(true).open(file)?;
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
