//! The tools of agents: what is offered, and one way in for all of them ([`call`]). Each tool's listing stands beside
//! its work. What others wrote is cleaned, cut and fenced before an agent reads it.

mod arguments;
mod asking;
mod attachments;
mod calendar;
mod choose;
mod client;
mod contacts;
mod cursor;
mod drafts;
mod error;
mod fence;
mod folders;
mod html;
mod invites;
mod mail;
mod paging;
mod people;
mod posts;
mod schema;
mod sends;
mod teams;
mod text;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use atthene_core::activity::ActOutcome;
use atthene_core::connections::{ConnectionId, ConnectionView, ToolCall, Toolkit};
use atthene_core::keys::KeyId;
use atthene_core::permissions::{Act, Leave, Use};
use atthene_core::{Core, blocking};
use serde_json::{Map, Value, json};

use client::Graph;
pub use error::{Refusal, ToolError};
use fence::Fence;

/// One tool as it is listed.
pub struct Tool {
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    /// The JSON schema of its arguments.
    pub input: Value,
    /// The JSON schema of its structured answer.
    pub output: Value,
    pub act: Act,
    pub toolkit: Toolkit,
    /// Whether calling it twice does no more than calling it once.
    pub idempotent: bool,
    /// What the account has to have granted. Not listed: a refusal names it.
    pub scope: &'static str,
}

impl Tool {
    /// The tool as MCP lists it.
    pub fn listing(&self) -> Value {
        json!({
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": self.input,
            "outputSchema": self.output,
            "annotations": {
                "readOnlyHint": self.act == Act::Read,
                "destructiveHint": matches!(self.act, Act::Send | Act::Delete),
                "idempotentHint": self.idempotent,
                "openWorldHint": true,
            },
        })
    }
}

/// All tools, always in the same order.
pub fn tools() -> &'static [Tool] {
    static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| {
        let rooms = [
            mail::tools(),
            attachments::tools(),
            drafts::tools(),
            sends::tools(),
            calendar::tools(),
            invites::tools(),
            contacts::tools(),
            teams::tools(),
            posts::tools(),
        ];
        rooms.into_iter().flatten().collect()
    });
    &TOOLS
}

/// Who calls.
pub struct ToolCaller {
    /// The key that the program came with.
    pub key: KeyId,
    pub program: String,
    /// How long it waits for a person.
    pub patience: Duration,
}

/// What a tool answers: for programs, and as text for models.
#[derive(Debug)]
pub struct ToolAnswer {
    /// Through which connection.
    pub connection: ConnectionId,
    pub structured: Value,
    pub text: String,
}

/// One call of one tool, under way.
struct Run<'a> {
    graph: Graph<'a>,
    fence: Fence,
    /// Whose connection it is, as it is shown.
    account: String,
    /// Names an act that is done once only.
    name: String,
}

/// Calls a tool. What came of it is put on record before it is told, and told even where that fails: an error would
/// have an agent do it again.
pub async fn call(
    core: &Arc<Core>,
    caller: &ToolCaller,
    name: &str,
    arguments: &Map<String, Value>,
) -> Result<ToolAnswer, ToolError> {
    let started = Instant::now();
    let tool = tools().iter().find(|tool| tool.name == name);
    let tool = tool.ok_or_else(|| ToolError::Unknown(text::line(name, 60)))?;
    let chosen = choose::connection(core, tool.toolkit, arguments.get("connection")).await?;
    let mut given = arguments.clone();
    given.remove("connection");
    let id = chosen.id.clone();
    let (answer, calls) = Box::pin(run(core, caller, tool, chosen, &given)).await;
    // Only names that the tool knows: the others are an agent's own words.
    let known = |name: &&String| tool.input["properties"].get(name.as_str()).is_some();
    let names: Vec<String> = arguments.keys().filter(known).cloned().collect();
    let problem = answer.as_ref().err().map(ToolError::word);
    record(core, caller, &id, tool, Recorded { problem, calls, names, started }).await;
    answer
}

