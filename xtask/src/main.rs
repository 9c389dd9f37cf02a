//! `cargo xtask run | test | build | package | bench`: everything from a fresh machine.

mod app;
mod bench;
mod cargo_tool;
mod deny;
mod desktop;
mod load;
mod package;
mod packages;
mod run;
mod steps;
mod systems;
mod test;
mod tuned;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing, build the app and open it.
    Run(run::Arguments),
    /// Everything that CI runs, with one closing count.
    Test(test::Arguments),
    /// Build the app and the command to give to people: optimised for the calls that they answer.
    Build,
    /// Make packages of the release build (on Debian): .deb and .rpm.
    Package,
    /// Measure, side by side with others, in one run.
    #[command(subcommand)]
    Bench(bench::Bench),
}

fn main() -> Result<()> {
    std::env::set_current_dir(app::root())?;
    match Arguments::parse().task {
        Task::Run(arguments) => run::run(&arguments),
        Task::Test(arguments) => test::run(&arguments),
        Task::Build => tuned::run(),
        Task::Package => package::run(),
        Task::Bench(bench) => bench::run(&bench),
    }
}
