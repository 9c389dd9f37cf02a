//! What binds a yes to what was shown.

use std::fmt::Write as _;

use blake2::{Blake2s256, Digest};
use serde_json::Value;

use crate::connections::ConnectionId;

/// BLAKE2s-256 (RFC 7693) over the connection, the tool and its arguments, whatever order their names came in.
pub fn digest(connection: &ConnectionId, tool: &str, arguments: &Value) -> [u8; 32] {
    let mut text = String::new();
    canonical(arguments, &mut text);
    let mut hash = Blake2s256::new();
    for part in [connection.as_str(), tool, &text] {
        // The length first: no two rows of parts read alike.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

fn canonical(value: &Value, to: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            to.push('{');
            for (name, value) in sorted {
                let _ = write!(to, "{}:", Value::String(name.clone()));
                canonical(value, to);
                to.push(',');
            }
            to.push('}');
        }
        Value::Array(all) => {
            to.push('[');
            for value in all {
                canonical(value, to);
                to.push(',');
            }
            to.push(']');
        }
        plain => {
            let _ = write!(to, "{plain}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(arguments: &Value) -> [u8; 32] {
        digest(&ConnectionId::from_row("outlook-abcdefgh".into()), "mail_send", arguments)
    }

    #[test]
    fn the_order_of_names_is_nothing_and_everything_else_counts() {
        let sent: Value = serde_json::from_str(r#"{"to":["a","b"],"subject":"s"}"#).expect("JSON");
        let same: Value = serde_json::from_str(r#"{"subject":"s","to":["a","b"]}"#).expect("JSON");
        assert_eq!(of(&sent), of(&same));
        for other in [
            json!({ "to": ["b", "a"], "subject": "s" }),
            json!({ "to": ["a", "b"], "subject": "s " }),
            json!({ "to": ["a,b"], "subject": "s" }),
            json!({ "to": ["a", "b"], "subject": null }),
            json!({ "to": ["a", "b"] }),
        ] {
            assert_ne!(of(&sent), of(&other), "{other}");
        }
    }
}
