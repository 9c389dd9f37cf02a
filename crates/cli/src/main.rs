//! `atthene`: the same product from a terminal, in scripts and on a server without a desktop.
//! No logic of its own: each command calls the core and prints what it says.

mod args;
mod blocking;
mod commands;
mod desktop;
mod log;
mod out;
mod plain;
mod time;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use atthene_core::identity::Profile;
use atthene_core::{Actor, Core};
use atthene_service::fleet::Membership;
use clap::{CommandFactory, Parser};
use serde_json::json;

use args::{Arguments, Command};
use commands::serve;
use log::Log;
use out::{CommandResult, Failure, Out};
use plain::Plain;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Help and version are no errors; a script reads wrong use as it reads everything else.
        Err(error) if error.use_stderr() && std::env::args().any(|argument| argument == "--json") => {
            return Out::new(true, false)
                .end(Err(Failure::Use(error.render().to_string().trim_start_matches("error: ").trim().to_owned())));
        }
        Err(error) if error.use_stderr() => {
            // What is echoed may have been pasted.
            let _ = write!(Plain::new(std::io::stderr()), "{}", error.render());
            return ExitCode::from(2);
        }
        Err(help) => {
            let mut out = Plain::new(std::io::stdout().lock());
            let told = write!(out, "{}", help.render()).and_then(|()| out.flush());
            return Out::new(false, false).end(told.map_err(Failure::Output));
        }
    };
    let out = Out::new(arguments.json, arguments.quiet);
    let serves = match &arguments.command {
        Command::Serve(wanted) => Some(wanted),
        _ => None,
    };
    let files = profile(&arguments).ok().filter(|_| serves.is_some_and(|wanted| wanted.background));
    let files = files.as_ref().map(Profile::data_dir);
    let log = Log::begin(serves.is_some(), arguments.json, arguments.quiet, files);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return out.end(Err(error.into())),
    };
    let outcome = runtime.block_on(run(arguments, &out, &log));
    // What waits for a person at the keychain does not keep the command.
    runtime.shutdown_timeout(Duration::from_millis(100));
    out.end(outcome)
}

async fn run(arguments: Arguments, out: &Out, log: &Log) -> CommandResult {
    match &arguments.command {
        Command::Completions { shell } => {
            // In memory first: whoever writes it panics where nobody reads it.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "atthene", &mut script);
            return print(&script);
        }
        Command::Man { dir: None } => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Arguments::command()).render(&mut page)?;
            return print(&page);
        }
        // With the key alone: an agent is no administrator of this machine.
        Command::Mcp(wanted) => return commands::mcp::run(wanted).await,
        Command::Man { dir: Some(dir) } => return Ok(clap_mangen::generate_to(Arguments::command(), dir)?),
        _ => {}
    }
    let profile = profile(&arguments)?;
    meant(&profile, arguments.profile.clone().or_else(|| std::env::var(PROFILE_VARIABLE).ok()))?;
    if let Command::Fleet(command) = arguments.command {
        return commands::fleet::run(&profile, out, command).await;
    }
    let core = match open(&profile, &arguments).await {
        // Others may be about to start the database; this host serves as soon as it can.
        Err(Failure::Core(error)) if serve::is_worth_waiting_for(&error) => match &arguments.command {
            Command::Serve(wanted) => {
                let opened = serve::wait_for_rows(wanted, error, || open(&profile, &arguments)).await?;
                let Some(core) = opened else { return Ok(()) };
                core
            }
            _ => return Err(error.into()),
        },
        opened => opened?,
    };
    let outcome = if let Command::Serve(wanted) = &arguments.command {
        serve::run(core.clone(), out, log, wanted).await
    } else {
        let changes = arguments.command.changes_rows();
        tokio::select! {
            outcome = act(&core, out, arguments.command) => {
                if changes && outcome.is_ok() {
                    tokio::time::sleep(HEARD).await;
                }
                outcome
            }
            told = told_to_end() => Err(Failure::Interrupted(told?)),
        }
    };
    // What has begun is not left half done, whoever is in a hurry.
    core.finish_begun().await;
    outcome
}

/// A script or a page of our own, as it is.
fn print(text: &[u8]) -> CommandResult {
    let mut out = std::io::stdout().lock();
    Ok(out.write_all(text).and_then(|()| out.flush())?)
}

/// Every gateway on this data has heard of a change by then: when the command ends, it holds.
const HEARD: Duration = Duration::from_millis(100);

async fn act(core: &Arc<Core>, out: &Out, command: Command) -> CommandResult {
    match command {
        Command::Key(command) => commands::key::run(core, out, command).await,
        Command::Integration(command) => commands::integration::run(core, out, command).await,
        Command::Connection(command) => commands::connection::run(core, out, command).await,
        Command::Approval(command) => commands::approval::run(core, out, command).await,
        Command::Activity(wanted) => commands::activity::run(core, out, &wanted).await,
        Command::Status => commands::health::status(core, out).await,
        Command::Doctor => commands::health::doctor(core, out).await,
        Command::Explain { id } => commands::health::explain(core, out, &id).await,
        Command::Config(command) => commands::config::run(core, out, command).await,
        Command::Stop => commands::health::stop(core, out).await,
        Command::Resume => {
            core.resume()?;
            out.done(&json!({ "stopped": false }), "The gateway goes on.")
        }
        Command::Fleet(_) | Command::Serve(_) | Command::Mcp(_) | Command::Completions { .. } | Command::Man { .. } => {
            Ok(())
        }
    }
}

/// Waits for Ctrl+C or a request to end; tells the number of the signal.
#[cfg(unix)]
async fn told_to_end() -> std::io::Result<u8> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // The terminal was closed.
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = hang_up.recv() => 1,
        _ = interrupt.recv() => 2,
        _ = terminate.recv() => 15,
    })
}

#[cfg(not(unix))]
async fn told_to_end() -> std::io::Result<u8> {
    tokio::signal::ctrl_c().await?;
    Ok(2)
}

/// Says where the rows have to lie.
const PROFILE_VARIABLE: &str = "ATTHENE_PROFILE";

/// Whether the rows lie where whoever called this meant.
fn meant(profile: &Profile, meant: Option<String>) -> CommandResult {
    let Some(meant) = meant.filter(|meant| !meant.is_empty()) else { return Ok(()) };
    let found = Membership::of(profile.data_dir())?.map_or_else(|| "local".to_owned(), |found| found.url);
    if found == meant {
        return Ok(());
    }
    let why = "the rows of this data folder lie elsewhere";
    Err(Failure::Use(format!(
        "Nothing was done: {why} ({found}). Name another --data-dir, or join that profile first."
    )))
}

async fn open(profile: &Profile, arguments: &Arguments) -> Result<Arc<Core>, Failure> {
    let actor = match &arguments.command {
        // What is chosen in the tray is the person's at the desktop.
        Command::Serve(wanted) if wanted.background => Actor::Window,
        _ => Actor::CommandLine,
    };
    Ok(atthene_service::open(profile, actor).await?)
}

fn profile(arguments: &Arguments) -> Result<Profile, Failure> {
    match &arguments.data_dir {
        Some(dir) => Ok(Profile::at(dir)),
        None => Profile::from_environment().ok_or_else(|| Failure::Use("This account has no home folder.".into())),
    }
}
