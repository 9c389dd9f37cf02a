//! What an agent gave, read as the types that tools work with. Each problem names its argument.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ToolError;
use super::text;

/// Rows in one answer where none are asked for, and at most.
const ROWS: usize = 10;
pub(super) const MOST_ROWS: usize = 25;
/// Recipients of one mail, of all three kinds.
const MOST_RECIPIENTS: usize = 500;
const LONGEST_ID: usize = 512;
const LONGEST_ADDRESS: usize = 320;

fn refused<T>(problem: String) -> Result<T, ToolError> {
    Err(ToolError::Arguments(problem))
}

/// The arguments of one tool.
pub(super) fn read<T: DeserializeOwned>(given: &Map<String, Value>) -> Result<T, ToolError> {
    let read = |given: &Map<String, Value>| serde_json::from_value::<T>(Value::Object(given.clone()));
    let error = match read(given) {
        Ok(arguments) => return Ok(arguments),
        Err(error) => error.to_string(),
    };
    // Serde does not say which argument has the wrong type: it is the one without which the problem is another.
    let without = |name: &&String| {
        let mut fewer = given.clone();
        fewer.remove(name.as_str());
        read(&fewer).map_or_else(|other| other.to_string() != error, |_| true)
    };
    let culprit = if error.starts_with("missing field") { None } else { given.keys().take(50).find(without) };
    let error = text::line(&error, 300);
    refused(match culprit {
        Some(name) => format!("The argument {} can't be read: {error}.", text::line(name, 60)),
        None => format!("The arguments can't be read: {error}."),
    })
}

/// How many rows are asked for.
pub(super) fn limit(limit: Option<u32>) -> Result<usize, ToolError> {
    match limit.map(usize::try_from) {
        None => Ok(ROWS),
        Some(Ok(limit)) if (1..=MOST_ROWS).contains(&limit) => Ok(limit),
        Some(_) => refused(format!("The argument limit has to be 1 to {MOST_ROWS}; ask for the rest with next.")),
    }
}

/// A text of at most this many characters.
pub(super) fn text<'a>(name: &str, text: &'a str, most: u32) -> Result<&'a str, ToolError> {
    let length = text.chars().count();
    if length > most as usize {
        return refused(format!("The argument {name} has {length} characters; {most} are the most."));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return refused(format!("The argument {name} has control characters; leave them out."));
    }
    Ok(text)
}

/// An id, as a segment of a path.
pub(super) fn id(name: &str, id: &str) -> Result<String, ToolError> {
    if is_id(id) {
        return Ok(encoded(id));
    }
    refused(format!("The argument {name} is no id. Give one exactly as a tool answered it."))
}

pub(super) fn is_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_=+-:.@!".contains(&byte);
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(allowed) && id.bytes().any(|byte| byte != b'.')
}

/// Percent-encoded, all but what stands for itself everywhere.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for half in [byte >> 4, byte & 15] {
                out.push(char::from(b"0123456789ABCDEF"[usize::from(half)]));
            }
        }
    }
    out
}

/// A path with its query.
pub(super) fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| {
        // Names of properties and fields stay readable.
        format!("{name}={}", encoded(value).replace("%2C", ",").replace("%2F", "/"))
    };
    format!("{path}?{}", query.iter().map(pair).collect::<Vec<_>>().join("&"))
}

/// A text as an `OData` string.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A moment: RFC 3339, or a day at its beginning, in UTC.
pub(super) fn moment(name: &str, text: &str) -> Result<Timestamp, ToolError> {
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    // A longer text could be read as a day with a time of nobody's zone.
    let day = if text.len() == 10 { day() } else { None };
    match day.map_or_else(|| text.parse::<Timestamp>(), Ok) {
        Ok(moment) => Ok(moment),
        Err(_) => refused(format!(
            "The argument {name} is no time. Write it as 2026-11-27T09:00:00Z, with an offset, or as a day."
        )),
    }
}

/// A moment as Graph and agents read it.
pub(super) fn written(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Mail addresses.
pub(super) fn addresses(name: &str, given: &[String]) -> Result<(), ToolError> {
    let bad = given.iter().find(|address| {
        let parts = address.split_once('@');
        let sound = parts.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'));
        !sound || address.len() > LONGEST_ADDRESS || address.chars().any(|c| c.is_control() || c.is_whitespace())
    });
    match bad {
        None => Ok(()),
        Some(bad) => refused(format!(
            "The argument {name} has {:?}, which is no address. Write ada@contoso.com, without a name.",
            text::line(bad, 60)
        )),
    }
}

/// All recipients of one mail.
pub(super) fn recipients(kinds: [(&str, &[String]); 3]) -> Result<(), ToolError> {
    let count: usize = kinds.iter().map(|(_, given)| given.len()).sum();
    if count > MOST_RECIPIENTS {
        return refused(format!("A mail has at most {MOST_RECIPIENTS} recipients; {count} were given."));
    }
    kinds.iter().try_for_each(|(name, given)| addresses(name, given))
}
