//! What agents did by a tool, on record.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ConnectionId, Connections, Toolkit};
use crate::activity::{ActOutcome, Kind};
use crate::error::Error;
use crate::keys::KeyId;
use crate::permissions::Act;

/// One call of a tool, as it is recorded.
pub struct ToolCall<'a> {
    pub tool: &'a str,
    pub act: Act,
    pub outcome: ActOutcome,
    /// Why it failed; never a value that the agent gave.
    pub problem: Option<&'a str>,
    /// How often the provider was asked.
    pub calls: u32,
    /// From the call to its answer.
    pub time: Duration,
    pub program: &'a str,
    /// The key that the program came with.
    pub key: &'a KeyId,
    /// The names of the arguments that were given, never their values.
    pub arguments: &'a [&'a str],
}

impl Connections {
    /// A tool was called, and no connection was chosen for it.
    pub fn tool_not_called(&self, toolkit: Toolkit, call: &ToolCall<'_>) -> Result<(), Error> {
        let key = self.names(&ConnectionId::from_row(String::new()), Some(call.key))?.1;
        let detail = told("", key.as_deref(), call);
        self.record(Kind::ToolCalled, toolkit.as_str(), call.outcome, detail)
    }

    /// A tool was called: what came of it, without what it was called with or answered.
    pub fn tool_called(&self, id: &ConnectionId, call: &ToolCall<'_>) -> Result<(), Error> {
        let (account, key) = self.names(id, Some(call.key))?;
        let detail = told(&account, key.as_deref(), call);
        // A call that was refused before the provider was asked has used nothing.
        if call.calls == 0 {
            return self.record(Kind::ToolCalled, id.as_str(), call.outcome, detail);
        }
        let entry = self.recorder.entry(Kind::ToolCalled, id.as_str(), call.outcome, detail);
        Ok(self.store.used(id, self.clock.now(), &entry)?)
    }
}

fn told(account: &str, key: Option<&str>, call: &ToolCall<'_>) -> Value {
    json!({
        "account": account,
        "key": key,
        "tool": call.tool,
        "act": call.act,
        "arguments": call.arguments,
        "problem": call.problem,
        "calls": call.calls,
        "ms": u64::try_from(call.time.as_millis()).unwrap_or(u64::MAX),
        "program": call.program,
    })
}
