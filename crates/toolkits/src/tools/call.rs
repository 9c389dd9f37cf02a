//! The one way in for all tools.

use std::sync::Arc;
use std::time::Instant;

use atthene_core::activity::ActOutcome;
use atthene_core::approvals::Shown;
use atthene_core::connections::{ConnectionId, ConnectionView, ToolCall};
use atthene_core::permissions::{Act, Intent, Leave};
use atthene_core::{Core, blocking};
use serde_json::{Map, Value};

use super::client::Graph;
use super::dispatch::{dispatch, tools};
use super::error::ToolError;
use super::fence::Fence;
use super::run::Run;
use super::tool::{Tool, ToolAnswer, ToolCaller};
use super::{asking, choose, text};

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
    let chosen = choose::connection(core, tool.toolkit, arguments.get("connection")).await;
    let mut given = arguments.clone();
    given.remove("connection");
    let id = chosen.as_ref().ok().map(|chosen| chosen.id.clone());
    let (answer, calls) = match chosen {
        Ok(chosen) => Box::pin(run(core, caller, tool, chosen, &given)).await,
        Err(error) => (Err(error), 0),
    };
    // Only names that the tool knows: the others are an agent's own words.
    let known = |name: &&String| tool.input["properties"].get(name.as_str()).is_some();
    let mut names: Vec<String> = arguments.keys().filter(known).cloned().collect();
    names.sort();
    let problem = answer.as_ref().err().map(ToolError::word);
    record(core, caller, id, tool, Recorded { problem, calls, names, started }).await;
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
    let leave = match blocking(move || asked.connections.permit(&id, Intent::Tool(tool.act))).await {
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
    let run = Run { graph, fence: Fence::new(), account: chosen.account, shown: Shown::default(), name: String::new() };
    let answer = dispatch(&run, tool, given).await.map(|found| run.fence.answer(chosen.id, found));
    (answer, run.graph.calls())
}

/// What is written down of a call besides who made it.
struct Recorded {
    problem: Option<String>,
    calls: u32,
    names: Vec<String>,
    started: Instant,
}

/// `id` is `None` where no connection was chosen.
async fn record(core: &Arc<Core>, caller: &ToolCaller, id: Option<ConnectionId>, tool: &'static Tool, what: Recorded) {
    let (core, key, program) = (core.clone(), caller.key.clone(), caller.program.clone());
    let time = what.started.elapsed();
    let written = blocking(move || {
        let names: Vec<&str> = what.names.iter().map(String::as_str).collect();
        let call = ToolCall {
            tool: tool.name,
            act: tool.act,
            outcome: if what.problem.is_none() { ActOutcome::Done } else { ActOutcome::Failed },
            problem: what.problem.as_deref(),
            calls: what.calls,
            time,
            program: &program,
            key: &key,
            arguments: &names,
        };
        match id {
            Some(id) => core.connections.tool_called(&id, &call),
            None => core.connections.tool_not_called(tool.toolkit, &call),
        }
    });
    if let Err(error) = written.await {
        tracing::error!(%error, tool = tool.name, "a tool was called that is not on record");
    }
}
