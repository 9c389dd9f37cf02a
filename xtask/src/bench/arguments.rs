//! What the benchmarks are asked with.

use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Output {
    /// Writes the figures to this file, too.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct Startup {
    #[command(flatten)]
    pub output: Output,
    /// Used by this command itself, once it is inside a virtual display.
    #[arg(long, hide = true)]
    pub inside: bool,
}
