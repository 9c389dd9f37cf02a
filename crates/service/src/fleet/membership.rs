//! That a data folder takes part in a shared profile. Nothing in the file is secret.

use std::io::{ErrorKind, Read as _};
use std::path::Path;

use atthene_core::vault::VaultKind;
use atthene_core::{Error, files};
use serde::{Deserialize, Serialize};

/// Its file in the data folder.
const FILE: &str = "fleet.json";
/// Whoever wrote more than this did not write a membership.
const LARGEST: u64 = 16 * 1024;

/// Which shared profile a data folder takes part in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    version: u32,
    /// Where its rows lie, without the password.
    pub url: String,
    /// Its public name.
    pub profile: String,
    /// Where this host keeps the password and the fleet key.
    pub vault: VaultKind,
    /// Whether the window runs a gateway here. A person or a supervisor may at any time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gateway_beside_window: bool,
}

const VERSION: u32 = 1;

impl Membership {
    pub(super) fn new(url: &str, profile: String, vault: VaultKind) -> Self {
        Self { version: VERSION, url: url.to_owned(), profile, vault, gateway_beside_window: false }
    }

    pub(super) fn with_gateway_beside_window(self, runs: bool) -> Self {
        Self { gateway_beside_window: runs, ..self }
    }

    /// The one of this folder. `None`: its rows are its own.
    ///
    /// # Errors
    /// [`Error::FleetFile`]: there is such a file, and it can't be read.
    pub fn of(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(FILE);
        let wrong = |why: String| Error::FleetFile { path: path.clone(), why };
        match std::fs::symlink_metadata(&path).map_err(|error| error.kind()) {
            Ok(_) => {}
            // Where nobody may look into the folder, or it is none, that is told of the rows.
            Err(ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied) => return Ok(None),
            Err(kind) => return Err(wrong(kind.to_string())),
        }
        let read = std::fs::File::open(&path).and_then(|file| std::io::read_to_string(file.take(LARGEST)));
        let text = read.map_err(|error| wrong(error.to_string()))?;
        let found: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if found.version == VERSION {
            Ok(Some(found))
        } else {
            Err(wrong("it is of another version of this app".into()))
        }
    }

    /// From now on this folder takes part.
    pub(super) fn begin(&self, folder: &Path) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(std::io::Error::other)?;
        files::make_private_folder(folder)?;
        files::replace(&folder.join(FILE), &text)
    }

    /// From now on this folder has its own rows again.
    pub(super) fn end(folder: &Path) -> std::io::Result<()> {
        match std::fs::remove_file(folder.join(FILE)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_takes_part_until_it_leaves_and_a_file_that_says_nothing_is_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("data");
        assert_eq!(Membership::of(&folder).expect("reads"), None);
        let one = Membership::new("postgres://ada@db/x", "0123456789abcdef".into(), VaultKind::File);
        one.begin(&folder).expect("begins");
        assert_eq!(Membership::of(&folder).expect("reads"), Some(one.clone()));
        let with = one.with_gateway_beside_window(true);
        with.begin(&folder).expect("replaces it");
        assert_eq!(Membership::of(&folder).expect("reads"), Some(with));
        Membership::end(&folder).expect("ends");
        Membership::end(&folder).expect("has ended before");
        let in_the_way = dir.path().join("file");
        std::fs::write(&in_the_way, "").expect("written");
        assert_eq!(Membership::of(&in_the_way).expect("says nothing of it"), None);
        assert_eq!(Membership::of(&folder).expect("reads"), None);
        for wrong in ["", "{}", r#"{"version":2,"url":"u","profile":"p","vault":"file"}"#] {
            std::fs::write(folder.join(FILE), wrong).expect("written");
            // Falling back to rows of its own would let an old key in.
            assert!(matches!(Membership::of(&folder), Err(Error::FleetFile { .. })), "{wrong}");
        }
    }
}
