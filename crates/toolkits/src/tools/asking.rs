//! Calls of tools that a person may have to allow, or that are done once only.

use std::sync::Arc;

use atthene_core::Core;
use atthene_core::approvals::{AskedAct, Shown, digest, hides_something};
use atthene_core::connections::ConnectionView;
use atthene_core::hex;
use atthene_core::permissions::{Act, Leave};
use serde_json::{Map, Value, json};

use super::client::Graph;
use super::dispatch::dispatch;
use super::error::ToolError;
use super::fence::Fence;
use super::run::Run;
use super::tool::{Tool, ToolCaller};
use super::{arguments, invites, posts, sends, text};
use crate::once::{Did, WorkEnd, once};

/// Characters of one argument that a person is shown.
const SHOWN: usize = 1_000;

/// Does what `dispatch` would, with a person's yes where `leave` wants one, and once only where it can't be taken back.
pub(super) async fn ask_and_run(
    core: &Arc<Core>,
    caller: &ToolCaller,
    tool: &'static Tool,
    chosen: &ConnectionView,
    given: &Map<String, Value>,
    leave: Leave,
) -> Result<(Value, u32), ToolError> {
    // What is to be shown is only looked at.
    let reading = Run {
        graph: Graph::looking(core, chosen.id.clone(), tool),
        fence: Fence::new(),
        account: chosen.account.clone(),
        shown: Shown::default(),
        name: String::new(),
    };
    let shown = shown(&reading, tool, given).await?;
    let lines = shown.recipients.iter().chain([&shown.subject, &shown.body]);
    let values = shown.more.iter().map(|(_, value)| value);
    if lines.chain(values).any(|text| hides_something(text)) {
        let why = "A person could not see all of what this says: it has characters that hide. Leave them out.";
        return Err(ToolError::Arguments(why.to_owned()));
    }
    let digest = digest(&chosen.id, tool.name, &json!({ "arguments": given, "shown": shown }));
    let asked = AskedAct {
        connection: chosen.id.clone(),
        account: chosen.account.clone(),
        act: tool.act,
        tool: tool.name.to_owned(),
        program: caller.program.clone(),
        key: caller.key.clone(),
        shown: shown.clone(),
        digest,
    };
    let graph = Graph::new(core, chosen.id.clone(), tool, leave == Leave::Asked);
    let work = async |edited: Option<Shown>| {
        let is_edited = edited.is_some();
        // What a person wrote instead is what they said yes to.
        let run = Run { graph, shown: edited.unwrap_or(shown), name: hex(&digest[..16]), ..reading };
        match dispatch(&run, tool, given).await {
            // What was read is not kept for others.
            Ok(found) if matches!(tool.act, Act::Read | Act::Draft) => {
                WorkEnd::Done((found, run.graph.calls()), Value::Null)
            }
            Ok(mut found) => {
                if is_edited {
                    mark(&mut found, "edited");
                }
                WorkEnd::Done((found.clone(), run.graph.calls()), found)
            }
            Err(error) if run.graph.may_have_acted() => WorkEnd::Unknown(error),
            Err(error) => WorkEnd::NoEffect(error),
        }
    };
    match once(core, asked, leave, caller.patience, work).await? {
        Did::Now(done) => Ok(done),
        Did::Before(mut found) => {
            mark(&mut found, "repeated");
            Ok((found, 0))
        }
        Did::Waiting(id) => Err(ToolError::Waiting(id.as_str().to_owned())),
        Did::Denied => Err(ToolError::Denied),
        Did::Begun => Err(ToolError::Begun),
    }
}

/// Says of an answer that something else came of the call than its arguments alone tell.
fn mark(found: &mut Value, word: &str) {
    if let Some(found) = found.as_object_mut() {
        found.insert(word.to_owned(), true.into());
    }
}

async fn shown(run: &Run<'_>, tool: &Tool, given: &Map<String, Value>) -> Result<Shown, ToolError> {
    match tool.name {
        "mail_send" => sends::shown_mail(&arguments::read(given)?),
        "mail_reply" => sends::shown_reply(run, &arguments::read(given)?).await,
        "event_create" => invites::shown_event(&arguments::read(given)?),
        "event_respond" => invites::shown_answer(run, &arguments::read(given)?).await,
        "chat_send" => posts::shown_chat(run, &arguments::read(given)?).await,
        "channel_send" => posts::shown_channel(run, &arguments::read(given)?).await,
        // As it was asked for.
        _ => {
            // An agent's own names would stand there like ours.
            if let Some(name) = given.keys().find(|name| tool.input["properties"].get(name.as_str()).is_none()) {
                return Err(ToolError::Arguments(format!("There is no argument {}.", text::line(name, 60))));
            }
            let line = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let more = given.iter().map(|(name, value)| (name.clone(), text::clean(&line(value), SHOWN)));
            Ok(Shown { more: more.collect(), ..Shown::default() })
        }
    }
}
