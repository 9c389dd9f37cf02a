//! What the administrator of the machine has fixed, in one JSON file that only they can write.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::identity::IDENTIFIER;

/// The policy of this machine. Names of a newer version are left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// About Microsoft integrations.
    pub microsoft: MicrosoftPolicy,
    /// Settings that nobody here can change: names and values of [`Settings`](crate::Settings).
    pub settings: serde_json::Map<String, serde_json::Value>,
}

/// About Microsoft integrations.
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
        let folder = if cfg!(target_os = "windows") {
            std::env::var_os("ProgramData").map_or_else(|| PathBuf::from(r"C:\ProgramData"), PathBuf::from)
        } else if cfg!(target_os = "macos") {
            PathBuf::from("/Library/Application Support")
        } else {
            PathBuf::from("/etc")
        };
        folder.join(IDENTIFIER).join("policy.json")
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
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        is_the_administrators(path)?;
        serde_json::from_str(&text).map(Some).map_err(|error| error.to_string())
    }
}

#[cfg(unix)]
fn is_the_administrators(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    const OTHERS_MAY_WRITE: u32 = 0o022;
    let meta = path.metadata().map_err(|error| error.to_string())?;
    if meta.uid() != 0 || meta.mode() & OTHERS_MAY_WRITE != 0 {
        return Err("it must belong to root, and only root may write it".into());
    }
    Ok(())
}

/// Windows: the folder below `ProgramData` is the administrator's by its own access list.
#[cfg(not(unix))]
fn is_the_administrators(_path: &Path) -> Result<(), String> {
    Ok(())
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
}
