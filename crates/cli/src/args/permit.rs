//! Arguments of `atthene connection permit`.

use atthene_core::connections::ConnectionId;
use atthene_core::permissions::{GraphReach, Permission, Permissions};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::ids::connection_id;

/// What agents may do through a connection. What is not named stays as it is; nothing named: only shown.
#[derive(Args)]
pub(crate) struct PermitArguments {
    #[arg(value_parser = connection_id)]
    pub(crate) id: ConnectionId,
    /// Look at what is there.
    #[arg(long, value_name = "WORD", value_parser = permission())]
    read: Option<Permission>,
    /// Write drafts, and change what only the account itself sees.
    #[arg(long, value_name = "WORD", value_parser = permission())]
    draft: Option<Permission>,
    /// Send, invite and post: what reaches others and can't be taken back.
    #[arg(long, value_name = "WORD", value_parser = permission())]
    send: Option<Permission>,
    /// Delete.
    #[arg(long, value_name = "WORD", value_parser = permission())]
    delete: Option<Permission>,
    /// Calls of their own to Graph; each as its kind of act is permitted.
    #[arg(long, value_name = "WORD", value_parser = reach())]
    graph: Option<GraphReach>,
    /// The access token itself: whoever holds it can do all that was granted.
    #[arg(long, value_name = "WORD", value_parser = yes_or_no())]
    token: Option<bool>,
    /// Everything that was granted.
    #[arg(long, conflicts_with_all = ["read", "draft", "send", "delete", "graph", "token"])]
    everything: bool,
}

fn permission() -> impl TypedValueParser<Value = Permission> {
    PossibleValuesParser::new([Permission::Allow, Permission::Ask, Permission::Deny].map(Permission::as_str))
        .map(|word| Permission::known(&word))
}

fn yes_or_no() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new([Permission::Allow, Permission::Deny].map(Permission::as_str))
        .map(|word| Permission::known(&word) == Permission::Allow)
}

fn reach() -> impl TypedValueParser<Value = GraphReach> {
    PossibleValuesParser::new([GraphReach::Off, GraphReach::ReadOnly, GraphReach::Granted].map(GraphReach::as_str))
        .map(|word| GraphReach::known(&word))
}

impl PermitArguments {
    /// What is permitted from then on.
    pub(crate) fn applied_to(&self, now: Permissions) -> Permissions {
        if self.everything {
            return Permissions::everything();
        }
        Permissions {
            read: self.read.unwrap_or(now.read),
            draft: self.draft.unwrap_or(now.draft),
            send: self.send.unwrap_or(now.send),
            delete: self.delete.unwrap_or(now.delete),
            graph: self.graph.unwrap_or(now.graph),
            token: self.token.unwrap_or(now.token),
        }
    }
}
