//! Files that are put in the place of others. A file is more than its content: who owns it, whom its access list lets
//! in, and what else leads to it stay as they were, or nothing is written.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Replaces the file, whole or not at all, readable by its owner and whom its access list names. Through a link, the
/// file that it leads to is replaced. A new file belongs to whom its folder belongs to.
///
/// # Errors
/// With the file's name: it can't be written, or not without changing whose it is.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let before = match fs::symlink_metadata(path) {
        Ok(link) => {
            let found = fs::canonicalize(path).and_then(|target| {
                let meta = fs::metadata(&target)?;
                platform::may_follow(&link, &meta)?;
                Ok((meta, target))
            });
            Some(found.map_err(named)?)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(named(error)),
    };
    let target: PathBuf = before.as_ref().map_or_else(|| path.to_owned(), |(_, target)| target.clone());
    let written = || {
        let folder = folder_of(&target);
        // tempfile creates it with mode 600 on Unix; a rename keeps that.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        match &before {
            Some((meta, _)) => platform::be_like(file.as_file(), meta, &target)?,
            None => belong_to(folder, file.as_file())?,
        }
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(&target)?;
        Ok(())
    };
    written().map_err(named)
}

/// Opens the file for appending, readable by its owner alone where it is made: then it belongs to whom its folder belongs
/// to, since what root leaves in the data of an account must not lock that out. One that is there is left as it is, and no
/// link is followed: the owner of the folder could have laid one.
pub fn open_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.append(true);
    platform::for_owner_alone(&mut options);
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            belong_to(folder_of(path), &file)?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = options.open(path)?;
            if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file")) }
        }
        Err(error) => Err(error),
    }
}

fn belong_to(folder: &Path, file: &File) -> io::Result<()> {
    if platform::is_root() { platform::take_owner(file, &fs::metadata(folder)?) } else { Ok(()) }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the folder where it is missing, for the owner of the one above it alone.
pub fn make_private_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    match folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        Some(above) => platform::take_owner_of_folder(folder, &fs::metadata(above)?),
        None => Ok(()),
    }
}

#[cfg(unix)]
mod platform {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

    use rustix::fs::{Gid, Uid};

    use super::{File, Metadata, Path, fs, io};

    /// Access lists, and the label of `SELinux`, lie in these.
    const KEPT: [&str; 2] = ["system.posix_acl_access", "security.selinux"];
    const LARGEST: usize = 64 * 1024;

    pub(super) fn be_like(file: &File, before: &Metadata, target: &Path) -> io::Result<()> {
        if before.nlink() > 1 {
            return Err(io::Error::other(
                "it has several names (hard links), and would be another file under this one only",
            ));
        }
        take_owner(file, before)?;
        for name in KEPT {
            let mut value = vec![0; LARGEST];
            // None there, or no such thing on this file system.
            let Ok(length) = rustix::fs::getxattr(target, name, &mut value) else { continue };
            let set = rustix::fs::fsetxattr(file, name, &value[..length], rustix::fs::XattrFlags::empty());
            if set.is_err() && name == KEPT[0] {
                return Err(io::Error::other("its access list can't be kept"));
            }
        }
        Ok(())
    }

    pub(super) fn take_owner(file: &File, like: &Metadata) -> io::Result<()> {
        let mine = file.metadata()?;
        if (mine.uid(), mine.gid()) == (like.uid(), like.gid()) {
            return Ok(());
        }
        let changed = rustix::fs::fchown(file, Some(Uid::from_raw(like.uid())), Some(Gid::from_raw(like.gid())));
        // A group that is not ours to give is no loss where the owner is the same: it may read nothing.
        if changed.is_err() && mine.uid() != like.uid() {
            return Err(io::Error::other("it belongs to another account, and only that one or root may write it"));
        }
        Ok(())
    }

    pub(super) fn take_owner_of_folder(folder: &Path, like: &Metadata) -> io::Result<()> {
        let mine = fs::symlink_metadata(folder)?;
        if mine.uid() != like.uid() && is_root() {
            // Not through a link that was laid meanwhile.
            std::os::unix::fs::lchown(folder, Some(like.uid()), Some(like.gid()))?;
        }
        Ok(())
    }

    pub(super) fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    pub(super) fn for_owner_alone(options: &mut fs::OpenOptions) {
        let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        options.mode(0o600).custom_flags(no_link);
    }

    /// Root writes through no link of an account to what is not that account's.
    pub(super) fn may_follow(link: &Metadata, target: &Metadata) -> io::Result<()> {
        let is_anothers = link.uid() != 0 && link.uid() != target.uid();
        if link.is_symlink() && is_anothers && is_root() {
            return Err(io::Error::other("it is a link of one account to a file of another"));
        }
        Ok(())
    }
}

