//! Puts a new key into a `.env` file, for those who would rather not use the clipboard.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use ts_rs::TS;

use super::KeyText;
use crate::error::Error;

/// The variable that holds the key.
const VARIABLE: &str = "ATTHENE_API_KEY";
/// Larger than any .env file written by a person; a bigger one is a mistake.
const LARGEST: u64 = 1024 * 1024;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct EnvFileWritten {
    /// The file that holds the key now.
    #[ts(type = "string")]
    pub path: PathBuf,
    /// The .gitignore that was made to name it; `None` outside a git tree or where it was named before.
    #[ts(type = "string | null")]
    pub ignored_in: Option<PathBuf>,
}

/// Sets `ATTHENE_API_KEY` in the file, keeping every other line, readable by its owner only.
///
/// In a git tree the file is added to `.gitignore` first, so that at no moment an
/// unignored file holds the key. The file is replaced whole, never half-written.
pub fn write_env_file(path: &Path, text: &KeyText) -> Result<EnvFileWritten, Error> {
    let path = expand_home(path);
    let fail = |reason: String| Error::EnvFile { path: path.clone(), reason };
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err(fail("this is not the path of a file".into()));
    };
    if !path.is_absolute() {
        return Err(fail("the path must start at the root or at ~".into()));
    }
    if !folder.is_dir() {
        return Err(fail(format!("there is no folder {}", folder.display())));
    }
    let kept = match fs::symlink_metadata(&path) {
        Ok(meta) if !meta.is_file() => return Err(fail("there is something else than a plain file".into())),
        Ok(meta) if meta.len() > LARGEST => return Err(fail("the file is larger than 1 MiB".into())),
        Ok(_) => fs::read_to_string(&path).map_err(|error| fail(error.to_string()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(fail(error.to_string())),
    };
    let ignored_in = ignore(folder, name).map_err(|error| fail(format!(".gitignore: {error}")))?;
    replace(folder, &path, &with_key(&kept, text)).map_err(|error| fail(error.to_string()))?;
    Ok(EnvFileWritten { path, ignored_in })
}

fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), directories::BaseDirs::new()) {
        (Ok(rest), Some(dirs)) => dirs.home_dir().join(rest),
        _ => path.to_owned(),
    }
}

fn with_key(kept: &str, text: &KeyText) -> secrecy::SecretString {
    let sets_key = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line);
        line.strip_prefix(VARIABLE).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let mut lines: Vec<&str> = kept.lines().collect();
    let at = lines.iter().position(|line| sets_key(line)).unwrap_or(lines.len());
    lines.retain(|line| !sets_key(line));
    let at = at.min(lines.len());
    let mut out = String::with_capacity(kept.len() + 128);
    for line in &lines[..at] {
        out.push_str(line);
        out.push('\n');
    }
    out.push_str(VARIABLE);
    out.push('=');
    out.push_str(text.expose());
    out.push('\n');
    for line in &lines[at..] {
        out.push_str(line);
        out.push('\n');
    }
    out.into()
}

fn replace(folder: &Path, path: &Path, content: &secrecy::SecretString) -> std::io::Result<()> {
    use secrecy::ExposeSecret;
    // tempfile creates it with mode 600 on Unix; a rename keeps that.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content.expose_secret().as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Makes git ignore `name` in `folder`, where `folder` lies in a git tree.
fn ignore(folder: &Path, name: &str) -> std::io::Result<Option<PathBuf>> {
    let Some(root) = folder.ancestors().find(|dir| dir.join(".git").exists()) else { return Ok(None) };
    let anchored = format!("/{name}");
    let names_it = |file: &Path| {
        fs::read_to_string(file).is_ok_and(|text| {
            text.lines()
                .map(str::trim_end)
                .any(|line| line == name || (line == anchored && file.parent() == Some(folder)))
        })
    };
    if folder.ancestors().take_while(|dir| dir.starts_with(root)).any(|dir| names_it(&dir.join(".gitignore"))) {
        return Ok(None);
    }
    let file = folder.join(".gitignore");
    let before = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    fs::OpenOptions::new().create(true).append(true).open(&file)?.write_all(format!("{gap}{anchored}\n").as_bytes())?;
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generate() -> KeyText {
        KeyText::generate(&crate::profile_secret::ProfileSecret::from_row([7; 32]))
    }

    #[test]
    fn the_key_replaces_the_old_one_and_every_other_line_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(".env");
        fs::write(&path, "A=1\nexport ATTHENE_API_KEY = old\n# note\nATTHENE_API_KEY_2=x\n").expect("written");
        let key = generate();
        let written = write_env_file(&path, &key).expect("written");
        assert_eq!(written, EnvFileWritten { path: path.clone(), ignored_in: None });
        let text = fs::read_to_string(&path).expect("read");
        assert_eq!(text, format!("A=1\nATTHENE_API_KEY={}\n# note\nATTHENE_API_KEY_2=x\n", key.expose()));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_only_even_if_it_was_open_to_all_before() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(".env");
        fs::write(&path, "A=1").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
        write_env_file(&path, &generate()).expect("written");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn in_a_git_tree_the_file_is_ignored_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let sub = dir.path().join("service");
        fs::create_dir_all(dir.path().join(".git")).expect("made");
        fs::create_dir_all(&sub).expect("made");
        fs::write(sub.join(".gitignore"), "dist").expect("written");
        let path = sub.join(".env");
        let first = write_env_file(&path, &generate()).expect("written");
        assert_eq!(first.ignored_in, Some(sub.join(".gitignore")));
        let second = write_env_file(&path, &generate()).expect("written");
        assert_eq!(second.ignored_in, None);
        assert_eq!(fs::read_to_string(sub.join(".gitignore")).expect("read"), "dist\n/.env\n");
    }

    #[test]
    fn what_is_no_plain_file_is_left_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(write_env_file(dir.path(), &generate()).is_err());
        assert!(write_env_file(Path::new("relative/.env"), &generate()).is_err());
        assert!(write_env_file(&dir.path().join("missing/.env"), &generate()).is_err());
        #[cfg(unix)]
        {
            let link = dir.path().join("link");
            std::os::unix::fs::symlink("/etc/hosts", &link).expect("linked");
            assert!(write_env_file(&link, &generate()).is_err());
        }
    }
}
