//! `cargo xtask run`: from a fresh machine to the open window.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::app::{build, target};
use crate::desktop;
use crate::steps::{must, say};

#[derive(clap::Args)]
pub struct Arguments {
    /// Used by this command itself, once it is inside a virtual display.
    #[arg(long, hide = true)]
    inside: Option<std::path::PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if let Some(app) = &arguments.inside {
        return inside(app);
    }
    // The window starts the service that lies beside it.
    let app = build()?.app;
    if desktop::has_display() {
        say("opening the window");
        return must(&mut Command::new(app));
    }
    say("this machine has no display: the window opens on a virtual one");
    let (mut command, _runtime_dir) = desktop::virtual_desktop()?;
    must(command.arg(std::env::current_exe()?).args(["run", "--inside"]).arg(app))
}

/// On the virtual display: says where the gateway is and what the window looks like.
fn inside(app: &Path) -> Result<()> {
    let mut child = Command::new(app).stderr(Stdio::piped()).spawn().context("the app could not be started")?;
    let stderr = child.stderr.take().context("the app has no standard error")?;
    for line in BufReader::new(stderr).lines() {
        let line = line?;
        eprintln!("{line}");
        if let Some(at) = line.find("http://127.0.0.1:").filter(|_| line.contains("The gateway listens")) {
            picture()?;
            say(&format!("the gateway: {}", line[at..].trim_end()));
            say("end it with Ctrl+C");
        }
    }
    child.wait()?;
    Ok(())
}

fn picture() -> Result<()> {
    // The window is shown before the gateway starts; a moment later it is painted too.
    std::thread::sleep(Duration::from_millis(700));
    let path = target().join("window.png");
    must(Command::new("import").args(["-window", "root"]).arg(&path))?;
    say(&format!("a picture of the window: {}", path.display()));
    Ok(())
}
