//! Builds the page and the app around it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Result, ensure};

use crate::packages;
use crate::steps::{must, say};

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// What cargo builds for people, from the lock file and nothing newer: the app, its page inside, and the `atthene`
/// command. Both at once: each alone has other features of its libraries, and all of these are compiled twice.
pub const PROGRAMS: [&str; 7] =
    ["--locked", "--package", "atthene-settings", "--package", "atthene-cli", "--features", "tauri/custom-protocol"];

/// The file of a release build.
pub fn release(path: &str) -> PathBuf {
    program(&target().join("release"), path)
}

/// The file of a program in this folder.
pub fn program(folder: &Path, path: &str) -> PathBuf {
    folder.join(format!("{path}{}", std::env::consts::EXE_SUFFIX))
}

/// npm in the folder of the page.
pub fn npm(arguments: &[&str]) -> Command {
    npm_in("ui", arguments)
}

fn npm_in(folder: &str, arguments: &[&str]) -> Command {
    let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.args(arguments).current_dir(root().join(folder));
    npm
}

/// Installs the packages of the page from the lock file, where they are not there yet.
pub fn install_ui() -> Result<()> {
    install_npm("ui")
}

/// Installs the packages of a folder from its lock file, where they are not there yet.
pub fn install_npm(folder: &str) -> Result<()> {
    packages::need_node()?;
    let modified = |path: &str| std::fs::metadata(root().join(folder).join(path)).and_then(|meta| meta.modified()).ok();
    if modified("node_modules/.package-lock.json") >= modified("package-lock.json") {
        return Ok(());
    }
    say(&format!("installing the packages of {folder}/ from its lock file"));
    must(&mut npm_in(folder, &["ci", "--no-audit", "--no-fund", "--loglevel=error"]))
}

/// Installs the Python packages of `tests/NAME/requirements.txt`, with these hashes, into a folder of their own;
/// where their programs are.
pub fn install_python(name: &str) -> Result<PathBuf> {
    let wanted = root().join("tests").join(name).join("requirements.txt");
    let folder = target().join(name);
    let (installed, programs) = (folder.join("installed.txt"), folder.join("bin"));
    let is_there = |file: &Path| std::fs::read(file).ok();
    if is_there(&installed).is_some() && is_there(&installed) == is_there(&wanted) {
        return Ok(programs);
    }
    say(&format!("installing the packages of tests/{name}/requirements.txt"));
    must(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    must(
        Command::new(programs.join("pip"))
            .args([
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
                "--require-hashes",
                "--requirement",
            ])
            .arg(&wanted),
    )?;
    std::fs::copy(&wanted, &installed)?;
    Ok(programs)
}

/// Builds the page into `ui/dist`.
pub fn build_ui() -> Result<()> {
    install_ui()?;
    let ui = root().join("ui");
    let sources = ["src", "index.html", "package-lock.json", "vite.config.ts"].map(|path| newest(&ui.join(path)));
    // A page that is built anew makes cargo link the app anew.
    if newest(&ui.join("dist")) > sources.into_iter().max().flatten() {
        return Ok(());
    }
    say("building the page");
    must(&mut npm(&["run", "--silent", "build", "--", "--logLevel=warn"]))
}

/// When anything at or below the path was changed last.
fn newest(path: &Path) -> Option<SystemTime> {
    let own = path.metadata().and_then(|meta| meta.modified()).ok();
    let below = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| newest(&entry.path()));
    below.chain([own]).max().flatten()
}

/// What people get.
pub struct Programs {
    pub app: PathBuf,
    pub command: PathBuf,
}

/// Builds the app and the command as a release.
pub fn build() -> Result<Programs> {
    packages::ensure(packages::For::Build)?;
    build_ui()?;
    say("building the app and the command (ten minutes and more, the first time)");
    must(cargo().args(["build", "--release"]).args(PROGRAMS))?;
    let built = Programs { app: release("atthene-settings"), command: release("atthene") };
    for program in [&built.app, &built.command] {
        ensure!(program.exists(), "{} was not built", program.display());
    }
    Ok(built)
}

/// The cargo that runs this.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
