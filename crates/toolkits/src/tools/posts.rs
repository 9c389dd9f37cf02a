//! Posts to chats and channels.

use atthene_core::approvals::{Editable, Shown};
use atthene_core::connections::Toolkit;
use atthene_core::permissions::Act;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ToolError;
use super::people::string;
use super::run::Run;
use super::text::{self, NAME};
use super::tool::Tool;
use super::{arguments, schema};

/// Characters of a post: Teams takes about 28 KB.
const POST: u32 = 10_000;

pub(super) fn tools() -> Vec<Tool> {
    let tool = |name, title, description, input, scope| Tool {
        name,
        title,
        description,
        input,
        output: schema::output([("id", "string")]),
        act: Act::Send,
        toolkit: Toolkit::Teams,
        idempotent: true,
        scope,
    };
    vec![
        tool(
            "chat_send",
            "Post to a chat",
            "Posts plain text; as mail_send.",
            schema::input(&["chat", "text"], [("chat", schema::string("id")), ("text", schema::string(""))]),
            "ChatMessage.Send",
        ),
        tool(
            "channel_send",
            "Post to a channel",
            "Posts plain text, or answers a post; as mail_send.",
            schema::input(
                &["team", "channel", "text"],
                [
                    ("team", schema::string("id")),
                    ("channel", schema::string("id")),
                    ("text", schema::string("")),
                    ("reply_to", schema::string("id of the post that begins the thread")),
                ],
            ),
            "ChannelMessage.Send",
        ),
    ]
}

fn post(text: &str) -> Value {
    json!({ "body": { "contentType": "text", "content": text } })
}

fn written(text: &str) -> Result<&str, ToolError> {
    if text.trim().is_empty() {
        return Err(ToolError::Arguments("The argument text is empty.".to_owned()));
    }
    arguments::text("text", text, POST)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChatPost {
    chat: String,
    text: String,
}

pub(super) async fn shown_chat(run: &Run<'_>, asked: &ChatPost) -> Result<Shown, ToolError> {
    let chat = arguments::id("chat", &asked.chat)?;
    let found = run.graph.get(&format!("chats/{chat}?$expand=members"), &[]).await?;
    let members = found["members"].as_array().into_iter().flatten();
    Ok(Shown {
        recipients: members.map(|member| text::line(string(member, "displayName"), NAME)).collect(),
        are_addresses: false,
        subject: text::line(string(&found, "topic"), NAME),
        body: written(&asked.text)?.to_owned(),
        more: vec![("Chat".to_owned(), asked.chat.clone())],
        editable: Editable { subject: None, body: Some(POST) },
        is_edited: false,
    })
}

pub(super) async fn to_chat(run: &Run<'_>, asked: ChatPost) -> Result<Value, ToolError> {
    let chat = arguments::id("chat", &asked.chat)?;
    let made = run.graph.act(&format!("chats/{chat}/messages"), Some(&post(&run.shown.body)), &[]).await?;
    Ok(json!({ "id": string(&made, "id") }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelPost {
    team: String,
    channel: String,
    text: String,
    reply_to: Option<String>,
}

pub(super) async fn shown_channel(run: &Run<'_>, asked: &ChannelPost) -> Result<Shown, ToolError> {
    let (team, channel) = (arguments::id("team", &asked.team)?, arguments::id("channel", &asked.channel)?);
    let found = run.graph.get(&format!("teams/{team}/channels/{channel}?$select=displayName"), &[]).await?;
    let name = text::line(string(&found, "displayName"), NAME);
    let thread = asked.reply_to.clone().unwrap_or_default();
    // Not every account may ask for it.
    let team = match run.graph.get(&format!("teams/{team}?$select=displayName"), &[]).await {
        Ok(found) => format!("{} ({})", text::line(string(&found, "displayName"), NAME), asked.team),
        Err(_) => asked.team.clone(),
    };
    Ok(Shown {
        recipients: Vec::new(),
        are_addresses: false,
        subject: String::new(),
        body: written(&asked.text)?.to_owned(),
        more: [("Channel", name), ("Team", team), ("Thread", thread)]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        editable: Editable { subject: None, body: Some(POST) },
        is_edited: false,
    })
}

pub(super) async fn to_channel(run: &Run<'_>, asked: ChannelPost) -> Result<Value, ToolError> {
    let (team, channel) = (arguments::id("team", &asked.team)?, arguments::id("channel", &asked.channel)?);
    let path = match &asked.reply_to {
        Some(thread) => {
            format!("teams/{team}/channels/{channel}/messages/{}/replies", arguments::id("reply_to", thread)?)
        }
        None => format!("teams/{team}/channels/{channel}/messages"),
    };
    let made = run.graph.act(&path, Some(&post(&run.shown.body)), &[]).await?;
    Ok(json!({ "id": string(&made, "id") }))
}
