//! Figures of a benchmark: written down, and the middle one of several.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

pub fn write_json(path: Option<&Path>, figures: &impl Serialize) -> Result<()> {
    if let Some(path) = path {
        std::fs::write(path, serde_json::to_string_pretty(figures)? + "\n")?;
    }
    Ok(())
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
