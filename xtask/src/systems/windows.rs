//! The command and the tests built for Windows, and run under Wine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{cargo, folder};
use crate::app::{build_ui, root};
use crate::packages;
use crate::steps::{Count, counted_by_name, must, say, with_second_try};

const SYSTEM: &str = "x86_64-pc-windows-gnu";
const WINE: &str = "/usr/lib/wine/wine64";
/// Whose tests run there: all that knows nothing of a window.
const PACKAGES: [&str; 8] = [
    "atthene-core",
    "atthene-store",
    "atthene-vault",
    "atthene-identity",
    "atthene-toolkits",
    "atthene-gateway",
    "atthene-service",
    "atthene-cli",
];

/// What Wine 8 can't do, test by test.
const NOT_UNDER_WINE: [(&str, &str); 7] = [
    ("in_a_git_tree_the_file_is_ignored_once", "there is no git for Windows beside it"),
    ("s14_what_git_would_commit_all_the_same_is_not_written", "there is no git for Windows beside it"),
    ("s1_in_a_thousand_sequences_no_secret_reaches_another_authority", "Wine runs out of files"),
    ("the_calling_program_is_named", "Wine's table of sockets names process 0 for each"),
    ("a_taken_port_is_named_with_its_holder", "the same"),
    ("killed_fifty_times_under_load", "Wine is too slow for the quarter of a second that is promised"),
    ("s7_names_of_refused_callers_are_bounded_over_hours_and_restarts", "minutes of writing, under Wine"),
];

/// So many tests of a program that failed are tried once more, alone: Wine takes a hundred times as long for a
/// connection as the system beneath it, now and then longer than a test waits.
const SECOND_TRIES: usize = 2;

/// A program of tests.
struct Program {
    name: String,
    file: PathBuf,
    /// Where its package is: the folder that cargo runs tests in.
    package: PathBuf,
}

/// Builds the command and the tests, runs each program of tests, and says how each came out.
pub fn test() -> Result<Count> {
    packages::ensure(packages::For::OtherSystems)?;
    let programs = build()?;
    let wine = Wine::new()?;
    for (name, why) in NOT_UNDER_WINE {
        say(&format!("not run under Wine: {name} ({why})"));
    }
    let mut all = Count::default();
    let mut lines = Vec::new();
    for program in &programs {
        say(&format!("under Wine: {}", program.name));
        let count = with_second_try(SECOND_TRIES, |only| {
            let mut run = wine.run(&program.file);
            run.current_dir(&program.package).arg("--test-threads=2");
            for (name, _) in NOT_UNDER_WINE {
                run.args(["--skip", name]);
            }
            counted_by_name(run.args(only))
        })?;
        lines.push(format!("{}: {} passed, {} failed", program.name, count.passed, count.failed));
        all.passed += count.passed;
        all.failed += count.failed;
    }
    say("built for Windows, run under Wine:");
    for line in lines {
        println!("   {line}");
    }
    Ok(all)
}

/// Checks the types of the window's shell. It is not linked, and did not run there.
pub fn check_window() -> Result<()> {
    packages::ensure(packages::For::OtherSystems)?;
    build_ui()?;
    must(cargo("check", SYSTEM).args(["--package", "atthene-settings", "--features", "tauri/custom-protocol"]))
}

fn build() -> Result<Vec<Program>> {
    say("building the command and the tests for Windows");
    let packages = PACKAGES.iter().flat_map(|package| ["--package", package]);
    let mut build = cargo("test", SYSTEM);
    build.args(["--no-run", "--message-format=json-render-diagnostics"]).args(packages).stderr(Stdio::inherit());
    let built = build.output().context("Debian's cargo could not be started")?;
    ensure!(built.status.success(), "the tests do not compile for Windows");
    let mut programs = Vec::new();
    for line in built.stdout.split(|byte| *byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<Value>(line) else { continue };
        let is_test = message["profile"]["test"] == true;
        if let (true, Some(file), Some(manifest)) =
            (is_test, message["executable"].as_str(), message["manifest_path"].as_str())
        {
            let package = Path::new(manifest).parent().unwrap_or(Path::new("/")).to_owned();
            let crate_name = package.file_name().unwrap_or_default().display().to_string();
            let target = message["target"]["name"].as_str().unwrap_or_default().to_owned();
            programs.push(Program { name: format!("{crate_name}/{target}"), file: file.into(), package });
        }
    }
    programs.sort_by(|one, other| one.name.cmp(&other.name));
    ensure!(!programs.is_empty(), "there are no tests");
    Ok(programs)
}

/// A Windows of its own, with nothing of the person's in it.
struct Wine {
    prefix: PathBuf,
}

impl Wine {
    fn new() -> Result<Self> {
        let wine = Self { prefix: folder().join("wine") };
        if !wine.prefix.join("system.reg").exists() {
            say("making a prefix for Wine");
            std::fs::create_dir_all(&wine.prefix)?;
            let mut boot = wine.run(Path::new("wineboot"));
            boot.arg("--init").stdout(Stdio::null()).stderr(Stdio::null());
            must(&mut boot)?;
        }
        wine.add_random_source()?;
        Ok(wine)
    }

    /// Rust's standard library asks `bcryptprimitives.dll` for random bytes, which Wine has since version 9 only.
    fn add_random_source(&self) -> Result<()> {
        let library = self.prefix.join("drive_c/windows/system32/bcryptprimitives.dll");
        must(
            Command::new("x86_64-w64-mingw32-gcc")
                .args(["-shared", "-O1", "-o"])
                .arg(&library)
                .arg(root().join("xtask/src/systems/bcryptprimitives.c"))
                .arg("-ladvapi32"),
        )
    }

    fn run(&self, program: &Path) -> Command {
        let mut run = Command::new(WINE);
        run.arg(program)
            .env("WINEPREFIX", &self.prefix)
            .env("WINEDEBUG", "-all")
            // No browser engine, no .NET, no entries in the menus of this desktop.
            .env("WINEDLLOVERRIDES", "mscoree=;mshtml=;winemenubuilder.exe=")
            // Snapshots are looked for here: cargo can't be asked from within.
            .env("INSTA_WORKSPACE_ROOT", root())
            .env("INSTA_UPDATE", "no")
            // The tests write the types that cross to TypeScript: not among the sources.
            .env("TS_RS_EXPORT_DIR", folder().join("types"))
            .env_remove("DISPLAY");
        run
    }
}
