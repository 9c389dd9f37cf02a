//! `atthene fleet`: one profile for many hosts.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use atthene_core::identity::Profile;
use atthene_core::oversight::HostView;
use atthene_core::vault::VaultKind;
use atthene_core::{Actor, blocking as core_blocking};
use atthene_service::fleet::{self, FleetError};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::args::FleetCommand;
use crate::out::{CommandResult, Failure, Out, secret_from_stdin};
use crate::time::minute;

pub(crate) async fn run(profile: &Profile, out: &Out, command: FleetCommand) -> CommandResult {
    match command {
        FleetCommand::Init { url, password_stdin } => {
            let password = if password_stdin { Some(secret_from_stdin()?) } else { None };
            let moved = fleet::init(profile, Actor::CommandLine, &url, password).await?;
            let rows = moved.imported.record + moved.imported.tables.iter().map(|(_, rows)| rows).sum::<u64>();
            out.done(
                &json!({ "url": moved.membership.url, "profile": moved.membership.profile, "rows": rows, "secrets": moved.secrets }),
                format!(
                    "This profile is shared at {} from now on: {rows} rows and {} secrets were copied. Start the gateway \
                     again, and invite other hosts: atthene fleet invite FILE.",
                    moved.membership.url, moved.secrets
                ),
            )
        }
        FleetCommand::Invite { file } => {
            let (invite, passphrase) = fleet::invite(profile, Actor::CommandLine).await?;
            write_private(&file, invite.as_bytes())?;
            // The one place where it is ever shown.
            let passphrase = passphrase.expose_secret();
            out.result(&json!({ "file": file, "passphrase": passphrase }), |to| {
                writeln!(to, "The invite is in {}. Its passphrase is shown only now:", file.display())?;
                writeln!(to, "{passphrase}")?;
                writeln!(to, "Send the two on different ways. On the other host: atthene fleet join FILE.")
            })
        }
        FleetCommand::Join { file, vault_file } => {
            let invite = fleet::read_invite(&file)?;
            let passphrase = secret_from_stdin()?;
            let vault = if vault_file { VaultKind::File } else { VaultKind::Keychain };
            let joined = fleet::join(profile, Actor::CommandLine, invite, passphrase, vault).await?;
            let (url, profile) = (joined.membership.url, joined.membership.profile);
            let said = if joined.is_renewed {
                format!(
                    "This host has the fleet key that is in force at {url}. A gateway that runs goes on with it within 10 \
                     seconds."
                )
            } else {
                format!("This host takes part in the profile at {url}. Start its gateway: atthene serve.")
            };
            out.done(&json!({ "url": url, "profile": profile, "renewed": joined.is_renewed }), said)
        }
        FleetCommand::RotateKey => {
            let rotated = fleet::rotate_key(profile, Actor::CommandLine).await?;
            let left = rotated.left.join(", ");
            let left =
                if left.is_empty() { left } else { format!(" These could not be opened, and are left: {left}.") };
            out.done(
                &json!({ "resealed": rotated.resealed, "left": rotated.left }),
                format!(
                    "{} secrets lie under a new key.{left} The gateway of this host goes on with it. Every other host is refused \
                     until it is given a new invite: atthene fleet invite FILE here, atthene fleet join FILE there.",
                    rotated.resealed
                ),
            )
        }
        FleetCommand::Leave => {
            let left = fleet::leave(profile, Actor::CommandLine).await?;
            let untold = if left.is_told {
                ""
            } else {
                " The database could not be told: take it off the list on another host, with atthene fleet forget ID."
            };
            out.done(
                &json!({ "url": left.membership.url, "told": left.is_told }),
                format!(
                    "This host takes no part any more; its folder's own rows are in use again, with the key of before. Start \
                     the gateway again.{untold}"
                ),
            )
        }
        FleetCommand::Forget { id } => {
            let core = atthene_service::open(profile, Actor::CommandLine).await?;
            let asked = id.clone();
            let name = core_blocking(move || Ok(fleet::forget_host(&core, &asked))).await??;
            out.done(
                &json!({ "id": id, "name": name }),
                format!("{name} is off the list. What it did stays on record."),
            )
        }
        FleetCommand::Hosts => {
            let core = atthene_service::open(profile, Actor::CommandLine).await?;
            let found = core_blocking(move || core.hosts()).await?.ok_or(FleetError::TakesNoPart)?;
            out.result(&found, |to| {
                let rows: Vec<_> = found.iter().map(in_a_row).collect();
                out.table(to, &["ID", "NAME", "STATE", "ADDRESS", "VERSION", "SEEN"], &rows)
            })
        }
    }
}

fn in_a_row(host: &HostView) -> Vec<String> {
    let state = match (host.is_there, host.seen_at) {
        (true, _) => "there",
        (false, Some(_)) => "away",
        (false, None) => "never served",
    };
    let state = if host.is_here { format!("{state} (this host)") } else { state.to_owned() };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let seen = host.seen_at.map(minute).unwrap_or_default();
    vec![host.id.clone(), host.name.clone(), state, text(&host.address), text(&host.version), seen]
}

/// Only for its owner, and never over another file.
fn write_private(file: &Path, content: &[u8]) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(file).and_then(|mut to| to.write_all(content));
    written.map_err(|error| Failure::Failed(format!("{}: {error}. Name a file that is not there yet.", file.display())))
}

impl From<FleetError> for Failure {
    fn from(error: FleetError) -> Self {
        match error {
            FleetError::Core(error) => Self::Core(error),
            FleetError::Address => Self::Use(error.to_string()),
            FleetError::NoSuchHost(_) => Self::NotFound(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}
