//! From the start of the process to the page showing its list, and the memory then, beside
//! an empty window of the same framework and profile.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::arguments::Startup;
use super::figures::{median, write_json};
use crate::app::{build, cargo, release};
use crate::steps::{must, say};
use crate::{desktop, packages};

const ROUNDS: usize = 7;
/// What both programs write to standard error at the moment that counts.
const PAINTED: &str = "the page is painted";
/// Until memory has settled.
const SETTLE: Duration = Duration::from_secs(3);
/// Longer than any step takes.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What the app writes when the service beside it serves.
const LISTENS: &str = "The gateway listens";
/// Set by the empty program without a window.
const READY: &str = "ready without a window";

pub fn run(startup: &Startup) -> Result<()> {
    if startup.inside {
        return measure(startup.output.json.as_deref());
    }
    packages::ensure(packages::For::EndToEnd)?;
    build()?;
    say("building the empty window");
    must(cargo().args(["build", "--release", "--package", "empty-window", "--features", "tauri/custom-protocol"]))?;
    let (mut command, _runtime_dir) = desktop::virtual_desktop()?;
    // A window manager, so that the window can be closed as a person does.
    command.args(["sh", "-c", "openbox & exec \"$@\"", "sh"]);
    command.arg(std::env::current_exe()?).args(["bench", "startup", "--inside"]);
    if let Some(json) = &startup.output.json {
        command.arg("--json").arg(json);
    }
    must(&mut command)
}

fn measure(json: Option<&Path>) -> Result<()> {
    let data = tempfile::tempdir()?;
    keep_running(data.path())?;
    let (app, empty) = (release("atthene-settings"), release("empty-window"));
    let mut all: BTreeMap<&str, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
    for round in 0..=ROUNDS {
        let mut note = |name, figure, value| {
            // The first round only warms the disk cache.
            if round > 0 {
                all.entry(name).or_default().entry(figure).or_default().push(value);
            }
        };
        for (name, program) in [("app", &app), ("empty_window", &empty)] {
            let running = Running::start(program, data.path(), &[])?;
            note(name, "interactive_ms", running.until(PAINTED)?);
            std::thread::sleep(SETTLE);
            note(name, "pss_mb", pss_of_tree(running.child.id())?);
            // The service that the app started is a process of its own.
            end_service()?;
        }
        let running = Running::start(&empty, data.path(), &["--hidden"])?;
        running.until(READY)?;
        std::thread::sleep(SETTLE);
        note("empty_hidden", "pss_mb", pss_of_tree(running.child.id())?);
        drop(running);

        let mut running = Running::start(&app, data.path(), &[])?;
        running.until(LISTENS)?;
        std::thread::sleep(SETTLE);
        let service = service()?.context("the window started no service")?;
        note("service", "pss_with_window_mb", pss_of_tree(service)?);
        must(Command::new("wmctrl").args(["-c", "ATTHENE Settings"]))?;
        running.child.wait()?;
        std::thread::sleep(SETTLE);
        note("service", "pss_mb", pss_of_tree(service)?);
        let again = Running::start(&app, data.path(), &[])?;
        note("service", "window_back_ms", again.until(PAINTED)?);
        drop(again);
        end_service()?;
    }
    let figures: BTreeMap<_, BTreeMap<_, f64>> = all
        .into_iter()
        .map(|(name, figures)| (name, figures.into_iter().map(|(figure, values)| (figure, median(values))).collect()))
        .collect();
    println!();
    for (name, figures) in &figures {
        for (figure, value) in figures {
            println!("{name:14} {figure:>16} {value:>8.0}");
        }
    }
    write_json(json, &figures)
}

/// Makes closing the window leave the app running, as a person chooses it in the preferences.
fn keep_running(data: &Path) -> Result<()> {
    let running = Running::start(&release("atthene-settings"), data, &[])?;
    running.until(LISTENS)?;
    drop(running);
    end_service()?;
    let database = data.join("atthene.db").display().to_string();
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); \
                  db.execute(\"INSERT INTO settings VALUES ('on_close', '\\\"keep_running\\\"')\"); db.commit()";
    must(Command::new("python3").args(["-c", script, &database]))
}

/// The process of the service.
fn service() -> Result<Option<u32>> {
    let program = release("atthene");
    Ok(std::fs::read_dir("/proc")?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        std::fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == program).then_some(pid)
    }))
}

/// Ends the service, and waits until it has.
fn end_service() -> Result<()> {
    while let Some(service) = service()? {
        must(Command::new("kill").args(["-KILL", &service.to_string()]))?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A program under measurement; ended with this.
struct Running {
    child: Child,
    started: Instant,
    lines: Receiver<String>,
}

impl Running {
    fn start(program: &Path, data: &Path, arguments: &[&str]) -> Result<Self> {
        let started = Instant::now();
        let mut child = Command::new(program)
            .args(arguments)
            .env("ATTHENE_DATA_DIR", data)
            .env("LC_ALL", "C")
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| program.display().to_string())?;
        let stderr = child.stderr.take().context("no standard error")?;
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).for_each(|line| drop(tell.send(line)));
        });
        Ok(Self { child, started, lines })
    }

    /// Waits for a line that holds this; milliseconds from the start.
    fn until(&self, part: &str) -> Result<f64> {
        loop {
            let line = self.lines.recv_timeout(TIMEOUT).with_context(|| format!("waited for {part:?}"))?;
            if line.contains(part) {
                return Ok(self.started.elapsed().as_secs_f64() * 1000.0);
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The proportional set size of a process and all below it, in MB.
fn pss_of_tree(root: u32) -> Result<f64> {
    let mut tree = vec![root];
    let mut at = 0;
    while at < tree.len() {
        let parent = tree[at];
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let parent_of = stat
                .rsplit(") ")
                .next()
                .and_then(|rest| rest.split(' ').nth(1))
                .and_then(|text| text.parse::<u32>().ok());
            if parent_of == Some(parent) {
                tree.push(pid);
            }
        }
        at += 1;
    }
    let kilobytes: f64 = tree
        .iter()
        .filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok())
        .filter_map(|text| {
            text.lines().find_map(|line| line.strip_prefix("Pss:"))?.split_whitespace().next()?.parse::<f64>().ok()
        })
        .sum();
    Ok(kilobytes / 1024.0)
}
