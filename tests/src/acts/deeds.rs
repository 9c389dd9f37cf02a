//! What agents want, drawn at random: by a tool, by a call of their own to Graph, or the access itself.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use serde_json::{Value, json};

use super::essence;
use super::office::subject_of;

/// What comes of a deed at Graph, known by whoever drew it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Read,
    Draft,
    Send,
    Delete,
    /// Nobody can tell.
    Anything,
}

/// The way that it goes.
#[derive(Debug, Clone)]
pub(super) enum Way {
    Tool {
        name: &'static str,
        arguments: Vec<(&'static str, Value)>,
    },
    Graph {
        method: &'static str,
        path: String,
        kind: &'static str,
        body: String,
    },
    /// A file, by the link that a tool gave.
    Link(String),
    Token,
}

/// One deed. The same again is the same deed, however it is written.
#[derive(Debug, Clone)]
pub(super) struct Deed {
    /// Of the two connections, the one that it goes through.
    pub(super) through: usize,
    pub(super) effect: Effect,
    pub(super) way: Way,
    /// What arrives at Graph of it.
    pub(super) essence: String,
}

impl Deed {
    pub(super) fn is_by_tool(&self) -> bool {
        matches!(self.way, Way::Tool { .. } | Way::Link(_))
    }

    /// The file that this tool has led to.
    pub(super) fn file(&self, link: &str) -> Self {
        let essence = self.essence.replacen("attachment", "file", 1);
        Self { through: self.through, effect: Effect::Read, way: Way::Link(link.to_owned()), essence }
    }

    /// To whom a tool sends, where the addresses are the whole of it.
    pub(super) fn addresses(&self) -> Option<Vec<String>> {
        let Way::Tool { name: "mail_send" | "event_create", arguments } = &self.way else { return None };
        let lists = arguments.iter().filter(|(name, _)| ["to", "cc", "bcc", "attendees"].contains(name));
        let all = lists.flat_map(|(_, list)| list.as_array().cloned().unwrap_or_default());
        Some(all.filter_map(|one| one.as_str().map(str::to_lowercase)).collect())
    }
}

const PEOPLE: [&str; 3] = ["grace@contoso.example", "eve@evil.example", "Alan@contoso.example"];
const JSON: &str = "application/json";

fn some_people(random: &mut StdRng) -> Vec<String> {
    let count = random.random_range(1..=2);
    PEOPLE.sample(random, count).map(|one| (*one).to_owned()).collect()
}

fn by_tool(effect: Effect, name: &'static str, arguments: Vec<(&'static str, Value)>, essence: String) -> Deed {
    let through = usize::from(name == "chat_send");
    Deed { through, effect, way: Way::Tool { name, arguments }, essence }
}

fn by_graph(effect: Effect, method: &'static str, path: String, kind: &'static str, body: String) -> Deed {
    let kind = if body.is_empty() { "" } else { kind };
    let essence = essence::raw(&format!("{method} {path}"), kind, &body);
    Deed { through: 0, effect, way: Way::Graph { method, path, kind, body }, essence }
}

/// A deed that nobody has wanted before: `number` marks it.
pub(super) fn draw(random: &mut StdRng, number: u64) -> Deed {
    match random.random_range(0..100) {
        0..56 => tool(random, number),
        56..95 => graph(random, number),
        _ => Deed {
            through: random.random_range(0..2),
            effect: Effect::Anything,
            way: Way::Token,
            essence: "token".to_owned(),
        },
    }
}

fn tool(random: &mut StdRng, number: u64) -> Deed {
    let (mark, id) = (format!("Offer nonce{number}."), format!("m-nonce{number}x"));
    let words = "The words of today.".to_owned();
    let people = some_people(random);
    match random.random_range(0..24) {
        0..9 => {
            let essence = essence::mail(&people, &[], &[], &mark, &words);
            let arguments = vec![("to", json!(people)), ("subject", json!(mark)), ("body", json!(words))];
            by_tool(Effect::Send, "mail_send", arguments, essence)
        }
        9..12 => {
            let grace = [PEOPLE[0].to_owned()];
            let essence = essence::reply(&grace, &format!("Re: {}", subject_of(&id)), &words);
            by_tool(Effect::Send, "mail_reply", vec![("id", json!(id)), ("body", json!(words))], essence)
        }
        12..14 => {
            let (from, to) = ("2026-11-27T09:00:00Z", "2026-11-27T10:00:00Z");
            let essence = essence::event(&people, &mark, "", from, to);
            let times = [("from", json!(from)), ("to", json!(to))];
            let arguments = [vec![("subject", json!(mark)), ("attendees", json!(people))], times.into()].concat();
            by_tool(Effect::Send, "event_create", arguments, essence)
        }
        14..16 => {
            let answer = *["accept", "decline"].choose(random).unwrap_or(&"accept");
            let essence = essence::respond(&subject_of(&id), answer, &mark);
            let arguments = vec![("id", json!(id)), ("answer", json!(answer)), ("comment", json!(mark))];
            by_tool(Effect::Send, "event_respond", arguments, essence)
        }
        16..18 => {
            let essence = essence::chat("chat1", &mark);
            by_tool(Effect::Send, "chat_send", vec![("chat", json!("chat1")), ("text", json!(mark))], essence)
        }
        18 => {
            let arguments = vec![("to", json!(people)), ("subject", json!(mark)), ("body", json!(words))];
            by_tool(Effect::Draft, "mail_draft", arguments, essence::draft(&mark, &words))
        }
        19 => {
            let arguments = vec![("id", json!(id)), ("folder", json!("archive"))];
            by_tool(Effect::Draft, "mail_move", arguments, essence::moved(&id, "archive"))
        }
        20..22 => by_tool(Effect::Read, "mail_read", vec![("id", json!(id))], essence::read(&id)),
        22 => {
            let found = essence::search(&format!("nonce{number}"));
            by_tool(Effect::Read, "mail_search", vec![("query", json!(mark))], found)
        }
        _ => {
            let arguments = vec![("mail", json!(id)), ("id", json!("a1"))];
            by_tool(Effect::Read, "attachment_get", arguments, essence::attachment(&id))
        }
    }
}

