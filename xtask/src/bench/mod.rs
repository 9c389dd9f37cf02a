//! `cargo xtask bench`: figures, side by side in one run, never asserted.

mod gateway;
mod startup;
mod store;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Subcommand;
use serde::Serialize;

#[derive(Subcommand)]
pub enum Bench {
    /// Requests per second and latency beside nginx, HAProxy and Caddy.
    Gateway(Output),
    /// Time to the key list, and memory, beside an empty window.
    Startup(Startup),
    /// What each page costs over two years of use and a million rows of the record.
    Store(Output),
}

#[derive(clap::Args)]
pub struct Output {
    /// Writes the figures to this file, too.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct Startup {
    #[command(flatten)]
    output: Output,
    /// Used by this command itself, once it is inside a virtual display.
    #[arg(long, hide = true)]
    inside: bool,
}

pub fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Gateway(output) => gateway::run(output.json.as_deref()),
        Bench::Startup(startup) => startup::run(startup),
        Bench::Store(output) => store::run(output.json.as_deref()),
    }
}

fn write_json(path: Option<&Path>, figures: &impl Serialize) -> Result<()> {
    if let Some(path) = path {
        std::fs::write(path, serde_json::to_string_pretty(figures)? + "\n")?;
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
