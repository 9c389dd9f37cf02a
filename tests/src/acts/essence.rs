//! What a deed comes to, in one line: the same of what arrived at Graph and of what a person was shown. Two that differ
//! in any word that leaves differ here.

use serde_json::Value;

use super::office::{Arrival, subject_of};

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

fn addresses(list: &Value) -> Vec<String> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(|one| one["emailAddress"]["address"].as_str().map(str::to_owned)).collect()
}

pub(super) fn mail(to: &[String], cc: &[String], bcc: &[String], subject: &str, body: &str) -> String {
    let all = [to, cc, bcc].concat();
    format!("mail {all:?} cc {:?} bcc {:?} {subject:?} {body:?}", cc.join(", "), bcc.join(", "))
}

pub(super) fn reply(to: &[String], subject: &str, body: &str) -> String {
    format!("reply {to:?} {subject:?} {body:?}")
}

pub(super) fn event(to: &[String], subject: &str, body: &str, from: &str, until: &str) -> String {
    format!("event {to:?} {subject:?} {body:?} {from} {until}")
}

pub(super) fn respond(subject: &str, answer: &str, comment: &str) -> String {
    format!("respond {subject:?} {} {comment:?}", answer.to_ascii_lowercase())
}

pub(super) fn chat(chat: &str, text: &str) -> String {
    format!("chat {chat} {text:?}")
}

pub(super) fn draft(subject: &str, body: &str) -> String {
    format!("draft {subject:?} {body:?}")
}

pub(super) fn moved(id: &str, folder: &str) -> String {
    format!("move {id} {folder}")
}

pub(super) fn read(id: &str) -> String {
    format!("read {id}")
}

pub(super) fn search(words: &str) -> String {
    format!("search {words}")
}

pub(super) fn attachment(mail: &str) -> String {
    format!("attachment {mail}")
}

fn file(mail: &str) -> String {
    format!("file {mail}")
}

pub(super) fn raw(call: &str, kind: &str, body: &str) -> String {
    format!("raw {call} {kind:?} {body}")
}

/// Of what arrived, where it was a call of an agent's own.
pub(super) fn raw_of(arrival: &Arrival) -> String {
    raw(&format!("{} {}", arrival.method, arrival.line), &arrival.kind, &arrival.body)
}

/// The same, where a tool made it. A look-up before a question is none of these.
pub(super) fn by_tool(arrival: &Arrival) -> Option<String> {
    let (path, query) = arrival.line.split_once('?').unwrap_or((&arrival.line, ""));
    let parts: Vec<&str> = path.strip_prefix("/v1.0/")?.split('/').collect();
    let body: Value = serde_json::from_str(&arrival.body).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Some(match (arrival.method.as_str(), parts.as_slice()) {
        ("POST", ["me", "sendMail"]) => {
            let message = &body["message"];
            let [to, cc, bcc] = ["toRecipients", "ccRecipients", "bccRecipients"].map(|kind| addresses(&message[kind]));
            mail(&to, &cc, &bcc, &text(&message["subject"]), &text(&message["body"]["content"]))
        }
        ("POST", ["me", "messages", id, "reply"]) => {
            let subject = format!("Re: {}", subject_of(id));
            reply(&addresses(&body["message"]["toRecipients"]), &subject, &text(&body["comment"]))
        }
        ("POST", ["me", "events"]) => {
            let time = |name: &str| format!("{}Z", text(&body[name]["dateTime"]));
            let (subject, words) = (text(&body["subject"]), text(&body["body"]["content"]));
            event(&addresses(&body["attendees"]), &subject, &words, &time("start"), &time("end"))
        }
        ("POST", ["me", "events", id, answer]) => respond(&subject_of(id), answer, &text(&body["comment"])),
        ("POST", ["chats", id, "messages"]) => chat(id, &text(&body["body"]["content"])),
        ("POST", ["me", "messages"]) => draft(&text(&body["subject"]), &text(&body["body"]["content"])),
        ("POST", ["me", "messages", id, "move"]) => moved(id, &text(&body["destinationId"])),
        ("GET", ["me", "messages"]) => search(&nonce(query)?),
        ("GET", ["me", "messages", id]) if query.contains("uniqueBody") => read(id),
        ("GET", ["me", "messages", id, "attachments", _]) => attachment(id),
        ("GET", ["me", "messages", id, "attachments", _, "$value"]) => file(id),
        _ => return None,
    })
}

/// Of what a person was shown of this tool's call.
pub(super) fn of_shown(tool: &str, shown: &Value) -> Option<String> {
    let more = |name: &str| {
        let all = shown["more"].as_array().into_iter().flatten();
        let found = all.filter(|pair| pair[0] == name).find_map(|pair| pair[1].as_str());
        found.unwrap_or_default().to_owned()
    };
    let recipients = strings(&shown["recipients"]);
    let (subject, body) = (shown["subject"].as_str()?, shown["body"].as_str()?);
    Some(match tool {
        "mail_send" => {
            format!("mail {recipients:?} cc {:?} bcc {:?} {subject:?} {body:?}", more("Cc"), more("Bcc"))
        }
        "mail_reply" => reply(&recipients, subject, body),
        "event_create" => event(&recipients, subject, body, &more("From"), &more("To")),
        "event_respond" => respond(subject, &more("Answer"), body),
        "chat_send" => chat(&more("Chat"), body),
        "mail_draft" => draft(&more("subject"), &more("body")),
        "mail_move" => moved(&more("id"), &more("folder")),
        "mail_read" => read(&more("id")),
        "mail_search" => search(&nonce(&more("query"))?),
        "attachment_get" => attachment(&more("mail")),
        _ if !more("Call").is_empty() => raw(&more("Call"), &more("Content-Type"), body),
        _ => return None,
    })
}

/// The number that marks each text, with what stands around it.
pub(super) fn nonce(text: &str) -> Option<String> {
    let from = text.find("nonce")?;
    let digits: String = text[from + 5..].chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then(|| format!("nonce{digits}"))
}
