//! Events that others hear of, and answers to theirs.

use atthene_core::approvals::{Editable, Shown};
use atthene_core::connections::Toolkit;
use atthene_core::permissions::Act;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ToolError;
use super::mail::HEADERS;
use super::people::{person, string};
use super::run::Run;
use super::text::{self, SUBJECT};
use super::tool::Tool;
use super::{arguments, schema};

const BODY: u32 = 100_000;
const LINE: u32 = 255;
const MOST_ATTENDEES: usize = 100;

pub(super) fn tools() -> Vec<Tool> {
    let tool = |name, title, description, input, output| Tool {
        name,
        title,
        description,
        input,
        output,
        act: Act::Send,
        toolkit: Toolkit::Outlook,
        idempotent: true,
        scope: "Calendars.ReadWrite",
    };
    vec![
        tool(
            "event_create",
            "Create an event",
            "Puts an event into the calendar and invites; as mail_send.",
            schema::input(
                &["subject", "from", "to"],
                [
                    ("subject", schema::string("")),
                    ("from", schema::string("RFC 3339")),
                    ("to", schema::string("RFC 3339")),
                    ("attendees", schema::strings("addresses")),
                    ("location", schema::string("")),
                    ("body", schema::string("")),
                    ("online", schema::flag("as a Teams meeting")),
                ],
            ),
            schema::output([("id", "string"), ("subject", "string")]),
        ),
        tool(
            "event_respond",
            "Answer an invitation",
            "Accepts, declines or answers tentatively; the organizer is told.",
            schema::input(
                &["id", "answer"],
                [
                    ("id", schema::string("")),
                    ("answer", json!({ "enum": ["accept", "decline", "tentative"] })),
                    ("comment", schema::string("")),
                ],
            ),
            schema::output([("id", "string"), ("answer", "string")]),
        ),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    subject: String,
    from: String,
    to: String,
    #[serde(default)]
    attendees: Vec<String>,
    #[serde(default)]
    location: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    online: bool,
}

pub(super) fn shown_event(asked: &Create) -> Result<Shown, ToolError> {
    arguments::addresses("attendees", &asked.attendees)?;
    if asked.attendees.len() > MOST_ATTENDEES {
        return Err(ToolError::Arguments(format!("The argument attendees has more than {MOST_ATTENDEES} addresses.")));
    }
    let (from, to) = (arguments::moment("from", &asked.from)?, arguments::moment("to", &asked.to)?);
    if to <= from {
        return Err(ToolError::Arguments("The event has to end after it begins: correct from and to.".to_owned()));
    }
    arguments::text("subject", &asked.subject, LINE)?;
    arguments::text("location", &asked.location, LINE)?;
    arguments::text("body", &asked.body, BODY)?;
    let online = if asked.online { "as a Teams meeting" } else { "" };
    Ok(Shown {
        recipients: asked.attendees.clone(),
        are_addresses: true,
        subject: asked.subject.clone(),
        body: asked.body.clone(),
        more: [
            ("From", arguments::written(from)),
            ("To", arguments::written(to)),
            ("Where", asked.location.clone()),
            ("Online", online.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
        editable: Editable { subject: Some(LINE), body: Some(BODY) },
        is_edited: false,
    })
}

pub(super) async fn create(run: &Run<'_>, asked: Create) -> Result<Value, ToolError> {
    shown_event(&asked)?;
    let point = |name, text: &str| {
        let moment = arguments::moment(name, text)?;
        let written = moment.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        Ok::<_, ToolError>(json!({ "dateTime": written, "timeZone": "UTC" }))
    };
    let attendees: Value = asked
        .attendees
        .iter()
        .map(|address| json!({ "emailAddress": { "address": address }, "type": "required" }))
        .collect();
    let mut event = json!({
        "subject": run.shown.subject,
        "start": point("from", &asked.from)?,
        "end": point("to", &asked.to)?,
        "body": { "contentType": "Text", "content": run.shown.body },
        "location": { "displayName": asked.location },
        "attendees": attendees,
        // Graph itself drops a second one of the same name.
        "transactionId": run.name,
    });
    if asked.online {
        event["isOnlineMeeting"] = true.into();
    }
    let made = run.graph.act("me/events", Some(&event), HEADERS).await?;
    Ok(json!({ "id": string(&made, "id"), "subject": text::line(string(&made, "subject"), SUBJECT) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Respond {
    id: String,
    answer: InvitationAnswer,
    #[serde(default)]
    comment: String,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum InvitationAnswer {
    Accept,
    Decline,
    Tentative,
}

impl InvitationAnswer {
    fn path(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Decline => "decline",
            Self::Tentative => "tentativelyAccept",
        }
    }
}

pub(super) async fn shown_answer(run: &Run<'_>, asked: &Respond) -> Result<Shown, ToolError> {
    let id = arguments::id("id", &asked.id)?;
    arguments::text("comment", &asked.comment, LINE)?;
    let event = run.graph.get(&format!("me/events/{id}?$select=subject,organizer,start"), HEADERS).await?;
    let organizer = event.get("organizer").and_then(person);
    Ok(Shown {
        recipients: organizer.into_iter().collect(),
        are_addresses: false,
        subject: text::line(string(&event, "subject"), SUBJECT),
        body: asked.comment.clone(),
        more: [
            ("Answer", asked.answer.path().to_owned()),
            ("From", text::line(string(&event["start"], "dateTime"), SUBJECT)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
        editable: Editable { subject: None, body: Some(LINE) },
        is_edited: false,
    })
}

pub(super) async fn respond(run: &Run<'_>, asked: Respond) -> Result<Value, ToolError> {
    let id = arguments::id("id", &asked.id)?;
    let body = json!({ "comment": run.shown.body, "sendResponse": true });
    run.graph.act(&format!("me/events/{id}/{}", asked.answer.path()), Some(&body), HEADERS).await?;
    Ok(json!({ "id": asked.id, "answer": asked.answer.path() }))
}