/// The answer, and how often Graph was asked for it.
async fn run(
    core: &Arc<Core>,
    caller: &ToolCaller,
    tool: &'static Tool,
    chosen: ConnectionView,
    given: &Map<String, Value>,
) -> (Result<ToolAnswer, ToolError>, u32) {
    let (asked, id) = (core.clone(), chosen.id.clone());
    let leave = match blocking(move || asked.connections.permit(&id, Use::Tool(tool.act))).await {
        Ok(leave) => leave,
        Err(error) => return (Err(error.into()), 0),
    };
    if leave == Leave::Asked || matches!(tool.act, Act::Send | Act::Delete) {
        return match asking::ask_and_run(core, caller, tool, &chosen, given, leave).await {
            Ok((found, calls)) => (Ok(Fence::new().answer(chosen.id, found)), calls),
            Err(error) => (Err(error), 0),
        };
    }
    let graph = Graph::new(core, chosen.id.clone(), tool, false);
    let run = Run { graph, fence: Fence::new(), account: chosen.account, name: String::new() };
    let answer = dispatch(&run, tool, given).await.map(|found| run.fence.answer(chosen.id, found));
    (answer, run.graph.calls())
}

async fn dispatch(run: &Run<'_>, tool: &Tool, given: &Map<String, Value>) -> Result<Value, ToolError> {
    match tool.name {
        "mail_search" => mail::search(run, arguments::read(given)?).await,
        "mail_read" => mail::read(run, arguments::read(given)?).await,
        "attachment_get" => attachments::get(run, arguments::read(given)?).await,
        "mail_draft" => drafts::draft(run, arguments::read(given)?).await,
        "mail_move" => drafts::move_to(run, arguments::read(given)?).await,
        "calendar_list" => calendar::list(run, arguments::read(given)?).await,
        "calendar_find_time" => calendar::find_time(run, arguments::read(given)?).await,
        "contacts_search" => contacts::search(run, arguments::read(given)?).await,
        "chats_list" => teams::chats(run, arguments::read(given)?).await,
        "chat_read" => teams::chat(run, arguments::read(given)?).await,
        "channels_list" => teams::channels(run, arguments::read(given)?).await,
        "channel_read" => teams::channel(run, arguments::read(given)?).await,
        "mail_send" => sends::send(run, arguments::read(given)?).await,
        "mail_reply" => sends::reply(run, arguments::read(given)?).await,
        "event_create" => invites::create(run, arguments::read(given)?).await,
        "event_respond" => invites::respond(run, arguments::read(given)?).await,
        "chat_send" => posts::to_chat(run, arguments::read(given)?).await,
        "channel_send" => posts::to_channel(run, arguments::read(given)?).await,
        name => Err(ToolError::Unknown(name.to_owned())),
    }
}

/// What is written down of a call besides who made it.
struct Recorded {
    problem: Option<String>,
    calls: u32,
    names: Vec<String>,
    started: Instant,
}

async fn record(core: &Arc<Core>, caller: &ToolCaller, id: &ConnectionId, tool: &'static Tool, what: Recorded) {
    let (core, id, key, program) = (core.clone(), id.clone(), caller.key.clone(), caller.program.clone());
    let time = what.started.elapsed();
    let written = blocking(move || {
        let names: Vec<&str> = what.names.iter().map(String::as_str).collect();
        core.connections.tool_called(
            &id,
            &ToolCall {
                tool: tool.name,
                act: tool.act,
                outcome: if what.problem.is_none() { ActOutcome::Done } else { ActOutcome::Failed },
                problem: what.problem.as_deref(),
                calls: what.calls,
                time,
                program: &program,
                key: &key,
                arguments: &names,
            },
        )
    });
    if let Err(error) = written.await {
        tracing::error!(%error, tool = tool.name, "a tool was called that is not on record");
    }
}
