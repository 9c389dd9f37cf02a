//! `cargo xtask bench`: figures, side by side in one run, never asserted.

mod arguments;
mod endurance;
mod figures;
mod gateway;
mod lists;
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
    /// Kills the service at any moment, while everything goes on, and looks what is left.
    Crash {
        #[arg(long, default_value_t = 500)]
        rounds: usize,
    },
    /// A load that goes on: whether memory, files and threads stay as they are.
    Soak {
        #[arg(long, default_value_t = 30.0)]
        minutes: f64,
    },
    /// What a call of a tool adds to Graph's own time, side by side.
    Tools {
        #[arg(long, default_value_t = 2000)]
        calls: usize,
    },
    /// Several hosts on one database: how soon a key's end is known, what calls cost, and how that grows to a thousand.
    Fleet(Output),
    /// How fast the pages of the window open over long lists, and how many elements they have.
    Lists,
    /// What each page costs over two years of use and a million rows of the record.
    Store(Output),
}

pub fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Gateway(output) => gateway::run(output.json.as_deref()),
        Bench::Startup(startup) => startup::run(startup),
        Bench::Crash { rounds } => endurance::run(&["crash", "--rounds", &rounds.to_string()]),
        Bench::Soak { minutes } => endurance::run(&["soak", "--minutes", &minutes.to_string()]),
        Bench::Tools { calls } => endurance::run(&["tools", "--calls", &calls.to_string()]),
        Bench::Fleet(output) => endurance::fleet(output.json.as_deref()),
        Bench::Lists => lists::run(),
        Bench::Store(output) => store::run(output.json.as_deref()),
    }
}
