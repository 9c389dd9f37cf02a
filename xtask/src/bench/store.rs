//! Two years of hourly usage and a million rows of the record: what each page costs, and how
//! that grows.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::figures::write_json;
use crate::app::{cargo, release};
use crate::steps::{must, say};

pub fn run(json: Option<&Path>) -> Result<()> {
    must(cargo().args(["build", "--release", "--package", "atthene-core", "--example", "store"]))?;
    say("two years of use, hour by hour; this takes some minutes");
    let dir = tempfile::tempdir()?;
    let output = std::process::Command::new(release("examples/store")).arg(dir.path()).output().context("the store")?;
    let printed = String::from_utf8(output.stdout)?;
    let steps: Vec<Map<String, Value>> = printed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let first = steps.first().context("nothing was measured")?;
    for name in first.keys() {
        print!("{name:28}");
        for step in &steps {
            print!(" {:>12.1}", step[name].as_f64().unwrap_or(f64::NAN));
        }
        println!();
    }
    write_json(json, &steps)
}
