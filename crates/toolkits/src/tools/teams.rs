//! Chats and channels. Reading them marks nothing as read.

use atthene_core::connections::{Toolkit, same_scope};
use atthene_core::permissions::Act;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ToolError;
use super::mail::body;
use super::paging::{AskedList, page};
use super::people::{first, string};
use super::run::Run;
use super::text::{self, NAME, PREVIEW, SUBJECT};
use super::tool::Tool;
use super::{arguments, schema};

/// Characters of one message, and of one answer to it, in a list.
const MESSAGE: usize = 1_500;
const REPLY: usize = 500;
/// The latest answers that stand below a post.
const REPLIES: usize = 5;
const MEMBERS: usize = 10;
const ATTACHMENTS: usize = 10;
/// Teams and channels in one answer.
const LIST: usize = 100;
/// What opens the messages of channels: each needs an administrator's consent.
const CHANNEL_READ: [&str; 3] = ["ChannelMessage.Read.All", "Group.Read.All", "Group.ReadWrite.All"];

pub(super) fn tools() -> Vec<Tool> {
    let tool = |name, title, description, input, output, scope| Tool {
        name,
        title,
        description,
        input,
        output,
        act: Act::Read,
        toolkit: Toolkit::Teams,
        idempotent: true,
        scope,
    };
    vec![
        tool(
            "chats_list",
            "List chats",
            "Teams chats, the latest first, with members and last message.",
            schema::paged(&[], []),
            schema::output([("chats", "array"), ("more", "boolean")]),
            "Chat.Read",
        ),
        tool(
            "chat_read",
            "Read a chat",
            "Messages of one chat, newest first.",
            schema::paged(&["chat"], [("chat", schema::string("id"))]),
            schema::output([("messages", "array"), ("more", "boolean")]),
            "Chat.Read",
        ),
        tool(
            "channels_list",
            "List channels",
            "The account's teams; with team, that team's channels.",
            {
                let mut input = schema::input(&[], [("team", schema::string("id"))]);
                input["properties"]["cursor"] = schema::string("next of the last answer");
                input
            },
            schema::output([("teams", "array"), ("channels", "array"), ("more", "boolean")]),
            "Team.ReadBasic.All and Channel.ReadBasic.All",
        ),
        tool(
            "channel_read",
            "Read a channel",
            "Posts of one channel with their latest replies.",
            schema::paged(&["team", "channel"], [("team", schema::string("id")), ("channel", schema::string("id"))]),
            schema::output([("messages", "array"), ("more", "boolean")]),
            CHANNEL_READ[0],
        ),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chats {
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) async fn chats(run: &Run<'_>, asked: Chats) -> Result<Value, ToolError> {
    let limit = arguments::limit(asked.limit)?;
    let top = limit.to_string();
    let query = [
        ("$expand", "members,lastMessagePreview"),
        ("$orderby", "lastMessagePreview/createdDateTime desc"),
        ("$top", top.as_str()),
    ];
    let asked = AskedList { of: "", cursor: asked.cursor.as_deref(), limit, headers: &[] };
    let page = page(run, arguments::with_query("me/chats", &query), asked).await?;
    Ok(page.answer("chats", |chat| chat_row(chat, &run.account)))
}

fn chat_row(chat: &Value, own: &str) -> Value {
    let all = chat["members"].as_array().map(Vec::as_slice).unwrap_or_default();
    let others = all.iter().filter(|member| !string(member, "email").eq_ignore_ascii_case(own));
    let member = |member: &&Value| {
        let (name, email) =
            (text::line(string(member, "displayName"), NAME), text::line(string(member, "email"), NAME));
        if email.is_empty() { name } else { format!("{} <{email}>", name.replace(['<', '>'], "")) }
    };
    let members: Vec<String> = others.map(|one| member(&one)).filter(|name| !name.is_empty()).collect();
    // Of those that were cut off no more is known.
    let count = members.len() + all.iter().filter(|member| member.is_null()).count();
    let mut row = json!({
        "id": string(chat, "id"),
        "type": text::line(string(chat, "chatType"), 30),
        "members": first(members.into_iter(), count, MEMBERS),
    });
    let topic = text::line(string(chat, "topic"), NAME);
    if !topic.is_empty() {
        row["topic"] = topic.into();
    }
    if let Some(last) = chat.get("lastMessagePreview").filter(|last| last.is_object()) {
        row["last"] = json!({
            "at": string(last, "createdDateTime"),
            "from": sender(last),
            "preview": text::line(&body(&last["body"]), PREVIEW),
        });
    }
    row
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadChat {
    chat: String,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) async fn chat(run: &Run<'_>, asked: ReadChat) -> Result<Value, ToolError> {
    let id = arguments::id("chat", &asked.chat)?;
    let limit = arguments::limit(asked.limit)?;
    let top = limit.to_string();
    let first = arguments::with_query(
        &format!("chats/{id}/messages"),
        &[("$top", top.as_str()), ("$orderby", "createdDateTime desc")],
    );
    let asked = AskedList { of: &id, cursor: asked.cursor.as_deref(), limit, headers: &[] };
    Ok(page(run, first, asked).await?.answer("messages", |one| message(run, one, MESSAGE)))
}

/// Who wrote it: a person, an application, or nobody that is told.
fn sender(message: &Value) -> Option<String> {
    let from = message.get("from")?;
    let found = ["user", "application", "device"].iter().find_map(|kind| from.get(*kind)?.get("displayName")?.as_str());
    found.map(|name| text::line(name, NAME))
}

fn message(run: &Run<'_>, message: &Value, most: usize) -> Value {
    let is_gone = message.get("deletedDateTime").is_some_and(|time| !time.is_null());
    let mut row = json!({
        "id": string(message, "id"),
        "at": string(message, "createdDateTime"),
        "from": sender(message),
        "body": run.fence.around(&text::clean(&body(&message["body"]), most)),
    });
    if is_gone {
        row["deleted"] = true.into();
    }
    // Members who came and went, calls that ended.
    if !matches!(string(message, "messageType"), "" | "message") {
        row["event"] = text::line(string(&message["eventDetail"], "@odata.type"), NAME).into();
    }
    let subject = text::line(string(message, "subject"), SUBJECT);
    if !subject.is_empty() {
        row["subject"] = subject.into();
    }
    let files = message["attachments"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !files.is_empty() {
        let names = files.iter().map(|file| text::line(string(file, "name"), NAME));
        row["attachments"] = first(names, files.len(), ATTACHMENTS).into();
    }
    row
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Channels {
    team: Option<String>,
    cursor: Option<String>,
}

pub(super) async fn channels(run: &Run<'_>, asked: Channels) -> Result<Value, ToolError> {
    let team = asked.team.as_deref().map(|team| arguments::id("team", team)).transpose()?;
    let (first, of, name, other) = match &team {
        None => ("me/joinedTeams?$select=id,displayName,description".to_owned(), "", "teams", "channels"),
        Some(team) => {
            let path = format!("teams/{team}/channels?$select=id,displayName,description,membershipType");
            (path, team.as_str(), "channels", "teams")
        }
    };
    let asked = AskedList { of, cursor: asked.cursor.as_deref(), limit: LIST, headers: &[] };
    let mut answer = page(run, first, asked).await?.answer(name, |one| {
        let mut row = json!({ "id": string(one, "id"), "name": text::line(string(one, "displayName"), NAME) });
        for (name, field) in [("description", "description"), ("type", "membershipType")] {
            let value = text::line(string(one, field), NAME);
            if !value.is_empty() {
                row[name] = value.into();
            }
        }
        row
    });
    answer[other] = json!([]);
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadChannel {
    team: String,
    channel: String,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) async fn channel(run: &Run<'_>, asked: ReadChannel) -> Result<Value, ToolError> {
    let (team, channel) = (arguments::id("team", &asked.team)?, arguments::id("channel", &asked.channel)?);
    let limit = arguments::limit(asked.limit)?;
    // No sign-in of a person alone grants it: said before Graph is asked.
    let granted = run.graph.granted().await?;
    if !granted.iter().any(|scope| CHANNEL_READ.iter().any(|needed| same_scope(scope, needed))) {
        return Err(ToolError::NotGranted(CHANNEL_READ[0]));
    }
    let top = limit.to_string();
    let first = arguments::with_query(
        &format!("teams/{team}/channels/{channel}/messages"),
        &[("$top", top.as_str()), ("$expand", "replies")],
    );
    let of = format!("{team} {channel}");
    let asked = AskedList { of: &of, cursor: asked.cursor.as_deref(), limit, headers: &[] };
    Ok(page(run, first, asked).await?.answer("messages", |post| with_replies(run, post)))
}

fn with_replies(run: &Run<'_>, post: &Value) -> Value {
    let mut row = message(run, post, MESSAGE);
    let mut all: Vec<&Value> = post["replies"].as_array().map(|all| all.iter().collect()).unwrap_or_default();
    all.sort_by_key(|reply| string(reply, "createdDateTime"));
    if !all.is_empty() {
        let shown = all.len().saturating_sub(REPLIES);
        row["replies"] = all.iter().skip(shown).map(|reply| message(run, reply, REPLY)).collect();
        row["reply_count"] = all.len().into();
    }
    row
}
