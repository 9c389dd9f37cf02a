//! The mails that lie in it, the newest first. A body is made only where it is asked for.

use serde_json::{Value, json};

use super::body;

/// Every fourth is an answer: what is new in it is short.
const ANSWERS: usize = 4;
/// Every third body is given as text where that is preferred; the others stay HTML, as Graph may leave them.
const AS_TEXT: usize = 3;
const DAY: u64 = 24 * 60;

/// Which fields of a mail are asked for; empty: all.
#[derive(Default)]
pub(super) struct Fields(pub(super) Vec<String>);

impl Fields {
    fn has(&self, field: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|asked| asked == field)
    }

    /// What is asked for of a whole mail.
    pub(super) fn of(&self, mail: &Value) -> Value {
        let all = mail.as_object().into_iter().flatten();
        all.filter(|(name, _)| name.starts_with("@odata") || *name == "id" || self.has(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

/// The mails that are made when they are asked for.
pub(super) struct Mails {
    pub(super) count: usize,
    /// Bytes of each body.
    pub(super) body: usize,
}

const PREFIX: &str = "AAMkAGI2TG93AAA-mail-";

impl Mails {
    pub(super) fn id(number: usize) -> String {
        format!("{PREFIX}{number}")
    }

    pub(super) fn number(&self, id: &str) -> Option<usize> {
        id.strip_prefix(PREFIX)?.parse().ok().filter(|number| *number < self.count)
    }

    pub(super) fn subject(number: usize) -> String {
        format!("Newsletter {number}: figures of week {}", number % 52)
    }

    pub(super) fn sender(number: usize) -> String {
        format!("sender{}@contoso.example", number % 40)
    }

    pub(super) fn is_read(number: usize) -> bool {
        !number.is_multiple_of(5)
    }

    /// As RFC 3339 in UTC, a mail each minute back from the end of a November.
    pub(super) fn received(number: usize) -> String {
        let minutes = 27 * DAY - 1 - (number as u64) % (27 * DAY);
        format!("2026-11-{:02}T{:02}:{:02}:00Z", 1 + minutes / DAY, minutes / 60 % 24, minutes % 60)
    }

    pub(super) fn mail(&self, number: usize, fields: &Fields, text_preferred: bool) -> Value {
        let mut mail = json!({
            "@odata.etag": "W/\"CQAAABYA\"",
            "id": Self::id(number),
            "subject": Self::subject(number),
            "from": { "emailAddress": { "name": format!("Sender {}", number % 40), "address": Self::sender(number) } },
            "sender": { "emailAddress": { "name": format!("Sender {}", number % 40), "address": Self::sender(number) } },
            "toRecipients": (0..=number % 9).map(|n| json!({ "emailAddress": { "name": format!("Recipient {n}"), "address": format!("r{n}@contoso.example") } })).collect::<Vec<_>>(),
            "ccRecipients": [], "bccRecipients": [], "replyTo": [],
            "receivedDateTime": Self::received(number),
            "isRead": Self::is_read(number),
            "isDraft": false,
            "hasAttachments": false,
            "importance": "normal",
            "parentFolderId": "AAMkAGI2TG93AAA-inbox",
            "webLink": format!("https://outlook.example/owa/?ItemID={number}"),
            "bodyPreview": format!("The words of mail {number}. ").repeat(9),
        });
        mail = fields.of(&mail);
        let kind = if text_preferred && number.is_multiple_of(AS_TEXT) { "text" } else { "html" };
        for field in ["body", "uniqueBody"].into_iter().filter(|field| fields.has(field)) {
            let content = if field == "uniqueBody" && number % ANSWERS == 1 {
                format!("The words of mail {number}.")
            } else {
                body::html(number, self.body)
            };
            mail[field] = json!({ "contentType": kind, "content": content });
        }
        mail
    }
}
