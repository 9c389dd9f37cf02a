//! Builds for people: a first build counts which code its calls run, a second one is laid out by
//! these counts (profile-guided optimisation, the rustc book). The counts can't be kept in the
//! repository: they belong to one compiler and one place of the sources.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::app::{PROGRAMS, build_ui, cargo, program, target};
use crate::steps::{must, say};
use crate::{load, packages};

/// Seconds of calls that are counted.
const SECONDS: u64 = 8;

/// Builds the app and the command to give to people.
pub fn run() -> Result<()> {
    packages::ensure(packages::For::Build)?;
    build_ui()?;
    let folder = build(&PROGRAMS)?;
    for name in ["atthene-settings", "atthene"] {
        println!("{}", program(&folder, name).display());
    }
    Ok(())
}

/// Builds the command alone.
pub fn build_command() -> Result<PathBuf> {
    Ok(program(&build(&["--locked", "--package", "atthene-cli"])?, "atthene"))
}

/// Builds what `selection` names, the command among it; returns the folder of the programs.
fn build(selection: &[&str]) -> Result<PathBuf> {
    packages::ensure(packages::For::Tuning)?;
    let Some(merger) = merger()? else {
        say("a plain build: the calls that it is to be fast at can't be counted here");
        must(cargo().args(["build", "--release"]).args(selection))?;
        return Ok(target().join("release"));
    };
    let host = rustc(&["--print", "host-tuple"])?;
    let folder = target().join("tuned");
    let (counting, counts, profile) = (folder.join("counting"), folder.join("counts"), folder.join("profile"));
    // Compiled for a named target, so that build scripts are not counted.
    let compile = |into: &Path, flag: String| {
        let mut cargo = cargo();
        cargo.args(["build", "--release", "--target", &host, "--target-dir"]).arg(into).args(selection);
        must(cargo.env("CARGO_ENCODED_RUSTFLAGS", flag))
    };
    say("building with counters inside");
    compile(&counting, format!("-Cprofile-generate={}", counts.display()))?;
    if counts.exists() {
        std::fs::remove_dir_all(&counts)?;
    }
    say(&format!("answering calls for {SECONDS} s"));
    answer_calls(&program(&counting.join(&host).join("release"), "atthene"))?;
    must(Command::new(merger).args(["merge", "--output"]).arg(&profile).arg(&counts))?;
    say("building for these calls");
    compile(&folder, format!("-Cprofile-use={}", profile.display()))?;
    Ok(folder.join(host).join("release"))
}

fn answer_calls(atthene: &Path) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let _runtime = load::runtime(dir.path())?;
    let (gateway, key) = load::gateway(atthene, dir.path())?;
    load::wrk(&load::script(dir.path(), &key)?, load::GATEWAY, SECONDS)?;
    // The counts are written as it ends.
    gateway.end()
}

/// The tool that merges counts, of this very compiler; `None` where it or a caller can't be had.
fn merger() -> Result<Option<PathBuf>> {
    let runs = |program: &str| Command::new(program).arg("-v").output().is_ok();
    if !cfg!(target_os = "linux") || !runs("wrk") || !runs("nginx") {
        return Ok(None);
    }
    let libraries = PathBuf::from(rustc(&["--print", "target-libdir"])?);
    let merger = libraries.with_file_name("bin").join("llvm-profdata");
    if !merger.exists() {
        say("installing the compiler's llvm-tools");
        // A Rust that rustup did not install has none to give.
        let _ = Command::new("rustup").args(["component", "add", "llvm-tools"]).status();
    }
    Ok(Some(merger).filter(|merger| merger.exists()))
}

fn rustc(arguments: &[&str]) -> Result<String> {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = Command::new(program).args(arguments).output().context("rustc")?;
    Ok(String::from_utf8(told.stdout)?.trim().to_owned())
}