#[cfg(not(unix))]
mod platform {
    use super::{File, Metadata, Path, io};

    /// A replaced file takes on what its folder hands down there.
    #[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
    pub(super) fn be_like(_: &File, _: &Metadata, _: &Path) -> io::Result<()> {
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
    pub(super) fn take_owner(_: &File, _: &Metadata) -> io::Result<()> {
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
    pub(super) fn take_owner_of_folder(_: &Path, _: &Metadata) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn is_root() -> bool {
        false
    }

    pub(super) fn for_owner_alone(_: &mut super::fs::OpenOptions) {}

    #[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
    pub(super) fn may_follow(_: &Metadata, _: &Metadata) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

    use super::*;

    fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    #[test]
    fn k7_a_link_stays_a_link_and_leads_to_the_new_content() {
        let (here, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (link, file) = (here.path().join("vault.age"), elsewhere.path().join("real"));
        fs::write(&file, "old").expect("written");
        symlink(&file, &link).expect("linked");
        replace(&link, b"new").expect("replaces");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read_to_string(&file).expect("read"), "new");
        // A link that leads nowhere is not filled with a secret.
        fs::remove_file(&file).expect("removed");
        assert!(replace(&link, b"new").expect_err("leads nowhere").to_string().contains("vault.age"));
    }

    #[test]
    fn k7_owner_and_group_stay_whoever_writes() {
        if !is_root() {
            return;
        }
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("vault.age");
        fs::write(&file, "old").expect("written");
        chown(&file, Some(1234), Some(1235)).expect("given");
        replace(&file, b"new").expect("replaces");
        let meta = fs::metadata(&file).expect("there");
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o777), (1234, 1235, 0o600));
        // A new one belongs to whom the folder does, and so does a new folder.
        chown(dir.path(), Some(1234), Some(1235)).expect("given");
        replace(&dir.path().join("new"), b"new").expect("writes");
        assert_eq!(fs::metadata(dir.path().join("new")).expect("there").uid(), 1234);
        make_private_folder(&dir.path().join("locks")).expect("made");
        let meta = fs::metadata(dir.path().join("locks")).expect("there");
        assert_eq!((meta.uid(), meta.mode() & 0o777), (1234, 0o700));
    }

    #[test]
    fn k7_root_takes_no_link_for_a_file_of_the_account() {
        let dir = tempfile::tempdir().expect("a folder");
        let (aim, lock) = (dir.path().join("aim"), dir.path().join("lock"));
        fs::write(&aim, "kept").expect("written");
        symlink(&aim, &lock).expect("linked");
        assert!(open_private(&lock).is_err(), "it followed the link");
        let made = open_private(&dir.path().join("made")).expect("made");
        assert_eq!(made.metadata().expect("there").mode() & 0o777, 0o600);
        open_private(&dir.path().join("made")).expect("opened again");
        if is_root() {
            std::os::unix::fs::lchown(&lock, Some(1234), Some(1235)).expect("given");
            assert!(replace(&lock, b"new").expect_err("another's").to_string().contains("another"));
            // The account's own file is written through it.
            chown(&aim, Some(1234), Some(1235)).expect("given");
            replace(&lock, b"new").expect("replaces");
        }
    }

    #[test]
    fn k7_a_file_of_several_names_is_refused_by_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let (file, other) = (dir.path().join(".env"), dir.path().join("other"));
        fs::write(&file, "old").expect("written");
        fs::hard_link(&file, &other).expect("linked");
        let refused = replace(&file, b"new").expect_err("would part them");
        assert!(refused.to_string().contains(".env"), "{refused}");
        assert_eq!(fs::read_to_string(&other).expect("read"), "old");
    }

    #[test]
    fn k7_an_access_list_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("vault.age");
        fs::write(&file, "old").expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
        // Version 2; owner rw, account 1234 r, group none, mask r, others none (acl(5), as Linux stores it).
        let entry = |tag: u16, permissions: u16, id: u32| {
            [tag.to_le_bytes().to_vec(), permissions.to_le_bytes().to_vec(), id.to_le_bytes().to_vec()].concat()
        };
        let list = [
            2_u32.to_le_bytes().to_vec(),
            entry(1, 6, u32::MAX),
            entry(2, 4, 1234),
            entry(4, 0, u32::MAX),
            entry(16, 4, u32::MAX),
            entry(32, 0, u32::MAX),
        ]
        .concat();
        let name = "system.posix_acl_access";
        if rustix::fs::setxattr(&file, name, &list, rustix::fs::XattrFlags::empty()).is_err() {
            // This file system has none.
            return;
        }
        replace(&file, b"new").expect("replaces");
        let mut kept = vec![0; 256];
        let length = rustix::fs::getxattr(&file, name, &mut kept).expect("is still there");
        assert_eq!(&kept[..length], list);
    }
}
