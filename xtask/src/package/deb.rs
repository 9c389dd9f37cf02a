//! The package for Debian and Ubuntu.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::stage::Stage;
use super::tools::{DESCRIPTION, MAINTAINER, NAME, SUMMARY, run_for, version, write};
use crate::steps::must;

pub fn make(stage: &Stage, out: &Path) -> Result<PathBuf> {
    let architecture = run_for(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned();
    let package = out.join(format!("{NAME}_{}_{architecture}.deb", version()?));
    let tree = tempfile::tempdir()?;
    let tree = tree.path().join(NAME);
    must(Command::new("cp").arg("-a").arg(stage.root()).arg(&tree))?;
    write(&tree.join("DEBIAN/control"), control(&tree, &architecture)?)?;
    let sums = run_for(
        Command::new("sh").args(["-c", "find usr -type f -print0 | sort -z | xargs -0 md5sum"]).current_dir(&tree),
    )?;
    write(&tree.join("DEBIAN/md5sums"), sums)?;
    must(Command::new("dpkg-deb").args(["--build", "--root-owner-group", "-Zxz"]).arg(&tree).arg(&package))?;
    Ok(package)
}

fn control(tree: &Path, architecture: &str) -> Result<String> {
    let size = run_for(Command::new("du").args(["-sk", "usr"]).current_dir(tree))?;
    let size = size.split_whitespace().next().context("no size")?.to_owned();
    Ok(format!(
        "Package: {NAME}\nVersion: {}\nArchitecture: {architecture}\nMaintainer: {MAINTAINER}\nInstalled-Size: {size}\n\
         Depends: {}, xdg-utils\nRecommends: gnome-keyring | secret-service\nSection: net\nPriority: optional\n\
         Description: {SUMMARY}\n{}",
        version()?,
        libraries(tree)?,
        wrapped(DESCRIPTION)
    ))
}

/// The packages of the libraries that both programs are linked with, with the versions that they need.
fn libraries(tree: &Path) -> Result<String> {
    // It wants to be in the folder of a source package.
    let source = tempfile::tempdir()?;
    write(&source.path().join("debian/control"), format!("Source: {NAME}\n\nPackage: {NAME}\nArchitecture: any\n"))?;
    let programs = ["usr/bin/atthene", "usr/bin/atthene-settings"].map(|path| tree.join(path));
    let told = run_for(Command::new("dpkg-shlibdeps").arg("-O").args(programs).current_dir(source.path()))?;
    let depends = told.lines().find_map(|line| line.strip_prefix("shlibs:Depends=")).context("no libraries")?;
    Ok(depends.to_owned())
}

/// Lines of at most 78 characters, each with the space that continues a field.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].len() + word.len() > 77 {
            lines.push(String::new());
        }
        let last = lines.len() - 1;
        lines[last] = format!("{} {word}", lines[last]);
    }
    lines.join("\n") + "\n"
}
