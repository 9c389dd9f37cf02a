//! What the window looked like when it was left: places and filters that the page keeps, never a secret. A text of the
//! page's own; Rust only bounds it.

use std::path::PathBuf;

use atthene_core::{Error, files};

/// The file in the data folder.
const FILE: &str = "view.json";
/// In bytes; a form that was left is a few KiB.
const LARGEST: usize = 256 * 1024;

pub(crate) struct ViewFile(PathBuf);

impl ViewFile {
    pub(crate) fn of(data_dir: PathBuf) -> Self {
        Self(data_dir.join(FILE))
    }

    /// What was kept last; `None`: nothing, or nothing that can be read.
    pub(crate) fn read(&self) -> Option<String> {
        std::fs::read_to_string(&self.0).ok().filter(|text| text.len() <= LARGEST)
    }

    pub(crate) fn keep(&self, text: &str) -> Result<(), Error> {
        let refused = |reason: String| Error::Internal(format!("the view could not be kept: {reason}"));
        if text.len() > LARGEST || serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
            return Err(refused("it is no short JSON".into()));
        }
        files::replace(&self.0, text.as_bytes()).map_err(|error| refused(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_read_back_and_nothing_else_is_kept() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = ViewFile::of(dir.path().to_owned());
        assert_eq!(file.read(), None);
        file.keep(r#"{"page":"tools"}"#).expect("kept");
        assert!(file.keep("no JSON").is_err());
        assert!(file.keep(&format!("\"{}\"", "x".repeat(LARGEST))).is_err());
        assert_eq!(file.read().as_deref(), Some(r#"{"page":"tools"}"#));
    }
}
