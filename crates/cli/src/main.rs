//! `atthene`: the same product from a terminal, in scripts and on a server without a desktop.
//! No logic of its own: each command calls the core and prints what it says.

mod args;
mod blocking;
mod commands;
mod log;
mod out;
mod time;

use std::process::ExitCode;
use std::sync::Arc;

use atthene_core::identity::Profile;
use atthene_core::{Actor, Core};
use clap::{CommandFactory, Parser};
use serde_json::json;

use args::{Arguments, Command};
use log::Log;
use out::{CommandResult, Failure, Out};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Help and version are no errors; a script reads wrong use as it reads everything else.
        Err(error) if error.use_stderr() && std::env::args().any(|argument| argument == "--json") => {
            return Out::new(true, false)
                .end(Err(Failure::Use(error.render().to_string().trim_start_matches("error: ").trim().to_owned())));
        }
        Err(error) => error.exit(),
    };
    let out = Out::new(arguments.json, arguments.quiet);
    let log = Log::begin(matches!(arguments.command, Command::Serve(_)), arguments.json, arguments.quiet);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return out.end(Err(error.into())),
    };
    let outcome = runtime.block_on(run(arguments, &out, &log));
    // What waits for a person at the keychain does not keep the command.
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    out.end(outcome)
}

async fn run(arguments: Arguments, out: &Out, log: &Log) -> CommandResult {
    match &arguments.command {
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Arguments::command(), "atthene", &mut std::io::stdout());
            return Ok(());
        }
        Command::Man { dir: None } => {
            return Ok(clap_mangen::Man::new(Arguments::command()).render(&mut std::io::stdout())?);
        }
        Command::Man { dir: Some(dir) } => return Ok(clap_mangen::generate_to(Arguments::command(), dir)?),
        _ => {}
    }
    let core = open(&arguments)?;
    match arguments.command {
        Command::Key(command) => commands::key::run(&core, out, command).await,
        Command::Integration(command) => commands::integration::run(&core, out, command).await,
        Command::Connection(command) => commands::connection::run(&core, out, command).await,
        Command::Activity(wanted) => commands::activity::run(&core, out, &wanted).await,
        Command::Serve(wanted) => commands::serve::run(core, out, log, &wanted).await,
        Command::Status => commands::health::status(&core, out).await,
        Command::Doctor => commands::health::doctor(&core, out).await,
        Command::Explain { request_id } => commands::health::explain(&core, out, &request_id),
        Command::Config(command) => commands::config::run(&core, out, command).await,
        Command::Stop => commands::health::stop(&core, out).await,
        Command::Resume => {
            core.resume()?;
            out.done(&json!({ "stopped": false }), "The gateway goes on.")
        }
        Command::Completions { .. } | Command::Man { .. } => Ok(()),
    }
}

fn open(arguments: &Arguments) -> Result<Arc<Core>, Failure> {
    let profile = match &arguments.data_dir {
        Some(dir) => Profile::at(dir),
        None => Profile::from_environment().ok_or_else(|| Failure::Use("This account has no home folder.".into()))?,
    };
    Ok(atthene_service::open(&profile, Actor::CommandLine)?)
}
