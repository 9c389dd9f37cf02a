//! Sending mail: drafted first, so that what leaves has a name before it does, and then sent.

use atthene_core::approvals::Shown;
use atthene_core::connections::Toolkit;
use atthene_core::permissions::Act;
use serde::Deserialize;
use serde_json::{Value, json};

use super::drafts::{DraftMail, draft};
use super::error::ToolError;
use super::mail::HEADERS;
use super::people::string;
use super::run::Run;
use super::text::{self, SUBJECT};
use super::tool::Tool;
use super::{arguments, schema};

const SENT: [(&str, &str); 3] = [("id", "string"), ("subject", "string"), ("sent", "boolean")];
const SELECT: &str = "subject,from,replyTo,toRecipients,ccRecipients";

pub(super) fn tools() -> Vec<Tool> {
    let tool = |name, title, description, input| Tool {
        name,
        title,
        description,
        input,
        output: schema::output(SENT),
        act: Act::Send,
        toolkit: Toolkit::Outlook,
        idempotent: true,
        scope: "Mail.ReadWrite and Mail.Send",
    };
    vec![
        tool(
            "mail_send",
            "Send a mail",
            "Sends a mail; a person may have to allow it. Exactly the same again is not sent twice.",
            schema::input(
                &["to", "subject", "body"],
                [
                    ("to", schema::strings("addresses")),
                    ("cc", schema::strings("")),
                    ("bcc", schema::strings("")),
                    ("subject", schema::string("")),
                    ("body", schema::string("plain text")),
                ],
            ),
        ),
        tool(
            "mail_reply",
            "Answer a mail",
            "Answers its sender, or everybody; as mail_send.",
            schema::input(
                &["id", "body"],
                [("id", schema::string("")), ("body", schema::string("plain text")), ("reply_all", schema::flag(""))],
            ),
        ),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Send {
    to: Vec<String>,
    #[serde(default)]
    cc: Vec<String>,
    #[serde(default)]
    bcc: Vec<String>,
    subject: String,
    body: String,
}

/// Each with what it is, where that is not plain.
pub(super) fn shown_mail(asked: &Send) -> Result<Shown, ToolError> {
    arguments::recipients([("to", &asked.to), ("cc", &asked.cc), ("bcc", &asked.bcc)])?;
    if asked.to.is_empty() && asked.cc.is_empty() && asked.bcc.is_empty() {
        return Err(ToolError::Arguments("A mail needs somebody to go to: give to, cc or bcc.".to_owned()));
    }
    Ok(Shown {
        recipients: [&asked.to, &asked.cc, &asked.bcc].into_iter().flatten().cloned().collect(),
        are_addresses: true,
        subject: asked.subject.clone(),
        body: asked.body.clone(),
        more: vec![("Cc".to_owned(), asked.cc.join(", ")), ("Bcc".to_owned(), asked.bcc.join(", "))],
    })
}

pub(super) async fn send(run: &Run<'_>, asked: Send) -> Result<Value, ToolError> {
    let Send { to, cc, bcc, subject, body } = asked;
    send_draft(run, DraftMail::new(to, cc, bcc, subject, body)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reply {
    id: String,
    body: String,
    #[serde(default)]
    #[serde(rename = "reply_all")]
    all: bool,
}

/// To whom it would go: the mail may ask for its answers elsewhere.
pub(super) async fn shown_reply(run: &Run<'_>, asked: &Reply) -> Result<Shown, ToolError> {
    let id = arguments::id("id", &asked.id)?;
    let mail = run.graph.get(&format!("me/messages/{id}?$select={SELECT}"), HEADERS).await?;
    let to = if mail["replyTo"].as_array().is_some_and(|all| !all.is_empty()) {
        mail["replyTo"].clone()
    } else {
        Value::from(vec![mail["from"].clone()])
    };
    let others = if asked.all { vec![&mail["toRecipients"], &mail["ccRecipients"]] } else { Vec::new() };
    let all = std::iter::once(&to).chain(others).filter_map(Value::as_array).flatten();
    Ok(Shown {
        recipients: all.map(|one| text::line(string(&one["emailAddress"], "address"), 320)).collect(),
        // Where Graph itself sends the answer may be another thing.
        are_addresses: false,
        subject: format!("Re: {}", text::line(string(&mail, "subject"), SUBJECT)),
        body: asked.body.clone(),
        more: Vec::new(),
    })
}

pub(super) async fn reply(run: &Run<'_>, asked: Reply) -> Result<Value, ToolError> {
    send_draft(run, DraftMail::reply(asked.id, asked.body, asked.all)).await
}

async fn send_draft(run: &Run<'_>, asked: DraftMail) -> Result<Value, ToolError> {
    let made = draft(run, asked).await?;
    let id = arguments::id("id", string(&made, "id"))?;
    run.graph.act(&format!("me/messages/{id}/send"), None, HEADERS).await?;
    Ok(json!({ "id": made["id"], "subject": made["subject"], "sent": true }))
}
