//! `cargo xtask test`: everything that CI runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use atthene_test_cluster::Cluster;

use crate::app::{Programs, build, build_ui, cargo, install_npm, install_python, install_ui, npm, root};
use crate::steps::{Count, Steps, counted, counted_by_name, must, say, with_second_try};
use crate::{deny, desktop, package, packages, systems};

#[derive(clap::Args)]
pub struct Arguments {
    /// Only one part.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Where the pictures of the window go.
    #[arg(long, default_value = "target/screenshots")]
    screenshots: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// The Rust crates: format, lints, tests, generated types.
    Unit,
    /// The page: types, lints, component tests.
    Ui,
    /// The real window.
    E2e,
    /// The command and the tests built for Windows, and run under Wine (on Debian; not part of the whole).
    Windows,
    /// The types of the whole app for macOS (on Debian; not part of the whole).
    Macos,
    /// The packages, and the life of the .deb on a fresh Debian (as root on Debian; not part of the whole).
    Packages,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let wants = |part| arguments.only.is_none_or(|only| only == part);
    let elsewhere = [Part::Windows, Part::Macos].into_iter().find(|part| arguments.only == Some(*part));
    if let Some(system) = elsewhere {
        return for_another_system(system);
    }
    if arguments.only == Some(Part::Packages) {
        return the_packages();
    }
    let total = [(Part::Unit, 7), (Part::Ui, 4), (Part::E2e, 2)]
        .iter()
        .filter(|(part, _)| wants(*part))
        .map(|(_, steps)| steps)
        .sum();
    let mut steps = Steps::new(total);
    if wants(Part::Unit) {
        unit(&mut steps);
    }
    if wants(Part::Ui) {
        ui(&mut steps);
    }
    if wants(Part::E2e) {
        end_to_end(&mut steps, arguments);
    }
    end(steps)
}

/// Asked for by name only: it builds everything once more, with another compiler.
fn for_another_system(system: Part) -> Result<()> {
    ensure!(systems::can_build(), "Windows and macOS are built for with Debian's compiler, on x86-64");
    let mut steps = Steps::new(if system == Part::Windows { 2 } else { 1 });
    if system == Part::Windows {
        steps.tests("tests built for Windows, under Wine", systems::windows::test);
        steps.check("types of the window for Windows", systems::windows::check_window);
    } else {
        steps.check("types of the whole app for macOS", systems::macos::check);
    }
    end(steps)
}

/// Asked for by name only: it wants a root folder of its own.
fn the_packages() -> Result<()> {
    let mut steps = Steps::new(3);
    let mut built = None;
    steps.check("release build of the app and the command", || {
        built = Some(build()?);
        Ok(())
    });
    steps.check("the packages, as the systems' own tools see them", || {
        package::walk::look(&built.context("there is no app")?)
    });
    steps.tests("the life of the .deb on a fresh Debian", package::walk::walk);
    end(steps)
}

fn end(steps: Steps) -> Result<()> {
    if steps.close().failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}

