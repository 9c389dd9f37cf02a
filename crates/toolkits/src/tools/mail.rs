//! Reading mail. Nothing here marks a mail as read: that may send a receipt.

use atthene_core::connections::Toolkit;
use atthene_core::permissions::Act;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Headers;
use super::error::ToolError;
use super::paging::{AskedList, page};
use super::people::{first, people, person, string};
use super::run::Run;
use super::shorten::CUT;
use super::text::{self, NAME, PREVIEW, SUBJECT};
use super::tool::Tool;
use super::{arguments, folders, html, schema};

/// One kind of ids everywhere, those that outlive a move; bodies as text.
pub(super) const HEADERS: Headers<'static> =
    &[("prefer", "IdType=\"ImmutableId\", outlook.body-content-type=\"text\"")];

const ROW: &str =
    "id,subject,from,toRecipients,receivedDateTime,isRead,isDraft,hasAttachments,importance,parentFolderId,bodyPreview";
const WHOLE: &str = "id,subject,from,sender,toRecipients,ccRecipients,bccRecipients,replyTo,receivedDateTime,isRead,isDraft,\
     hasAttachments,importance,parentFolderId,webLink,uniqueBody,body";

/// Characters of a body in one answer.
const BODY: usize = 8_000;
const ATTACHMENTS: usize = 25;
/// Recipients that a list names, and one mail.
const FEW: usize = 5;
const MANY: usize = 20;

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool {
            name: "mail_search",
            title: "Search mail",
            description: "Lists mails, newest first.",
            input: schema::paged(
                &[],
                [
                    ("query", schema::string("words or KQL")),
                    (
                        "folder",
                        schema::string(
                            "inbox, sentitems, drafts, archive, junkemail, deleteditems, a name or id; default all",
                        ),
                    ),
                    ("from", schema::string("name or address")),
                    ("unread", schema::flag("only unread")),
                    ("since", schema::string("RFC 3339 or day")),
                    ("until", schema::string("")),
                ],
            ),
            output: schema::output([("mails", "array"), ("more", "boolean")]),
            act: Act::Read,
            toolkit: Toolkit::Outlook,
            idempotent: true,
            scope: "Mail.Read",
        },
        Tool {
            name: "mail_read",
            title: "Read a mail",
            description: "One mail as text, with its attachments' names. Does not mark it as read.",
            input: schema::input(
                &["id"],
                [
                    ("id", schema::string("")),
                    ("offset", schema::number("characters of the body to skip, while rest is over 0")),
                    ("whole", schema::flag("with quoted history")),
                ],
            ),
            output: schema::output([("id", "string"), ("subject", "string"), ("body", "string"), ("rest", "integer")]),
            act: Act::Read,
            toolkit: Toolkit::Outlook,
            idempotent: true,
            scope: "Mail.Read",
        },
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchMail {
    query: Option<String>,
    folder: Option<String>,
    from: Option<String>,
    unread: Option<bool>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) async fn search(run: &Run<'_>, asked: SearchMail) -> Result<Value, ToolError> {
    let limit = arguments::limit(asked.limit)?;
    let conditions = conditions(&asked)?;
    let place = match &asked.folder {
        // The cursor knows the way.
        Some(_) if asked.cursor.is_some() => String::new(),
        Some(folder) => format!("me/mailFolders/{}/messages", folders::folder(run, folder).await?),
        None => "me/messages".to_owned(),
    };
    let top = limit.to_string();
    let mut query: Vec<(&str, &str)> = conditions.iter().map(|(name, value)| (*name, value.as_str())).collect();
    query.extend([("$top", top.as_str()), ("$select", ROW)]);
    let first = arguments::with_query(&place, &query);
    let asked = AskedList { of: "", cursor: asked.cursor.as_deref(), limit, headers: HEADERS };
    Ok(page(run, first, asked).await?.answer("mails", row))
}

