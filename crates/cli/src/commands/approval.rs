//! `atthene approval`.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use atthene_core::Core;
use atthene_core::approvals::{ApprovalState, ApprovalView, Edit, Yes};
use serde_json::json;

use super::connection::word;
use crate::args::ApprovalCommand;
use crate::blocking::blocking;
use crate::out::{CommandResult, Failure, Out, Printer};
use crate::time::minute;

pub(crate) async fn run(core: &Arc<Core>, out: &Out, command: ApprovalCommand) -> CommandResult {
    match command {
        ApprovalCommand::List { all } => {
            let mut found = blocking(core, |core| core.approvals.list()).await?;
            found.retain(|one| all || one.state == ApprovalState::Waiting);
            out.result(&found, |to| {
                let rows: Vec<_> = found
                    .iter()
                    .map(|one| {
                        vec![
                            one.id.as_str().to_owned(),
                            word(&one.state),
                            minute(one.asked_at),
                            one.program.clone(),
                            one.account.clone(),
                            one.tool.clone(),
                            in_a_line(one),
                        ]
                    })
                    .collect();
                out.table(to, &["ID", "STATE", "ASKED", "PROGRAM", "ACCOUNT", "ACT", "WHAT"], &rows)
            })
        }
        ApprovalCommand::Show { id } => {
            let one = blocking(core, move |core| core.approvals.view(&id)).await?;
            out.result(&one, |to| show(to, &one))
        }
        ApprovalCommand::Approve { id, recipients, subject, body_file } => {
            let body = body_file.as_deref().map(text_of).transpose()?;
            let (answered, yes) = (id.clone(), Yes { recipients_too: recipients, edit: Edit { subject, body } });
            blocking(core, move |core| core.approvals.approve(&answered, &yes)).await?;
            out.done(&json!({ "id": id, "state": "approved" }), "Yes: it is done once, when the agent asks for it.")
        }
        ApprovalCommand::Deny { id } => {
            let answered = id.clone();
            blocking(core, move |core| core.approvals.deny(&answered)).await?;
            out.done(&json!({ "id": id, "state": "denied" }), "No: it is not done.")
        }
    }
}

/// The text of a file, as an editor shows it: without the line break at its end.
fn text_of(file: &Path) -> Result<String, Failure> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let text = read.map_err(|error| {
        Failure::Failed(format!("The text could not be read from {}: {error}. Nothing was answered.", file.display()))
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn in_a_line(one: &ApprovalView) -> String {
    let Some(shown) = &one.shown else { return String::new() };
    let to = match shown.recipients.as_slice() {
        [] => String::new(),
        [one] => format!("to {one}"),
        [first, rest @ ..] => format!("to {first} and {} more", rest.len()),
    };
    [to, shown.subject.clone()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

fn show(to: &mut Printer, one: &ApprovalView) -> std::io::Result<()> {
    writeln!(to, "{} asks to use {} as {} ({}).", one.program, one.tool, one.account, word(&one.state))?;
    let Some(shown) = &one.shown else { return writeln!(to, "It has ended; what it was is not kept.") };
    for recipient in &shown.recipients {
        writeln!(to, "To: {recipient}")?;
    }
    if !shown.subject.is_empty() {
        writeln!(to, "Subject: {}", shown.subject)?;
    }
    for (name, value) in shown.more.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(to, "{name}: {value}")?;
    }
    writeln!(to, "\n{}", shown.body)
}
