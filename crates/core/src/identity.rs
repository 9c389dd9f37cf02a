//! Who this build is: identifier, deep-link scheme, keychain service, data folder.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

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
            None => directories::BaseDirs::new()
                .map(|dirs| Self { data_dir: dirs.data_local_dir().join(IDENTIFIER), overridden: false }),
        }
    }

    /// A side-by-side profile in the given folder.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        Self { data_dir: std::path::absolute(&dir).unwrap_or(dir), overridden: true }
    }

    /// The folder that holds the database.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Tells this data folder apart from others, however its path was written. It must exist.
    pub fn folder_id(&self) -> String {
        let path = self.data_dir.canonicalize();
        format!("{:016x}", fixed_hash(path.as_ref().unwrap_or(&self.data_dir)))
    }

    /// The service name under which this profile's secrets lie in the keychain.
    pub fn keychain_service(&self) -> String {
        if !self.overridden {
            return IDENTIFIER.to_owned();
        }
        format!("{IDENTIFIER} ({:08x})", fixed_hash(&self.data_dir) & 0xffff_ffff)
    }
}

/// `DefaultHasher::new()` has fixed keys; the value only tells folders apart.
fn fixed_hash(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
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
}
