//! Files that only their owner may read, from the first byte.

use std::fs;
use std::path::Path;

/// SQLite gives the -wal and -shm files the mode of the database itself.
pub(super) fn make_private(folder: &Path, file: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    make_private_file(file)
}

/// Makes the file where it is missing, and lets its owner alone read it before anything more is in it:
/// one of an earlier version may be there, with the mode that was usual then.
pub(super) fn make_private_file(file: &Path) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = options.open(file)?;
    #[cfg(unix)]
    opened.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    drop(opened);
    Ok(())
}
