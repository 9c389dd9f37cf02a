//! What the programs are made of (CycloneDX 1.5): one list of each program's crates, one of the page's packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::tools::{NAME, run_for, write};
use crate::app::root;
use crate::cargo_tool;
use crate::steps::must;

const VERSION: &str = "0.5.9";
/// The tool writes one file beside the manifest of each package of the workspace.
const WRITTEN: &str = "sbom.cdx";

pub fn make(out: &Path) -> Result<Vec<PathBuf>> {
    let members = run_for(Command::new("git").args(["ls-files", "*Cargo.toml"]).current_dir(root()))?;
    let beside = |manifest: &str| root().join(manifest).with_file_name(format!("{WRITTEN}.json"));
    let written = cargo_tool::call("cargo-cyclonedx", VERSION).and_then(|mut tool| {
        tool.args(["cyclonedx", "--format", "json", "--spec-version", "1.5", "--target", "all"]);
        must(tool.args(["--override-filename", WRITTEN]).current_dir(root()))
    });
    let programs = [("src-tauri/Cargo.toml", NAME), ("crates/cli/Cargo.toml", "atthene")];
    let made: Vec<_> =
        programs.map(|(manifest, program)| (beside(manifest), out.join(format!("{program}.cdx.json")))).into();
    let kept = written.and_then(|()| made.iter().try_for_each(|(from, to)| Ok(std::fs::copy(from, to).map(drop)?)));
    // None of them stays among the sources, whatever became of it.
    members.lines().for_each(|manifest| drop(std::fs::remove_file(beside(manifest))));
    kept?;
    let page = out.join(format!("{NAME}-page.cdx.json"));
    let npm = ["sbom", "--sbom-format", "cyclonedx", "--omit", "dev"];
    write(&page, run_for(Command::new("npm").args(npm).current_dir(root().join("ui")))?)?;
    Ok(made.into_iter().map(|(_, to)| to).chain([page]).collect())
}
