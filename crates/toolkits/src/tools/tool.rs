//! What a tool is, who calls it, and what it answers.

use std::time::Duration;

use atthene_core::connections::{ConnectionId, Toolkit};
use atthene_core::keys::KeyId;
use atthene_core::permissions::Act;
use serde_json::{Value, json};

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
