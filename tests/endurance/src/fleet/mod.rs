//! Several hosts on one database: how soon a key that ended is refused by all, what calls cost, and how that grows.

mod calls;
mod costs;
mod ends;
mod growth;
mod load;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use atthene_test_support::databases;
use serde_json::{Value, json};

/// Part of the whole: the others are left out.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    Ends,
    Calls,
    Growth,
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many keys end while hosts are told of it.
    #[arg(long, default_value_t = 200)]
    ends: usize,
    /// How many end while nobody is told.
    #[arg(long, default_value_t = 40)]
    silent_ends: usize,
    /// The largest number of hosts that are simulated: a power of ten.
    #[arg(long, default_value_t = 1000)]
    hosts: usize,
    /// Only this.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Writes the figures to this file, too.
    #[arg(long)]
    json: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(databases::server().is_some(), "{} names no server", databases::SERVER);
    let cores = std::thread::available_parallelism()?.get();
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().context("the load")?;
    println!("{cores} cores for all of it: hosts, database, callers; load before: {load}");
    let wants = |part| arguments.only.is_none_or(|only| only == part);
    let mut figures = json!({ "cores": cores, "load_before": load });
    let mut note = |name: &str, value: Value| figures[name] = value;
    if wants(Part::Ends) {
        note("ends", ends::run(arguments.ends, arguments.silent_ends)?);
    }
    if wants(Part::Calls) {
        note("calls", calls::run()?);
    }
    if wants(Part::Growth) {
        note("growth", growth::run(arguments.hosts)?);
    }
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&figures)? + "\n")?;
    }
    Ok(())
}
