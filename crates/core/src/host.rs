//! The machine, or the container, that this data folder belongs to: one of those that share a profile.

use std::io::{self, Read, Write};
use std::path::Path;

use rand::distr::{Alphabetic, SampleString};

use crate::files;

/// Its file in the data folder.
const FILE: &str = "host";
/// Letters in the id: enough that no two of a million hosts are called alike.
const ID_LEN: usize = 10;

/// One of the hosts that share a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Ten letters, drawn once for each data folder.
    id: String,
    /// What people call the machine. Two may be called alike.
    name: String,
}

impl Host {
    /// The host of this data folder, which is called `name` by now. The first who asks draws its id.
    ///
    /// # Errors
    /// With the file's name: it can't be read or written, or holds no id.
    pub fn of(folder: &Path, name: impl Into<String>) -> io::Result<Self> {
        let path = folder.join(FILE);
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        files::make_private_folder(folder)?;
        if !path.exists() {
            draw(folder, &path).map_err(named)?;
        }
        let mut id = String::new();
        std::fs::File::open(&path).and_then(|file| file.take(64).read_to_string(&mut id)).map_err(named)?;
        let id = id.trim().to_owned();
        if id.len() != ID_LEN || !id.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(named(io::Error::other("it holds no id of a host; delete it to get another one")));
        }
        Ok(Self { id, name: name.into() })
    }

    /// Tells it apart.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Puts an id in place whole, where nobody else has meanwhile.
fn draw(folder: &Path, path: &Path) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(Alphabetic.sample_string(&mut rand::rng(), ID_LEN).as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(refused) if refused.error.kind() != io::ErrorKind::AlreadyExists => return Err(refused.error),
        _ => {}
    }
    // What root leaves in the data of an account must not lock that out.
    #[cfg(unix)]
    if rustix::process::geteuid().is_root() {
        use std::os::unix::fs::MetadataExt;
        let above = folder.metadata()?;
        std::os::unix::fs::lchown(path, Some(above.uid()), Some(above.gid()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_id_whatever_the_machine_is_called() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("data");
        let all: Vec<Host> = std::thread::scope(|scope| {
            let open = || Host::of(&folder, "one").expect("is there");
            let all: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            all.into_iter().map(|one| one.join().expect("ends")).collect()
        });
        assert!(all.iter().all(|host| *host == all[0]), "{all:?}");
        let renamed = Host::of(&folder, "two").expect("is there");
        assert_eq!((renamed.id(), renamed.name()), (all[0].id(), "two"));
        assert_ne!(Host::of(dir.path(), "one").expect("is there").id(), renamed.id());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = folder.join(FILE).metadata().expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(folder.join(FILE), "nonsense").expect("written");
        assert!(Host::of(&folder, "two").expect_err("is none").to_string().contains("host"));
    }
}
