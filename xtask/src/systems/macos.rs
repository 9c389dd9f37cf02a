//! The whole app type-checked for macOS. Nothing is linked and nothing runs.

use anyhow::{Context, Result};

use super::cargo;
use crate::app::{build_ui, install_python, root};
use crate::packages;
use crate::steps::must;

const SYSTEM: &str = "aarch64-apple-darwin";
/// Debian's libclang, for the bindings that one crate makes of the system's headers while it is built.
const LIBCLANG: &str = "/usr/lib/llvm-14/lib";

/// Checks the types of the app and the command.
pub fn check() -> Result<()> {
    packages::ensure(packages::For::OtherSystems)?;
    // The page is embedded where the shell is compiled.
    build_ui()?;
    let programs = install_python("macos")?;
    let library = programs.parent().context("no folder")?.join("lib");
    let python = std::fs::read_dir(&library)?.flatten().next().context("no Python packages")?.path();
    let headers = python.join("site-packages/ziglang/lib/libc/include/any-darwin-any");
    must(
        cargo("check", SYSTEM)
            .args(["--package", "atthene-cli", "--package", "atthene-settings", "--features", "tauri/custom-protocol"])
            .env("CC_aarch64_apple_darwin", root().join("xtask/src/systems/macos-cc.sh"))
            .env("ZIG_PYTHON", programs.join("python3"))
            .env("LIBCLANG_PATH", LIBCLANG)
            .env("BINDGEN_EXTRA_CLANG_ARGS_aarch64_apple_darwin", format!("-isystem {}", headers.display())),
    )
}
