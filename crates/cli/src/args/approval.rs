//! Arguments of `atthene approval`.

use std::path::PathBuf;

use atthene_core::approvals::ApprovalId;
use clap::Subcommand;

use super::ids::approval_id;

#[derive(Subcommand)]
pub(crate) enum ApprovalCommand {
    /// What waits for an answer; with --all, what was answered, too.
    List {
        /// Those that were answered as well.
        #[arg(long)]
        all: bool,
    },
    /// Exactly what would be done.
    Show {
        #[arg(value_parser = approval_id)]
        id: ApprovalId,
    },
    /// Say yes: it is done once, when the agent asks again within ten minutes.
    Approve {
        #[arg(value_parser = approval_id)]
        id: ApprovalId,
        /// Allow these recipients for an hour, without another question.
        #[arg(long)]
        recipients: bool,
        /// Send it with this subject instead.
        #[arg(long, value_name = "TEXT")]
        subject: Option<String>,
        /// Send the text in this file instead; "-" is standard input.
        #[arg(long, value_name = "FILE")]
        body_file: Option<PathBuf>,
    },
    /// Say no.
    Deny {
        #[arg(value_parser = approval_id)]
        id: ApprovalId,
    },
}

impl ApprovalCommand {
    /// Whether others have to hear of what it does.
    pub(crate) fn changes_rows(&self) -> bool {
        matches!(self, Self::Approve { .. } | Self::Deny { .. })
    }
}
