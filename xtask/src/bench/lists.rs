//! The pages of the real window over long lists.

use anyhow::Result;

use crate::app::{build, cargo};
use crate::steps::must;
use crate::{desktop, packages};

pub fn run() -> Result<()> {
    packages::ensure(packages::For::EndToEnd)?;
    let app = build()?.app;
    let (mut command, _runtime_dir) = desktop::virtual_desktop()?;
    must(
        command
            .args(["sh", "-c", "openbox & exec \"$@\"", "sh"])
            .arg(cargo().get_program())
            .args(["test", "--quiet", "--locked", "--package", "atthene-e2e", "--test", "lists", "--"])
            .args(["--ignored", "--nocapture"])
            .env("ATTHENE_APP", app),
    )
}
