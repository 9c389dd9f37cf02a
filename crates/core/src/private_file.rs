//! Files that hold a secret, and who else may read them.

use std::fs::File;
use std::path::Path;
#[cfg(unix)]
use std::path::PathBuf;

/// Refuses a file that holds a secret, and that another account may read. One that lies in the folder of systemd's credentials, or that root
/// has placed, may be read by a group: an access list for the service's account shows like that (systemd since 254),
/// and so does a secret that is mounted into a container for its group.
#[cfg(unix)]
pub fn refuse_readable_by_others(file: &File, path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    const OTHERS: u32 = 0o037;
    const GROUP_READS: u32 = 0o040;
    let meta = file.metadata()?;
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let was_given = meta.uid() == 0 || credentials.is_some_and(|folder| path.starts_with(folder));
    let may_be_read_by_group = was_given && meta.mode() & 0o222 & !0o200 == 0;
    if meta.mode() & OTHERS == 0 && (meta.mode() & GROUP_READS == 0 || may_be_read_by_group) && !names_another(file) {
        return Ok(());
    }
    Err(std::io::Error::other("other accounts may read it; run chmod 600 on it"))
}

/// Whether an access list lets another account than this one and root read the file (acl(5), as Linux stores it).
#[cfg(target_os = "linux")]
fn names_another(file: &File) -> bool {
    const HEAD: usize = 4;
    const USER: u16 = 2;
    const READ: u16 = 4;
    let mut list = [0; 4096];
    let Ok(length) = rustix::fs::fgetxattr(file, "system.posix_acl_access", &mut list) else { return false };
    let own = rustix::process::geteuid().as_raw();
    let (entries, _) = list.get(HEAD..length).unwrap_or_default().as_chunks::<8>();
    entries.iter().any(|[t0, t1, p0, p1, id @ ..]| {
        let (tag, permissions) = (u16::from_le_bytes([*t0, *t1]), u16::from_le_bytes([*p0, *p1]));
        let account = u32::from_le_bytes(*id);
        tag == USER && permissions & READ != 0 && account != own && account != 0
    })
}

#[cfg(all(unix, not(target_os = "linux")))]
fn names_another(_: &File) -> bool {
    false
}

/// Files of an account are private to it there, unless somebody opened them.
#[cfg(not(unix))]
pub fn refuse_readable_by_others(_: &File, _: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn k7_a_secret_that_root_gives_may_be_read_by_a_group_and_no_other_may() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("secret");
        fs::write(&path, "x").expect("written");
        let is_root = fs::metadata(&path).expect("there").uid() == 0;
        let passes = |mode: u32| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            refuse_readable_by_others(&File::open(&path).expect("opens"), &path).is_ok()
        };
        assert!(passes(0o600) && passes(0o400));
        for open in [0o644, 0o444, 0o660, 0o640 | 0o020, 0o604, 0o601] {
            assert!(!passes(open), "{open:o}");
        }
        assert_eq!(passes(0o440), is_root, "as systemd and Kubernetes give it");
        if is_root {
            // One's own file is one's own to close.
            chown(&path, Some(1234), None).expect("given");
            assert!(!passes(0o440));
        }
    }
}
