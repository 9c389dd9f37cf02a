//! The few forms that schemas of tools are made of. Every character is read by every agent in every conversation.

use serde_json::{Map, Value, json};

pub(super) fn string(description: &str) -> Value {
    described("string", description)
}

pub(super) fn flag(description: &str) -> Value {
    described("boolean", description)
}

pub(super) fn number(description: &str) -> Value {
    described("integer", description)
}

pub(super) fn strings(description: &str) -> Value {
    let mut schema = described("array", description);
    schema["items"] = json!({ "type": "string" });
    schema
}

fn described(kind: &str, description: &str) -> Value {
    if description.is_empty() { json!({ "type": kind }) } else { json!({ "type": kind, "description": description }) }
}

/// The arguments of a tool, with the connection, which every tool has.
pub(super) fn input<const N: usize>(required: &[&str], properties: [(&str, Value); N]) -> Value {
    let mut all: Map<String, Value> = properties.map(|(name, schema)| (name.to_owned(), schema)).into_iter().collect();
    all.insert("connection".to_owned(), string("id; needed where several are connected"));
    json!({ "type": "object", "properties": all, "required": required, "additionalProperties": false })
}

/// The same of a list that comes by pages.
pub(super) fn paged<const N: usize>(required: &[&str], properties: [(&str, Value); N]) -> Value {
    let mut schema = input(required, properties);
    schema["properties"]["limit"] = json!({ "type": "integer", "maximum": super::arguments::MOST_ROWS });
    schema["properties"]["cursor"] = string("next of the last answer");
    schema
}

/// An answer that has these fields always.
pub(super) fn output<const N: usize>(properties: [(&str, &str); N]) -> Value {
    let required: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let all: Map<String, Value> =
        properties.iter().map(|(name, kind)| ((*name).to_owned(), json!({ "type": kind }))).collect();
    json!({ "type": "object", "properties": all, "required": required })
}
