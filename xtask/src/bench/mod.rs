//! `cargo xtask bench`: figures, side by side in one run, never asserted.

mod arguments;
mod figures;
mod gateway;
mod startup;
mod store;

use anyhow::Result;
use clap::Subcommand;

use arguments::{Output, Startup};

#[derive(Subcommand)]
pub enum Bench {
    /// Requests per second and latency beside nginx, HAProxy and Caddy.
    Gateway(Output),
    /// Time to the key list, and memory, beside an empty window.
    Startup(Startup),
    /// What each page costs over two years of use and a million rows of the record.
    Store(Output),
}

pub fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Gateway(output) => gateway::run(output.json.as_deref()),
        Bench::Startup(startup) => startup::run(startup),
        Bench::Store(output) => store::run(output.json.as_deref()),
    }
}
