//! The release build of the command, for a long time.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::app::{build, cargo};
use crate::packages;
use crate::steps::must;
use atthene_test_cluster::Cluster;

/// Of a thousand hosts, each with up to five.
const CONNECTIONS: u32 = 5_100;

pub fn run(arguments: &[&str]) -> Result<()> {
    must(command()?.args(arguments))
}

/// The same with a database of its own.
pub fn fleet(json: Option<&Path>) -> Result<()> {
    packages::ensure(packages::For::Database)?;
    let cluster = Cluster::for_connections(CONNECTIONS)?;
    let mut command = command()?;
    command.arg("fleet").env("ATTHENE_TEST_POSTGRES", cluster.url());
    if let Some(json) = json {
        command.arg("--json").arg(json);
    }
    must(&mut command)
}

fn command() -> Result<Command> {
    let atthene = build()?.command;
    let mut command = cargo();
    command
        .args(["run", "--release", "--locked", "--package", "atthene-endurance", "--"])
        .env("ATTHENE_COMMAND", atthene);
    Ok(command)
}