/// With words all conditions are words of the search: Graph takes no filter and no order beside it.
fn conditions(asked: &SearchMail) -> Result<Vec<(&'static str, String)>, ToolError> {
    let text = |name, text: &Option<String>| match text.as_deref().map(str::trim) {
        None | Some("") => Ok(None),
        Some(given) => arguments::text(name, given, 1_000).map(|given| Some(given.to_owned())),
    };
    let (words, from) = (text("query", &asked.query)?, text("from", &asked.from)?);
    let moment = |name, text: &Option<String>| text.as_deref().map(|text| arguments::moment(name, text)).transpose();
    let (since, until) = (moment("since", &asked.since)?, moment("until", &asked.until)?);
    let unread = asked.unread == Some(true);
    if words.is_some() || from.as_deref().is_some_and(|from| !from.contains('@')) {
        let day = |moment: jiff::Timestamp| moment.to_zoned(TimeZone::UTC).date();
        let terms = [
            words.map(|words| format!("({words})")),
            from.map(|from| format!("from:\"{}\"", from.replace('"', " "))),
            unread.then(|| "isread:false".to_owned()),
            since.map(|since| format!("received>={}", day(since))),
            until.map(|until| format!("received<={}", day(until))),
        ];
        let terms = terms.into_iter().flatten().collect::<Vec<_>>().join(" AND ");
        return Ok(vec![("$search", format!("\"{}\"", terms.replace('\\', "\\\\").replace('"', "\\\"")))]);
    }
    // What it is ordered by comes first, always.
    let since = since.map_or_else(|| "1900-01-01T00:00:00Z".to_owned(), arguments::written);
    let filter = [
        Some(format!("receivedDateTime ge {since}")),
        until.map(|until| format!("receivedDateTime lt {}", arguments::written(until))),
        unread.then(|| "isRead eq false".to_owned()),
        from.map(|from| format!("from/emailAddress/address eq {}", arguments::quoted(&from))),
    ];
    let filter = filter.into_iter().flatten().collect::<Vec<_>>().join(" and ");
    Ok(vec![("$filter", filter), ("$orderby", "receivedDateTime desc".to_owned())])
}

fn is(mail: &Value, field: &str) -> bool {
    mail.get(field).and_then(Value::as_bool).unwrap_or_default()
}

fn row(mail: &Value) -> Value {
    let mut row = json!({
        "id": string(mail, "id"),
        "subject": text::line(string(mail, "subject"), SUBJECT),
        "from": mail.get("from").and_then(person),
        "to": people(&mail["toRecipients"], FEW),
        "received": string(mail, "receivedDateTime"),
        "unread": !is(mail, "isRead"),
        "attachments": is(mail, "hasAttachments"),
        "preview": text::line(string(mail, "bodyPreview"), PREVIEW),
    });
    if is(mail, "isDraft") {
        row["draft"] = true.into();
    }
    row
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    id: String,
    offset: Option<u32>,
    whole: Option<bool>,
}

pub(super) async fn read(run: &Run<'_>, asked: Read) -> Result<Value, ToolError> {
    let id = arguments::id("id", &asked.id)?;
    let path = arguments::with_query(&format!("me/messages/{id}"), &[("$select", WHOLE)]);
    let mail = run.graph.get_cut(&path, HEADERS).await?;
    let (own, whole) = (body(&mail["uniqueBody"]), body(&mail["body"]));
    let is_whole = asked.whole == Some(true) || own.trim().is_empty();
    let quoted = whole.chars().count().saturating_sub(own.chars().count());
    let chosen = if is_whole { whole } else { own };
    let offset = asked.offset.and_then(|offset| usize::try_from(offset).ok()).unwrap_or_default();
    let part: String = chosen.chars().skip(offset).take(BODY).collect();
    let rest = chosen.chars().count().saturating_sub(offset.saturating_add(BODY));
    let mut answer = row(&mail);
    answer["to"] = people(&mail["toRecipients"], MANY).into();
    for (name, field) in [("cc", "ccRecipients"), ("bcc", "bccRecipients"), ("reply_to", "replyTo")] {
        let found = people(&mail[field], MANY);
        if !found.is_empty() {
            answer[name] = found.into();
        }
    }
    answer["body"] = run.fence.around(&part).into();
    answer["rest"] = rest.into();
    if !is_whole && quoted > 0 {
        // Characters that `whole` shows.
        answer["quoted"] = quoted.into();
    }
    answer["attachments"] = attachments(run, &id, &mail).await?;
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("preview");
    }
    Ok(answer)
}

/// A body as text, without what can't be seen.
pub(super) fn body(body: &Value) -> String {
    let content = string(body, "content");
    let (content, goes_on) = content.strip_suffix(CUT).map_or((content, false), |read| (read, true));
    let content = if string(body, "contentType").eq_ignore_ascii_case("text") {
        text::visible(content)
    } else {
        text::visible(&html::plain_text(content))
    };
    let content = content.trim_end();
    if goes_on { format!("{content}\n{}", html::GOES_ON) } else { content.to_owned() }
}

async fn attachments(run: &Run<'_>, id: &str, mail: &Value) -> Result<Value, ToolError> {
    if !is(mail, "hasAttachments") {
        return Ok(json!([]));
    }
    // Without it each file comes along.
    let path = format!("me/messages/{id}/attachments?$select=id,name,contentType,size,isInline");
    let all = run.graph.page(&path, HEADERS).await?.rows;
    let shown = |file: &Value| {
        json!({
            "id": string(file, "id"),
            "name": text::line(string(file, "name"), NAME),
            "type": text::line(string(file, "contentType"), NAME),
            "size": file.get("size"),
        })
    };
    let mut rows: Vec<Value> = all.iter().take(ATTACHMENTS).map(shown).collect();
    rows.extend(first(std::iter::empty(), all.len(), ATTACHMENTS).into_iter().map(Value::from));
    Ok(rows.into())
}
