//! Who wrote, who was invited: names that strangers chose, always beside their address.

use serde_json::Value;

use super::text::{self, NAME};

/// A string of an answer of Graph's; empty where there is none.
pub(super) fn string<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// `Ada <ada@contoso.com>`, of what Graph calls a recipient.
pub(super) fn person(recipient: &Value) -> Option<String> {
    let of = recipient.get("emailAddress")?;
    let (name, address) = (text::line(string(of, "name"), NAME), text::line(string(of, "address"), NAME));
    Some(match (name.as_str(), address.as_str()) {
        ("", "") => return None,
        (name, "") => name.to_owned(),
        ("", address) => address.to_owned(),
        (name, address) if name.eq_ignore_ascii_case(address) => address.to_owned(),
        // A name may not look like an address of its own.
        (name, address) => format!("{} <{address}>", name.replace(['<', '>'], "")),
    })
}

/// The first of them, and how many there are more.
pub(super) fn people(recipients: &Value, most: usize) -> Vec<String> {
    let all = recipients.as_array().map(Vec::as_slice).unwrap_or_default();
    first(all.iter().filter_map(person), all.len(), most)
}

/// The first of so many, and how many there are more.
pub(super) fn first(all: impl Iterator<Item = String>, count: usize, most: usize) -> Vec<String> {
    let mut shown: Vec<String> = all.take(most).collect();
    if count > most {
        shown.push(format!("and {} more", count - most));
    }
    shown
}