fn unit(steps: &mut Steps) {
    // The page is embedded when the shell is compiled, so it is built first.
    steps.check("system packages and the page", || {
        packages::ensure(packages::For::Build)?;
        build_ui()
    });
    steps.check("format of the Rust code", || must(cargo().args(["fmt", "--all", "--check"])));
    steps.check("lints of the Rust code", || {
        must(cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"]))
    });
    steps.check("licences, sources and known holes of what is linked in", deny::check);
    let types_before = types();
    steps.tests("Rust tests", || counted(cargo().args(["test", "--workspace", "--locked", "--no-fail-fast"])));
    steps.tests("Rust tests of rows and use cases, on PostgreSQL", on_postgres);
    // Running the tests wrote the types anew.
    steps.check("the types that cross to TypeScript are those committed", || {
        ensure!(types_before? == types()?, "ui/src/lib/backend/types was stale; it is fresh now: commit it");
        Ok(())
    });
}

/// The same tests of the use cases once more, and those of hosts that share a database.
fn on_postgres() -> Result<Count> {
    if !cfg!(target_os = "linux") {
        say("left out: a server is installed and started on Linux only");
        return Ok(Count::default());
    }
    packages::ensure(packages::For::Database)?;
    let cluster = Cluster::start()?;
    // Of the whole workspace: what was built for all tests serves here; for two packages alone it is compiled anew.
    let these = ["--workspace", "--test", "use_cases", "--test", "postgres"];
    counted(
        cargo().args(["test", "--locked", "--no-fail-fast"]).args(these).env("ATTHENE_TEST_POSTGRES", cluster.url()),
    )
}

fn types() -> Result<BTreeMap<PathBuf, String>> {
    let folder = root().join("ui/src/lib/backend/types");
    std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .map(|path| {
            let path = path?;
            let text = std::fs::read_to_string(&path)?;
            Ok((path, text))
        })
        .collect()
}

fn ui(steps: &mut Steps) {
    steps.check("packages of the page", install_ui);
    steps.check("types of the page", || must(&mut npm(&["run", "--silent", "check"])));
    steps.check("format and lints of the page", || must(&mut npm(&["run", "--silent", "lint"])));
    steps.tests("component tests", || counted(&mut npm(&["run", "--silent", "test"])));
}

fn end_to_end(steps: &mut Steps, arguments: &Arguments) {
    let mut built = None;
    steps.check("release build of the app and the command", || {
        built = Some(build()?);
        Ok(())
    });
    steps.tests("end-to-end tests in the real window and the shell", || {
        let Some(built) = built else { bail!("there is no app to test") };
        // After all others, they are built already if they are chosen like these.
        let alone = arguments.only == Some(Part::E2e);
        let chosen = if alone { ["--package", "atthene-e2e"] } else { ["--workspace", "--test=*"] };
        real_window(&built, chosen, &root().join(&arguments.screenshots))
    });
}

/// So many tests that failed get a second try, on a desktop of their own: a window manager, a web view's driver and
/// a browser that are not ours take part, and fail by themselves now and then. More than that is a defect.
const SECOND_TRIES: usize = 3;

fn real_window(built: &Programs, chosen: [&str; 2], screenshots: &Path) -> Result<Count> {
    packages::ensure(packages::For::EndToEnd)?;
    packages::ensure(packages::For::Database)?;
    let cluster = Cluster::start()?;
    install_npm("tests/providers")?;
    install_npm("tests/mcp")?;
    let (proxies, schemathesis) = (install_python("proxies")?, install_python("schemathesis")?);
    let (mcp_clients, mcp_langchain) = (install_python("mcp")?, install_python("mcp-langchain")?);
    must(cargo().args(["test", "--locked", "--no-run"]).args(chosen))?;
    // A desktop of its own for each run of them.
    let tests = |only: &[&str]| -> Result<_> {
        let (mut command, _runtime_dir) = desktop::virtual_desktop()?;
        command
            // A window manager, so that closing and raising go the way they go on a desktop.
            .args(["sh", "-c", "openbox & exec \"$@\"", "sh"])
            // A few minutes are enough; whatever hangs must not take the count of the rest with it.
            .args(["timeout", "--kill-after=10", "1800"])
            .arg(cargo().get_program())
            // One window at a time: they share a display, a clipboard and the gateway's port.
            .args(["test", "--locked", "--no-fail-fast"])
            .args(chosen)
            .args(["--", "--ignored", "--test-threads=1"])
            .args(only)
            .env("ATTHENE_APP", &built.app)
            .env("ATTHENE_COMMAND", &built.command)
            .env("ATTHENE_TEST_POSTGRES", cluster.url())
            .env("ATTHENE_MCP_CLIENTS", &mcp_clients)
            .env("ATTHENE_MCP_LANGCHAIN", &mcp_langchain)
            .env("ATTHENE_PROXIES", &proxies)
            .env("ATTHENE_SCHEMATHESIS", schemathesis.join("schemathesis"))
            .env("ATTHENE_SCREENSHOTS", screenshots);
        counted_by_name(&mut command)
    };
    with_second_try(SECOND_TRIES, tests)
}
