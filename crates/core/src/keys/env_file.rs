//! Puts a new key into a `.env` file, for those who would rather not use the clipboard.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use serde::Serialize;
use ts_rs::TS;

use super::KeyText;
use crate::error::Error;
use crate::files;

/// The variable that holds the key.
const VARIABLE: &str = "ATTHENE_API_KEY";
/// Larger than any .env file written by a person; a bigger one is a mistake.
const LARGEST: u64 = 1024 * 1024;

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
    let ignored_in = ignore(folder, name).map_err(fail)?;
    files::replace(&path, with_key(&kept, text).expose_secret().as_bytes()).map_err(|error| fail(error.to_string()))?;
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

/// Makes git ignore `name` in `folder`, where `folder` lies in a git tree. Git itself says whether it
/// does: a tracked file, or one that a later rule takes back, would be committed all the same.
fn ignore(folder: &Path, name: &str) -> Result<Option<PathBuf>, String> {
    if !folder.ancestors().any(|dir| dir.join(".git").exists()) {
        return Ok(None);
    }
    let failed = |error: std::io::Error| format!(".gitignore: {error}");
    if git(folder, &["ls-files", "--error-unmatch", "--", name]).map_err(no_git)? {
        return Err("git tracks this file, so the key would be committed; run `git rm --cached` on it first".into());
    }
    if is_ignored(folder, name).map_err(no_git)? {
        return Ok(None);
    }
    let file = folder.join(".gitignore");
    let before = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let line = format!("{gap}/{name}\n");
    let mut open = fs::OpenOptions::new().create(true).append(true).open(&file).map_err(failed)?;
    open.write_all(line.as_bytes()).map_err(failed)?;
    if !is_ignored(folder, name).map_err(no_git)? {
        return Err("git would not leave this file out although .gitignore names it; look at its other rules".into());
    }
    Ok(Some(file))
}

fn is_ignored(folder: &Path, name: &str) -> std::io::Result<bool> {
    git(folder, &["check-ignore", "--quiet", "--", name])
}

fn no_git(error: std::io::Error) -> String {
    format!("the folder lies in a git tree, and git can't be asked whether it would commit the file ({error})")
}

/// Whether git says yes. The tree may belong to anybody: nothing that its configuration names is run.
fn git(folder: &Path, question: &[&str]) -> std::io::Result<bool> {
    let answered = std::process::Command::new("git")
        .args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"])
        .args(question)
        .current_dir(folder)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(std::process::Stdio::null())
        .output()?;
    match answered.status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(std::io::Error::other(String::from_utf8_lossy(&answered.stderr).trim().to_owned())),
    }
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

    /// A git tree with these files committed.
    fn git_tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        let run = |arguments: &[&str]| {
            let named = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"];
            let done = std::process::Command::new("git").args(named).args(arguments).current_dir(dir.path()).output();
            assert!(done.expect("git").status.success(), "{arguments:?}");
        };
        run(&["init", "--quiet"]);
        for (name, text) in files {
            let file = dir.path().join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            fs::write(file, text).expect("written");
            run(&["add", "--force", name]);
        }
        if !files.is_empty() {
            run(&["commit", "--quiet", "--message", "files"]);
        }
        dir
    }

    fn is_clean(dir: &Path) -> bool {
        let status = std::process::Command::new("git").args(["status", "--porcelain"]).current_dir(dir).output();
        let text = String::from_utf8(status.expect("git").stdout).expect("text");
        !text.lines().any(|line| line.contains(".env"))
    }

    #[test]
    fn in_a_git_tree_the_file_is_ignored_once() {
        let dir = git_tree(&[("service/.gitignore", "dist")]);
        let sub = dir.path().join("service");
        let path = sub.join(".env");
        let first = write_env_file(&path, &generate()).expect("written");
        assert_eq!(first.ignored_in, Some(sub.join(".gitignore")));
        let second = write_env_file(&path, &generate()).expect("written");
        assert_eq!(second.ignored_in, None);
        assert_eq!(fs::read_to_string(sub.join(".gitignore")).expect("read"), "dist\n/.env\n");
        assert!(is_clean(dir.path()));
    }

    #[test]
    fn s14_what_git_would_commit_all_the_same_is_not_written() {
        let written = |dir: &tempfile::TempDir, name: &str| write_env_file(&dir.path().join(name), &generate());
        let tracked = git_tree(&[(".gitignore", ".env\n"), (".env", "A=1\n")]);
        let refused = written(&tracked, ".env").expect_err("it is tracked");
        assert!(refused.to_string().contains("git tracks this file"), "{refused}");
        assert_eq!(fs::read_to_string(tracked.path().join(".env")).expect("read"), "A=1\n");

        // Taken back by a later line, in the same file and in one below.
        let taken_back = git_tree(&[(".gitignore", ".env\n!.env\n")]);
        assert_eq!(
            written(&taken_back, ".env").expect("a line after it counts").ignored_in,
            Some(taken_back.path().join(".gitignore"))
        );
        assert!(is_clean(taken_back.path()));
        let below = git_tree(&[(".gitignore", ".env\n"), ("service/.gitignore", "!.env\n")]);
        written(&below, "service/.env").expect("a line after it counts");
        assert!(is_clean(below.path()));

        // A pattern that no comparison of lines would find is enough.
        for rule in ["*.env\n", ".e*\n", "**/.env\n", ".env*\n"] {
            let tree = git_tree(&[(".gitignore", rule)]);
            assert_eq!(written(&tree, ".env").expect("written").ignored_in, None, "{rule}");
            assert!(is_clean(tree.path()));
        }
        // The other way round: the line of another file.
        let other = git_tree(&[(".gitignore", "# .env\n.env.example\n")]);
        assert!(written(&other, ".env").expect("written").ignored_in.is_some());
        assert!(is_clean(other.path()));
    }

    #[test]
    fn s14_where_git_can_not_say_nothing_is_written() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(dir.path().join(".git")).expect("made");
        let refused = write_env_file(&dir.path().join(".env"), &generate()).expect_err("no answer");
        assert!(refused.to_string().contains("git can't be asked"), "{refused}");
        assert!(!dir.path().join(".env").exists());
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
