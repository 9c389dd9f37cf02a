//! Attachments: what one is. Its bytes go by a link that the gateway makes.

use atthene_core::connections::Toolkit;
use atthene_core::permissions::Act;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ToolError;
use super::mail::HEADERS;
use super::people::string;
use super::run::Run;
use super::text::{self, NAME};
use super::tool::Tool;
use super::{arguments, schema};

pub(super) fn tools() -> Vec<Tool> {
    vec![Tool {
        name: "attachment_get",
        title: "Get an attachment",
        description: "A link to the file. It works once, with the same key, for ten minutes.",
        input: schema::input(&["mail", "id"], [("mail", schema::string("id")), ("id", schema::string(""))]),
        output: schema::output([("name", "string"), ("type", "string"), ("size", "integer"), ("link", "string")]),
        act: Act::Read,
        toolkit: Toolkit::Outlook,
        idempotent: true,
        scope: "Mail.Read",
    }]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Get {
    mail: String,
    id: String,
}

pub(super) async fn get(run: &Run<'_>, asked: Get) -> Result<Value, ToolError> {
    let (mail, id) = (arguments::id("mail", &asked.mail)?, arguments::id("id", &asked.id)?);
    let path = format!("me/messages/{mail}/attachments/{id}");
    let found = run.graph.get(&format!("{path}?$select=id,name,contentType,size"), HEADERS).await?;
    if string(&found, "@odata.type").ends_with("referenceAttachment") {
        return Err(ToolError::Arguments(
            "This attachment is a link to a file in the cloud, and has no bytes of its own. Look for its address in the mail."
                .to_owned(),
        ));
    }
    Ok(json!({
        "name": text::line(string(&found, "name"), NAME),
        "type": text::line(string(&found, "contentType"), NAME),
        "size": found["size"].as_u64().unwrap_or_default(),
        // Whoever serves it makes a link of this.
        "link": format!("/v1.0/{path}/$value"),
    }))
}
