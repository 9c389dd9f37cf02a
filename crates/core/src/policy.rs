//! What the administrator of the machine has fixed, in one JSON file that only they can write.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::identity::IDENTIFIER;
use crate::policy_owner::is_the_administrators;

/// The policy of this machine. Names of a newer version are left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Policy {
    pub microsoft: MicrosoftPolicy,
    /// Settings that nobody here can change: names and values of [`Settings`](crate::Settings).
    pub settings: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MicrosoftPolicy {
    /// The client ID of the built-in integration, in place of the build's.
    pub client_id: Option<String>,
    /// The tenant of the built-in integration, in place of `common`.
    pub tenant: Option<String>,
    /// Whether the built-in integration is left out.
    pub hide_built_in: bool,
}

impl Policy {
    /// Where it lies.
    pub fn path() -> PathBuf {
        machine_folder().join(IDENTIFIER).join("policy.json")
    }

    /// Reads the policy of this machine. One that can't be read, or that others than the
    /// administrator could have written, is left out and said in the log.
    pub fn read() -> Self {
        let path = Self::path();
        match Self::from_file(&path) {
            Ok(policy) => policy.unwrap_or_default(),
            Err(reason) => {
                tracing::warn!(path = %path.display(), reason, "the policy file is not in force");
                Self::default()
            }
        }
    }

    fn from_file(path: &Path) -> Result<Option<Self>, String> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        is_the_administrators(&file, path)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map(Some).map_err(|error| error.to_string())
    }
}

/// Where the system keeps what holds for all accounts. On Windows the system is asked: an environment
/// variable is its account's own to set.
#[cfg(windows)]
fn machine_folder() -> PathBuf {
    let asked = known_folders::get_known_folder_path(known_folders::KnownFolder::ProgramData);
    asked.unwrap_or_else(|| PathBuf::from(r"C:\ProgramData"))
}

#[cfg(not(windows))]
fn machine_folder() -> PathBuf {
    PathBuf::from(if cfg!(target_os = "macos") { "/Library/Application Support" } else { "/etc" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_and_what_it_does_not_know_is_left_alone() {
        let text = r#"{"microsoft": {"client_id": "11111111-2222-3333-4444-555555555555", "new": 1}, "later": {}}"#;
        let policy: Policy = serde_json::from_str(text).expect("a policy");
        assert_eq!(policy.microsoft.client_id.as_deref(), Some("11111111-2222-3333-4444-555555555555"));
        assert!(!policy.microsoft.hide_built_in);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_write_is_not_in_force() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("policy.json");
        assert_eq!(Policy::from_file(&path), Ok(None));
        std::fs::write(&path, "{}").expect("writes");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).expect("sets");
        assert!(Policy::from_file(&path).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn s10_a_folder_that_others_may_write_is_not_the_administrators_either() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("policy.json");
        std::fs::write(&path, "{}").expect("writes");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("sets");
        let set = |mode: u32| {
            std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).expect("sets");
            Policy::from_file(&path)
        };
        let is_root = std::fs::metadata(&path).is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
        assert_eq!(set(0o755).is_ok(), is_root);
        let refused = set(0o777).expect_err("anybody could put another file there");
        // Of another account than root, the file is refused before the folder is looked at.
        assert!(!is_root || refused.contains("folder"), "{refused}");
    }
}
