//! Programs of crates.io, built once into the folder of builds.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::app::{cargo, target};
use crate::steps::{must, say};

/// The program, in this version, so that a run says the same everywhere.
pub fn installed(name: &str, version: &str) -> Result<PathBuf> {
    let folder = target().join("tools");
    let program = folder.join("bin").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    // As `cargo install` notes it; not every program tells its version in the same way.
    let installed = cargo().args(["install", "--list", "--root"]).arg(&folder).output();
    let is_there = |list: &str| list.contains(&format!("{name} v{version}:"));
    if program.exists() && installed.is_ok_and(|list| is_there(&String::from_utf8_lossy(&list.stdout))) {
        return Ok(program);
    }
    say(&format!("installing {name} (a minute or two, the first time)"));
    // Unoptimised: it is built for longer than it ever runs.
    let install = ["install", "--quiet", "--debug", "--locked", "--root"];
    must(cargo().args(install).arg(&folder).arg(format!("{name}@{version}")))?;
    Ok(program)
}

/// A call of it.
pub fn call(name: &str, version: &str) -> Result<Command> {
    installed(name, version).map(Command::new)
}
