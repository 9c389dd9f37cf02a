//! The tools of agents, against a Graph that answers as a test says.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod answers;
mod happy;
mod hostile;
mod pages;
mod sending;

use std::time::Duration;

use atthene_core::SecretChange;
use atthene_core::activity::{ActivityFilter, ActivityRow, Kind};
use atthene_core::connections::{ConnectionId, Toolkit};
use atthene_core::keys::KeyId;
use atthene_test_support::graph::ScriptedGraph;
use atthene_test_support::world::World;
use atthene_toolkits::tools::{ToolAnswer, ToolCaller, ToolError, call, tools};
use serde_json::{Map, Value};

const OUTLOOK: &str = "Mail.ReadWrite Calendars.Read Contacts.Read User.Read";
const TEAMS: &str = "Chat.Read Team.ReadBasic.All Channel.ReadBasic.All ChannelMessage.Read.All";

/// A profile with one account for each toolkit, at a scripted Graph.
struct Desk {
    world: World,
    graph: ScriptedGraph,
    outlook: ConnectionId,
}

impl Desk {
    async fn new() -> Self {
        let graph = ScriptedGraph::start().await;
        let world = World::at_graph(SecretChange::Keep, &graph.base).await;
        let outlook = world.connect_for(Toolkit::Outlook, "ada", OUTLOOK).await;
        world.connect_for(Toolkit::Teams, "ada", TEAMS).await;
        Self { world, graph, outlook }
    }

    async fn call(&self, tool: &str, arguments: &Value) -> Result<ToolAnswer, ToolError> {
        self.call_for(Duration::ZERO, tool, arguments).await
    }

    /// The same, waiting for so long.
    async fn call_for(&self, patience: Duration, tool: &str, arguments: &Value) -> Result<ToolAnswer, ToolError> {
        let caller = ToolCaller { key: KeyId("AAAAAAAAAA".into()), program: "a test".to_owned(), patience };
        let arguments: &Map<String, Value> = arguments.as_object().expect("arguments");
        call(&self.world.core, &caller, tool, arguments).await
    }

    async fn done(&self, tool: &str, arguments: &Value) -> Value {
        let answer = self.call(tool, arguments).await.unwrap_or_else(|error| panic!("{tool}: {error}")).structured;
        let listed = tools().iter().find(|listed| listed.name == tool).expect("a tool");
        for (field, schema) in listed.output["properties"].as_object().expect("properties") {
            let kind = match &answer[field] {
                Value::String(_) => "string",
                Value::Array(_) => "array",
                Value::Bool(_) => "boolean",
                Value::Number(_) => "integer",
                _ => "none",
            };
            assert_eq!(schema["type"], kind, "{tool}: {field} is not as it is listed");
        }
        answer
    }

    async fn fails(&self, tool: &str, arguments: &Value) -> String {
        match self.call(tool, arguments).await {
            Err(error) => error.to_string(),
            Ok(answer) => panic!("{tool}: {}", answer.text),
        }
    }

    /// The calls of tools on record, the latest first.
    fn record(&self) -> Vec<ActivityRow> {
        let filter = ActivityFilter { kinds: vec![Kind::ToolCalled], ..ActivityFilter::default() };
        self.world.core.activity.page(&filter, None).expect("reads").rows
    }
}
