//! From the start of the process to the page showing its list, and the memory then, beside
//! an empty window of the same framework and profile.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::{Startup, median, write_json};
use crate::app::{build_app, cargo, must, release};
use crate::desktop;
use crate::steps::say;

const ROUNDS: usize = 9;
/// What both programs write to standard error at the moment that counts.
const PAINTED: &str = "the page is painted";
/// Until memory has settled.
const SETTLE: Duration = Duration::from_secs(3);

#[derive(Serialize)]
struct Figures {
    interactive_ms: f64,
    pss_mb: f64,
}

pub fn run(startup: &Startup) -> Result<()> {
    if startup.inside {
        return measure(startup.output.json.as_deref());
    }
    build_app()?;
    say("building the empty window");
    must(cargo().args(["build", "--release", "--package", "empty-window", "--features", "tauri/custom-protocol"]))?;
    let (mut command, _runtime_dir) = desktop::virtual_desktop()?;
    command.arg(std::env::current_exe()?).args(["bench", "startup", "--inside"]);
    if let Some(json) = &startup.output.json {
        command.arg("--json").arg(json);
    }
    must(&mut command)
}

fn measure(json: Option<&Path>) -> Result<()> {
    let data = tempfile::tempdir()?;
    let programs = [("app", release("atthene-settings")), ("empty_window", release("empty-window"))];
    let mut times = [Vec::new(), Vec::new()];
    let mut memory = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        for (at, (_, program)) in programs.iter().enumerate() {
            let (time, pss) = once(program, data.path())?;
            // The first round only warms the disk cache.
            if round > 0 {
                times[at].push(time);
                memory[at].push(pss);
            }
        }
    }
    let mut figures = serde_json::Map::new();
    println!("\n{:14} {:>16} {:>10}", "", "interactive ms", "PSS MB");
    for (((name, _), times), memory) in programs.iter().zip(times).zip(memory) {
        let middle = Figures { interactive_ms: median(times), pss_mb: median(memory) };
        println!("{name:14} {:>16.0} {:>10.0}", middle.interactive_ms, middle.pss_mb);
        figures.insert((*name).to_owned(), serde_json::to_value(middle)?);
    }
    write_json(json, &figures)
}

fn once(program: &Path, data: &Path) -> Result<(f64, f64)> {
    let started = Instant::now();
    let mut child = Command::new(program)
        .env("ATTHENE_DATA_DIR", data)
        .env("LC_ALL", "C")
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| program.display().to_string())?;
    let stderr = child.stderr.take().context("no standard error")?;
    let mut lines = BufReader::new(stderr).lines();
    if !lines.by_ref().map_while(Result::ok).any(|line| line.contains(PAINTED)) {
        bail!("{} ended before it painted", program.display());
    }
    let time = started.elapsed().as_secs_f64() * 1000.0;
    std::thread::sleep(SETTLE);
    let pss = pss_of_tree(child.id());
    child.kill()?;
    child.wait()?;
    Ok((time, pss?))
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
