//! Who this build is: identifier, deep-link scheme, keychain service, data folder.

use std::path::{Path, PathBuf};

use blake2::{Blake2s256, Digest};

use crate::hex::hex;

/// The name people see.
pub const PRODUCT_NAME: &str = "ATTHENE Settings";

/// Bundle identifier and deep-link scheme (a reverse domain name, RFC 8252 §7.1).
///
/// A development build has its own, so that it never touches the secrets or the
/// data of an installed one.
pub const IDENTIFIER: &str = if cfg!(debug_assertions) { "com.atthene.settings.dev" } else { "com.atthene.settings" };

/// Overrides the data folder: for tests and side-by-side profiles.
pub const DATA_DIR_VARIABLE: &str = "ATTHENE_DATA_DIR";

/// One data folder and the keychain service that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    data_dir: PathBuf,
    overridden: bool,
}

impl Profile {
    /// The profile of this start: [`DATA_DIR_VARIABLE`] or the platform's own data folder.
    /// `None` where the platform names no home folder.
    pub fn from_environment() -> Option<Self> {
        match std::env::var_os(DATA_DIR_VARIABLE).filter(|value| !value.is_empty()) {
            Some(dir) => Some(Self::at(dir)),
            None => Self::usual().map(|data_dir| Self { data_dir, overridden: false }),
        }
    }

    /// The platform's own data folder.
    fn usual() -> Option<PathBuf> {
        directories::BaseDirs::new().map(|dirs| dirs.data_local_dir().join(IDENTIFIER))
    }

    /// A side-by-side profile in the given folder.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        let data_dir = std::path::absolute(&dir).unwrap_or(dir);
        // The account's own folder, named outright, is the same profile.
        let usual = Self::usual().is_some_and(|usual| where_it_is(&usual) == where_it_is(&data_dir));
        Self { data_dir, overridden: !usual }
    }

    /// The folder that holds the database.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Tells this data folder apart from others, however its path was written.
    pub fn folder_id(&self) -> String {
        hash(&where_it_is(&self.data_dir))
    }

    /// The service name under which this profile's secrets lie in the keychain.
    pub fn keychain_service(&self) -> String {
        if !self.overridden {
            return IDENTIFIER.to_owned();
        }
        format!("{IDENTIFIER} ({})", self.folder_id())
    }
}

/// The path without links and dots, also of a folder that is not there yet.
fn where_it_is(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match there {
        // An empty rest would add a slash.
        Some((above, found)) => {
            let rest = path.strip_prefix(above).into_iter().flatten();
            // Nothing of the rest is there, so no link is among it: two dots lead back by name.
            rest.fold(found, |mut found, name| {
                if name == ".." {
                    found.pop();
                } else {
                    found.push(name);
                }
                found
            })
        }
        None => path.to_owned(),
    }
}

/// The first eight bytes of BLAKE2s-256 (RFC 7693) over the path as text. Secrets are found by it for as
/// long as the profile lives, so it has a specification.
fn hash(path: &Path) -> String {
    hex(&Blake2s256::digest(path.to_string_lossy().as_bytes())[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_never_share_a_keychain_service() {
        let (a, b) = (Profile::at("/data/a"), Profile::at("/data/b"));
        assert_ne!(a.keychain_service(), b.keychain_service());
        assert_eq!(a.keychain_service(), Profile::at("/data/a").keychain_service());
        assert_ne!(a.keychain_service(), IDENTIFIER);
    }

    #[test]
    fn s22_the_name_of_a_folder_follows_its_specification() {
        // printf /data/a | b2sum of the reference implementation, blake2s, cut.
        assert_eq!(hash(Path::new("/data/a")), "6f86f7bb0c79a72e");
    }

    #[test]
    fn k5_the_usual_folder_named_outright_is_the_same_profile() {
        let Some(usual) = Profile::usual() else { return };
        assert_eq!(Profile::at(&usual).keychain_service(), IDENTIFIER);
        assert_eq!(Profile::at(usual.join("..").join(IDENTIFIER)).keychain_service(), IDENTIFIER);
        assert_ne!(Profile::at(usual.join("other")).keychain_service(), IDENTIFIER);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_is_known_by_where_it_is_before_and_after_it_was_made() {
        let dir = tempfile::tempdir().expect("a folder");
        let real = dir.path().join("real");
        std::fs::create_dir(&real).expect("made");
        std::os::unix::fs::symlink(&real, dir.path().join("link")).expect("linked");
        let (by_link, by_path) = (Profile::at(dir.path().join("link/data")), Profile::at(real.join("data")));
        let before = by_link.keychain_service();
        assert_eq!(before, by_path.keychain_service());
        assert_eq!(Profile::at(real.join("missing/../data")).keychain_service(), before);
        std::fs::create_dir(real.join("data")).expect("made");
        assert_eq!(by_link.keychain_service(), before);
        assert_eq!(Profile::at(real.join("../real/data")).folder_id(), by_path.folder_id());
    }
}
