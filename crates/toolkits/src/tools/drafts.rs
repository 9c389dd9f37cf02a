//! What only the account itself sees: drafts, and mails moved between folders. Nothing here sends.

use atthene_core::connections::Toolkit;
use atthene_core::permissions::Act;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ToolError;
use super::mail::HEADERS;
use super::people::{people, string};
use super::run::Run;
use super::text::{self, SUBJECT};
use super::tool::Tool;
use super::{arguments, folders, schema};

/// Characters of a draft's body.
const BODY: u32 = 100_000;
const SUBJECT_GIVEN: u32 = 255;
const RECIPIENTS: usize = 20;

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool {
            name: "mail_draft",
            title: "Draft a mail",
            description: "Saves a draft; a person sends it. With reply_to_message leave out to, cc, bcc and subject.",
            input: schema::input(
                &["body"],
                [
                    ("to", schema::strings("addresses")),
                    ("cc", schema::strings("")),
                    ("bcc", schema::strings("")),
                    ("subject", schema::string("")),
                    ("body", schema::string("plain text")),
                    ("reply_to_message", schema::string("id of the mail to answer")),
                    ("reply_all", schema::flag("")),
                ],
            ),
            output: schema::output([("id", "string"), ("subject", "string"), ("draft", "boolean")]),
            act: Act::Draft,
            toolkit: Toolkit::Outlook,
            idempotent: false,
            scope: "Mail.ReadWrite",
        },
        Tool {
            name: "mail_move",
            title: "Move a mail",
            description: "Moves a mail into a folder.",
            input: schema::input(
                &["id", "folder"],
                [("id", schema::string("")), ("folder", schema::string("as in mail_search"))],
            ),
            output: schema::output([("id", "string"), ("subject", "string")]),
            act: Act::Draft,
            toolkit: Toolkit::Outlook,
            idempotent: true,
            scope: "Mail.ReadWrite",
        },
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DraftMail {
    to: Option<Vec<String>>,
    cc: Option<Vec<String>>,
    bcc: Option<Vec<String>>,
    subject: Option<String>,
    body: String,
    reply_to_message: Option<String>,
    reply_all: Option<bool>,
}

pub(super) async fn draft(run: &Run<'_>, asked: DraftMail) -> Result<Value, ToolError> {
    let body = arguments::text("body", &asked.body, BODY)?;
    let (to, cc, bcc) = (asked.to.unwrap_or_default(), asked.cc.unwrap_or_default(), asked.bcc.unwrap_or_default());
    let subject = arguments::text("subject", asked.subject.as_deref().unwrap_or_default(), SUBJECT_GIVEN)?;
    let made = if let Some(message) = &asked.reply_to_message {
        let message = arguments::id("reply_to_message", message)?;
        if !(to.is_empty() && cc.is_empty() && bcc.is_empty() && subject.is_empty()) {
            return Err(ToolError::Arguments(
                "An answer goes to those of the mail: leave out to, cc, bcc and subject, or leave out reply_to_message."
                    .to_owned(),
            ));
        }
        let kind = if asked.reply_all == Some(true) { "createReplyAll" } else { "createReply" };
        let comment = json!({ "comment": as_html(body) });
        run.graph.post(&format!("me/messages/{message}/{kind}"), &comment, HEADERS).await?
    } else {
        arguments::recipients([("to", &to), ("cc", &cc), ("bcc", &bcc)])?;
        let list = |all: &[String]| -> Value {
            all.iter().map(|address| json!({ "emailAddress": { "address": address } })).collect()
        };
        let mail = json!({
            "subject": subject,
            "body": { "contentType": "Text", "content": body },
            "toRecipients": list(&to),
            "ccRecipients": list(&cc),
            "bccRecipients": list(&bcc),
        });
        run.graph.post("me/messages", &mail, HEADERS).await?
    };
    Ok(json!({
        "id": string(&made, "id"),
        "subject": text::line(string(&made, "subject"), SUBJECT),
        "to": people(&made["toRecipients"], RECIPIENTS),
        "cc": people(&made["ccRecipients"], RECIPIENTS),
        "bcc": people(&made["bccRecipients"], RECIPIENTS),
        "draft": true,
        "link": text::line(string(&made, "webLink"), 1_000),
    }))
}

/// A comment is read as HTML.
pub(super) fn as_html(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace("\r\n", "\n").replace('\n', "<br>")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Move {
    id: String,
    folder: String,
}

pub(super) async fn move_to(run: &Run<'_>, asked: Move) -> Result<Value, ToolError> {
    let id = arguments::id("id", &asked.id)?;
    let folder = folders::destination(run, &asked.folder).await?;
    let moved = run.graph.post(&format!("me/messages/{id}/move"), &json!({ "destinationId": folder }), HEADERS).await?;
    Ok(json!({ "id": string(&moved, "id"), "subject": text::line(string(&moved, "subject"), SUBJECT) }))
}
