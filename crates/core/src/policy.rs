//! What the administrator of the machine has fixed, in one JSON file that only they can write.

use std::borrow::Cow;
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
    /// Why the file is not in force, where there is one.
    #[serde(skip)]
    pub trouble: Option<String>,
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
    /// administrator could have written, is not in force, and says why.
    pub fn read() -> Self {
        let path = Self::path();
        match Self::from_file(&path) {
            Ok(policy) => policy.unwrap_or_default(),
            Err(reason) => {
                tracing::warn!(path = %path.display(), reason, "the policy file is not in force");
                Self { trouble: Some(format!("{}: {reason}", path.display())), ..Self::default() }
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
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        Self::from_bytes(&bytes).map(Some)
    }

    /// Reads the text of a policy file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let text = text_of(bytes)?;
        if text.trim().is_empty() {
            return Err("it is empty".into());
        }
        let fields: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&text).map_err(|error| format!("it is no JSON object ({error})"))?;
        serde_json::from_value(fields.into()).map_err(|error| error.to_string())
    }
}

/// The text of a file as editors write it: UTF-8, with a byte order mark or without, or UTF-16 with one.
fn text_of(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let wide = |pair: fn([u8; 2]) -> u16, bytes: &[u8]| {
        let (pairs, rest) = bytes.as_chunks();
        let text = char::decode_utf16(pairs.iter().map(|two| pair(*two))).collect::<Result<String, _>>();
        text.ok().filter(|_| rest.is_empty()).map(Cow::Owned).ok_or_else(|| "it is no UTF-16".to_owned())
    };
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => str::from_utf8(rest).map(Cow::Borrowed).map_err(|error| error.to_string()),
        [0xff, 0xfe, rest @ ..] => wide(u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => wide(u16::from_be_bytes, rest),
        bytes => str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| error.to_string()),
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

    #[test]
    fn k8_a_policy_is_read_as_editors_write_it_and_else_says_why_not() {
        let text = r#"{"settings": {"notifications": false}}"#;
        let wide = |order: fn(u16) -> [u8; 2]| {
            std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(order).collect::<Vec<u8>>()
        };
        let marked = [&b"\xef\xbb\xbf"[..], text.as_bytes()].concat();
        for bytes in [text.as_bytes().to_vec(), marked, wide(u16::to_le_bytes), wide(u16::to_be_bytes)] {
            let policy = Policy::from_bytes(&bytes).expect("a policy");
            assert_eq!(policy.settings["notifications"], false);
        }
        for (bytes, why) in [
            (&b""[..], "empty"),
            (b"  \n", "empty"),
            (b"\xff\xfe", "empty"),
            (b"\xff\xfe{", "UTF-16"),
            (b"{\"settings\": {},}", "JSON"),
            (b"// by IT\n{}", "JSON"),
            (b"[]", "JSON"),
            (b"\x80", "utf-8"),
        ] {
            let refused = Policy::from_bytes(bytes).expect_err("can't be read");
            assert!(refused.contains(why), "{bytes:?}: {refused}");
        }
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