/// The same path, as servers read it all the same.
fn spelled(random: &mut StdRng, path: &str) -> String {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let path = match random.random_range(0..10) {
        0 => path.to_uppercase(),
        1 => format!("/{first}//{rest}"),
        2 => format!("{}%{:02x}{}", &path[..3], path.as_bytes()[3], &path[4..]),
        3 => format!("users/ada%40contoso.example/{rest}"),
        4 => format!("{path}/"),
        5 => format!("%6d%65/{rest}"),
        6 => format!("{first}/microsoft.graph.{rest}"),
        _ => path.to_owned(),
    };
    let version = if random.random_bool(0.9) { "v1.0" } else { "beta" };
    format!("/{version}/{path}")
}

fn graph(random: &mut StdRng, number: u64) -> Deed {
    let (mark, id) = (format!("Offer nonce{number}."), format!("m-nonce{number}x"));
    let to = some_people(random);
    let to: Vec<Value> = to.iter().map(|one| json!({ "emailAddress": { "address": one } })).collect();
    let message = json!({ "subject": mark, "body": { "contentType": "Text", "content": "Words" }, "toRecipients": to });
    let whole = json!({ "message": message }).to_string();
    let mut call = |effect, method, path: &str, body: String| {
        let path = spelled(random, path);
        let kind = if random.random_bool(0.9) { JSON } else { "application/json; charset=utf-8" };
        by_graph(effect, method, path, kind, body)
    };
    match number % 16 {
        0..5 => call(Effect::Send, "POST", "me/sendMail", whole),
        5 => call(Effect::Send, "POST", &format!("me/messages/{id}/send"), String::new()),
        6 => call(Effect::Send, "POST", "me/events", json!({ "subject": mark, "attendees": to }).to_string()),
        7 => call(Effect::Draft, "POST", "me/messages", message.to_string()),
        8 => call(Effect::Draft, "PATCH", &format!("me/messages/{id}"), json!({ "categories": [mark] }).to_string()),
        // A mail that was marked as read may tell its sender so.
        9 => call(Effect::Send, "PATCH", &format!("me/messages/{id}"), json!({ "isRead": true }).to_string()),
        10 | 11 => call(Effect::Delete, "DELETE", &format!("me/messages/{id}"), String::new()),
        12 => {
            let body = json!({ "requests": [{ "id": "1", "method": "POST", "url": "/me/sendMail", "body": message }] });
            by_graph(Effect::Anything, "POST", "/v1.0/$batch".to_owned(), JSON, body.to_string())
        }
        13 => {
            let path = format!("/v1.0/me/messages/{id}/%2e%2e/%2e%2e/sendMail");
            by_graph(Effect::Send, "POST", path, JSON, whole)
        }
        _ => call(Effect::Read, "GET", &format!("me/messages/{id}"), String::new()),
    }
}

/// Nearly the same: one word differs, or a name that means nothing was added.
pub(super) fn nearly(random: &mut StdRng, deed: &Deed, number: u64) -> Deed {
    match (&deed.way, random.random_range(0..3)) {
        (Way::Tool { name: "mail_send", arguments }, change) => {
            let of = |name: &str| {
                let found = arguments.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
                found.unwrap_or_default()
            };
            let mut to: Vec<String> = serde_json::from_value(of("to")).unwrap_or_default();
            let mut cc = Vec::new();
            let mut subject = of("subject").as_str().unwrap_or_default().to_owned();
            match change {
                0 => to.push(format!("other{number}@contoso.example")),
                1 => cc.push(format!("copy{number}@contoso.example")),
                // One that can be seen by its length only.
                _ => subject.push(' '),
            }
            let words = of("body").as_str().unwrap_or_default().to_owned();
            let essence = essence::mail(&to, &cc, &[], &subject, &words);
            let mut arguments = vec![("to", json!(to)), ("subject", json!(subject)), ("body", json!(words))];
            if !cc.is_empty() {
                arguments.push(("cc", json!(cc)));
            }
            by_tool(Effect::Send, "mail_send", arguments, essence)
        }
        (Way::Graph { method, path, kind, body }, change) if !body.is_empty() => {
            let (path, body) = match change {
                0 => (path.clone(), format!("{body} ")),
                1 => (format!("{path}?again={number}"), body.clone()),
                _ => (path.clone(), body.replacen("Words", &format!("Words {number}"), 1)),
            };
            by_graph(deed.effect, method, path, kind, body)
        }
        _ => deed.clone(),
    }
}

/// The arguments as JSON, in any order, with any spaces.
pub(super) fn written(random: &mut StdRng, arguments: &[(&'static str, Value)], connection: Option<&str>) -> String {
    let gap = *["", " ", "\n  "].choose(random).unwrap_or(&"");
    let named = connection.map(|id| ("connection", json!(id)));
    let mut all: Vec<String> =
        arguments.iter().cloned().chain(named).map(|(name, value)| format!("{gap}\"{name}\":{gap}{value}")).collect();
    all.shuffle(random);
    format!("{{{}{gap}}}", all.join(","))
}
