//! Access to a provider's API leaves in one room, where "stopped" is checked and the receipt is written.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

/// What hands out access, or writes down that it was used.
const DOORS: [&str; 5] = [".fresh(", ".hand_over(", ".graph_called(", ".tool_called(", ".drop_access("];

/// Where it is written, and the one room that may use it.
const MAY: [&str; 2] = ["crates/core", "crates/toolkits"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

#[test]
fn only_toolkits_hands_out_access() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for room in std::fs::read_dir(root.join("crates"))? {
        let room = room?.path();
        if !MAY.iter().any(|may| room.ends_with(may)) && room.join("src").is_dir() {
            sources(&room.join("src"), &mut found)?;
        }
    }
    sources(&root.join("src-tauri/src"), &mut found)?;
    ensure!(found.len() > 50, "only {} files were read", found.len());
    for file in found {
        let text = std::fs::read_to_string(&file)?;
        for door in DOORS {
            ensure!(!text.contains(door), "{} calls {door}…)", file.display());
        }
    }
    Ok(())
}
