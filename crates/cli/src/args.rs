//! The command line, as clap reads it.

mod approval;
mod fleet;
mod ids;
mod mcp;
mod permit;
mod serve;

pub(crate) use approval::ApprovalCommand;
pub(crate) use fleet::FleetCommand;
pub(crate) use mcp::McpArguments;
pub(crate) use permit::PermitArguments;
pub(crate) use serve::ServeArguments;

use std::path::PathBuf;

use atthene_core::UnixMs;
use atthene_core::connections::{ConnectionId, Toolkit};
use atthene_core::integrations::IntegrationId;
use atthene_core::keys::KeyId;
use atthene_core::provider::Cloud;
use clap::{Args, Parser, Subcommand, ValueEnum};

use ids::{connection_id, integration_id, key_id, quoted, toolkit};

/// What [`crate::out::Failure`] ends with.
const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong use, 3 not found, 4 refused by a policy or by the keychain, 128 and the \
     number of a signal: interrupted.";

/// The one API key of your agents, and the Microsoft connections behind them.
#[derive(Parser)]
#[command(name = "atthene", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The data folder, in place of the account's own (or `ATTHENE_DATA_DIR`).
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Go on only where the rows lie there: at this URL, or `local` (or `ATTHENE_PROFILE`).
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) profile: Option<String>,
    /// Print JSON: the same in every version.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print only what was asked for.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// The one API key.
    #[command(subcommand)]
    Key(KeyCommand),
    /// OAuth app registrations.
    #[command(subcommand)]
    Integration(IntegrationCommand),
    /// Accounts that are signed in.
    #[command(subcommand)]
    Connection(ConnectionCommand),
    /// What agents want to do, and your answer.
    #[command(subcommand)]
    Approval(ApprovalCommand),
    /// What was done, by whom, and what came of it.
    Activity(ActivityArguments),
    /// One profile for many hosts, in PostgreSQL.
    #[command(subcommand)]
    Fleet(FleetCommand),
    /// Run the gateway, until it is told to end.
    Serve(ServeArguments),
    Mcp(McpArguments),
    /// What is going on, in a few lines.
    Status,
    /// Whether the set-up is sound; ends with 1 where something does not work.
    Doctor,
    /// Every preference.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Refuse every call and cut the open ones, until `resume`.
    Stop,
    /// Resume after `stop`.
    Resume,
    /// Why the call of this request id was refused, or what a code of Microsoft's means.
    Explain {
        /// The `request_id` of the answer, or a code such as AADSTS50011.
        id: String,
    },
    /// Print a completion script.
    Completions {
        /// For this shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man {
        /// Write one page for each command into this folder instead.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

impl Command {
    /// Whether others have to hear of what it does.
    pub(crate) fn changes_rows(&self) -> bool {
        match self {
            Self::Key(command) => matches!(command, KeyCommand::Create { .. } | KeyCommand::Revoke { .. }),
            Self::Integration(command) => {
                !matches!(command, IntegrationCommand::List | IntegrationCommand::Check { .. })
            }
            Self::Connection(command) => matches!(
                command,
                ConnectionCommand::Add { .. }
                    | ConnectionCommand::SignIn { .. }
                    | ConnectionCommand::Permit(_)
                    | ConnectionCommand::Remove { .. }
            ),
            Self::Approval(command) => command.changes_rows(),
            Self::Config(command) => matches!(command, ConfigCommand::Set { .. }),
            Self::Stop | Self::Resume => true,
            Self::Activity(_)
            | Self::Fleet(_)
            | Self::Serve(_)
            | Self::Mcp(_)
            | Self::Status
            | Self::Doctor
            | Self::Explain { .. }
            | Self::Completions { .. }
            | Self::Man { .. } => false,
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Create the key; one that is live ends with this. Its text is printed once, on standard output.
    Create {
        /// What will use it.
        #[arg(long)]
        name: String,
        /// When it ends: `30d`, `2027-01-31` or `never`.
        #[arg(long, value_parser = crate::time::expiry)]
        expires: atthene_core::keys::Expiry,
        /// Do not ask where a key is live. Without a terminal nobody is asked.
        #[arg(long, short)]
        yes: bool,
    },
    /// The live key and those before it.
    List,
    /// Give the live key another name or note. Its text stays as it is.
    #[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
    Describe {
        /// What will use it.
        #[arg(long, group = "what")]
        name: Option<String>,
        /// A line to remember, such as whom to ask; empty: none.
        #[arg(long, group = "what")]
        note: Option<String>,
        /// This key, instead of the live one.
        #[arg(long, value_name = "ID", value_parser = key_id)]
        id: Option<KeyId>,
    },
    /// End the live key.
    Revoke {
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
        /// This key, instead of the live one.
        #[arg(long, value_name = "ID", value_parser = key_id)]
        id: Option<KeyId>,
        /// Why.
        #[arg(long, value_enum)]
        reason: Option<Reason>,
    },
    /// Who used it, and how much.
    Usage {
        /// How far back: 1, 7, 30 or 90 days.
        #[arg(long, default_value = "1", value_parser = crate::time::span)]
        days: atthene_core::activity::Span,
        /// Every counter as CSV.
        #[arg(long, conflicts_with = "json")]
        csv: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Reason {
    Leaked,
    Unused,
    Other,
}

#[derive(Subcommand)]
pub(crate) enum IntegrationCommand {
    /// Add one.
    Add(Box<IntegrationFields>),
    /// All of them.
    List,
    /// Ask the authority whether it accepts it.
    Check {
        #[arg(value_parser = integration_id)]
        id: IntegrationId,
    },
    /// Use it where none is named.
    Default {
        #[arg(value_parser = integration_id)]
        id: IntegrationId,
    },
    /// Change what is named; leave the rest.
    Edit {
        #[arg(value_parser = integration_id)]
        id: IntegrationId,
        #[command(flatten)]
        fields: Box<IntegrationFields>,
        /// Do not ask where accounts have to sign in again. Without a terminal nobody is asked.
        #[arg(long, short)]
        yes: bool,
    },
    /// Delete it; every connection through it is signed out.
    Remove {
        #[arg(value_parser = integration_id)]
        id: IntegrationId,
    },
}

#[derive(Args)]
pub(crate) struct IntegrationFields {
    /// What people call it. A new one needs this.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The Application (client) ID. A new one needs this.
    #[arg(long)]
    pub(crate) client_id: Option<String>,
    /// The directory (tenant): an id, a domain, `organizations`, `consumers` or `common`.
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// Microsoft's cloud.
    #[arg(long, value_parser = cloud, value_name = "CLOUD", conflicts_with = "authority")]
    pub(crate) cloud: Option<Cloud>,
    /// The issuer of another authority.
    #[arg(long, value_name = "URL", conflicts_with = "tenant")]
    pub(crate) authority: Option<String>,
    /// The Graph of another authority, where it does not name one.
    #[arg(long, value_name = "URL", requires = "authority")]
    pub(crate) graph: Option<String>,
    /// Read the client secret from standard input.
    #[arg(long)]
    pub(crate) secret_stdin: bool,
    /// Forget the client secret.
    #[arg(long, conflicts_with = "secret_stdin")]
    pub(crate) remove_secret: bool,
    /// The client secret's last day, as Azure shows it: `2027-01-31`.
    #[arg(long, value_name = "DATE", value_parser = crate::time::last_moment, conflicts_with = "remove_secret")]
    pub(crate) secret_ends: Option<UnixMs>,
    /// Scopes, separated by spaces. A new one needs this.
    #[arg(long)]
    pub(crate) scopes: Option<String>,
    /// How the answer comes back: `loopback`, `deep-link` or the https address of your page.
    #[arg(long)]
    pub(crate) way_back: Option<String>,
}

impl IntegrationFields {
    /// Whether none was named.
    pub(crate) fn are_empty(&self) -> bool {
        let Self {
            name,
            client_id,
            tenant,
            cloud,
            authority,
            graph,
            secret_stdin,
            remove_secret,
            secret_ends,
            scopes,
            way_back,
        } = self;
        let texts = [name, client_id, tenant, authority, graph, scopes, way_back];
        let secret = *secret_stdin || *remove_secret || secret_ends.is_some();
        texts.iter().all(|text| text.is_none()) && cloud.is_none() && !secret
    }
}

#[derive(Subcommand)]
pub(crate) enum ConnectionCommand {
    /// Sign an account in.
    Add {
        /// What it is for: outlook or teams.
        #[arg(value_parser = toolkit)]
        toolkit: Toolkit,
        /// Through this integration, instead of the default one.
        #[arg(long, value_name = "ID", value_parser = integration_id)]
        integration: Option<IntegrationId>,
        /// Sign in on another machine, with a code.
        #[arg(long, conflicts_with = "print_url")]
        device_code: bool,
        /// Print the address to open, instead of opening it.
        #[arg(long)]
        print_url: bool,
        /// Take this account and no other.
        #[arg(long, value_name = "NAME")]
        account: Option<String>,
        /// Take whoever signs in. Without this and `--account`, a person is asked.
        #[arg(long, short, conflicts_with = "account")]
        yes: bool,
    },
    /// Sign the same account in again, with what the provider asks for by now.
    SignIn {
        #[arg(value_parser = connection_id)]
        id: ConnectionId,
        /// Sign in on another machine, with a code.
        #[arg(long, conflicts_with = "print_url")]
        device_code: bool,
        /// Print the address to open, instead of opening it.
        #[arg(long)]
        print_url: bool,
    },
    /// All of them.
    List,
    /// Call Graph with it.
    Test {
        #[arg(value_parser = connection_id)]
        id: ConnectionId,
    },
    /// Print fresh access on standard output.
    Token {
        #[arg(value_parser = connection_id)]
        id: ConnectionId,
    },
    Permit(PermitArguments),
    /// Sign it out here.
    Remove {
        #[arg(value_parser = connection_id)]
        id: ConnectionId,
    },
}

#[derive(Args)]
pub(crate) struct ActivityArguments {
    /// Go on with what is added, until it is interrupted.
    #[arg(long, conflicts_with_all = ["verify", "since"])]
    pub(crate) follow: bool,
    /// Walk the chain of hashes over every row.
    #[arg(long, conflicts_with_all = ["since", "account"])]
    pub(crate) verify: bool,
    /// Only what was done with this account's sign-ins, as in `ada@contoso.com`.
    #[arg(long, value_name = "ACCOUNT", conflicts_with = "follow")]
    pub(crate) account: Option<String>,
    /// Write the account's timeline to this file instead: signed where it ends in .json, a page to print where it
    /// ends in .html.
    #[arg(long, value_name = "FILE", requires = "account")]
    pub(crate) to: Option<PathBuf>,
    /// Print a signed timeline, if it is unchanged, and say whether this profile signed it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["follow", "verify", "since", "account"])]
    pub(crate) check: Option<PathBuf>,
    /// Only what is younger, as in `7d` or `12h`.
    #[arg(long, value_parser = crate::time::span_ms, value_name = "SPAN")]
    pub(crate) since: Option<i64>,
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// One value.
    Get { name: String },
    /// Change a value.
    Set {
        name: String,
        /// The value; for `runtime_credential`, read from standard input.
        value: Option<String>,
    },
    /// All values.
    List,
}

fn cloud(text: &str) -> Result<Cloud, String> {
    quoted(&text.replace('-', "_")).map_err(|_| "global, us-government-l4, us-government-l5 or china".into())
}
