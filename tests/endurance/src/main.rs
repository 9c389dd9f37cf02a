//! The release build of the command as users and attackers meet it: killed at any moment, and under a load that goes
//! on. What is not as promised ends with an error; figures are printed.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "it tells figures")]

mod crash;
mod fleet;
mod soak;
mod tools;

use anyhow::Result;
use clap::Parser;

#[derive(Parser)]
enum Arguments {
    /// Kills the service while everything goes on, and looks what is left.
    Crash {
        #[arg(long)]
        rounds: usize,
    },
    /// Calls, streams, `WebSockets`, refusals, refreshes and new keys, for a long time.
    Soak {
        #[arg(long)]
        minutes: f64,
    },
    /// What a call of a tool adds to Graph's own time.
    Tools {
        #[arg(long)]
        calls: usize,
    },
    /// Several hosts on one database: how soon a key's end is known, what calls cost, and how that grows.
    Fleet(fleet::Arguments),
}

fn main() -> Result<()> {
    match Arguments::parse() {
        Arguments::Crash { rounds } => crash::run(rounds),
        Arguments::Soak { minutes } => soak::run(minutes),
        Arguments::Tools { calls } => tools::run(calls),
        Arguments::Fleet(arguments) => fleet::run(&arguments),
    }
}
