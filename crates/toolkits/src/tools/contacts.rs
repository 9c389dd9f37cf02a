//! Who is who: the account's own contacts, and the people it works with where that was granted.

use atthene_core::connections::{Toolkit, same_scope};
use atthene_core::permissions::Act;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ToolError;
use super::people::string;
use super::run::Run;
use super::text::{self, NAME};
use super::tool::Tool;
use super::{arguments, schema};

const CONTACT: &str = "displayName,companyName,jobTitle,emailAddresses,mobilePhone,businessPhones";
const PERSON: &str = "displayName,scoredEmailAddresses,jobTitle,companyName";
const ADDRESSES: usize = 5;

pub(super) fn tools() -> Vec<Tool> {
    let mut input = schema::input(&["query"], [("query", schema::string("beginning of a name, or an address"))]);
    input["properties"]["limit"] = json!({ "type": "integer", "maximum": arguments::MOST_ROWS });
    vec![Tool {
        name: "contacts_search",
        title: "Search contacts",
        description: "Finds people and their addresses.",
        input,
        output: schema::output([("contacts", "array"), ("more", "boolean")]),
        act: Act::Read,
        toolkit: Toolkit::Outlook,
        idempotent: true,
        scope: "Contacts.Read or People.Read",
    }]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchContacts {
    query: String,
    limit: Option<u32>,
}

pub(super) async fn search(run: &Run<'_>, asked: SearchContacts) -> Result<Value, ToolError> {
    let limit = arguments::limit(asked.limit)?;
    let query = arguments::text("query", asked.query.trim(), 200)?;
    if query.is_empty() {
        return Err(ToolError::Arguments("The argument query is empty: give a name or an address.".to_owned()));
    }
    let granted = run.graph.granted().await?;
    let has = |names: &[&str]| granted.iter().any(|scope| names.iter().any(|name| same_scope(scope, name)));
    let people = has(&["People.Read", "People.Read.All"]);
    let top = limit.to_string();
    let mut rows: Vec<Value> = Vec::new();
    let mut more = false;
    // Where neither was granted, Graph's refusal says what is missing.
    if !people || has(&["Contacts.Read", "Contacts.ReadWrite"]) {
        let filter = if query.contains('@') {
            format!("emailAddresses/any(a:a/address eq {})", arguments::quoted(query))
        } else {
            format!("startswith(displayName,{})", arguments::quoted(query))
        };
        let query = [("$filter", filter.as_str()), ("$top", top.as_str()), ("$select", CONTACT)];
        let part = run.graph.page(&arguments::with_query("me/contacts", &query), &[]).await?;
        more |= part.next.is_some();
        rows.extend(part.rows.iter().map(|contact| row(contact, "emailAddresses", "contacts")));
    }
    if people {
        let words = format!("\"{}\"", query.replace('\\', "\\\\").replace('"', "\\\""));
        // Without a number of rows its link to the next page leads to itself.
        let query = [("$search", words.as_str()), ("$top", top.as_str()), ("$select", PERSON)];
        let part = run.graph.page(&arguments::with_query("me/people", &query), &[]).await?;
        more |= part.next.is_some();
        for person in part.rows.iter().map(|person| row(person, "scoredEmailAddresses", "people")) {
            if !rows.iter().any(|known| known["addresses"] == person["addresses"] && known["name"] == person["name"]) {
                rows.push(person);
            }
        }
    }
    more |= rows.len() > limit;
    rows.truncate(limit);
    Ok(json!({ "contacts": rows, "more": more }))
}

fn row(contact: &Value, addresses: &str, source: &str) -> Value {
    let all = contact[addresses].as_array().map(Vec::as_slice).unwrap_or_default();
    let address = |one: &Value| text::line(string(one, "address"), NAME);
    let phones = contact["businessPhones"].as_array().map(Vec::as_slice).unwrap_or_default();
    let phones = phones.iter().filter_map(Value::as_str).chain(contact["mobilePhone"].as_str());
    let phones: Vec<String> = phones.take(ADDRESSES).map(|phone| text::line(phone, 40)).collect();
    let mut row = json!({
        "name": text::line(string(contact, "displayName"), NAME),
        "addresses": all.iter().map(address).filter(|address| !address.is_empty()).take(ADDRESSES).collect::<Vec<_>>(),
        "source": source,
    });
    for (name, field) in [("company", "companyName"), ("title", "jobTitle")] {
        let value = text::line(string(contact, field), NAME);
        if !value.is_empty() {
            row[name] = value.into();
        }
    }
    if !phones.is_empty() {
        row["phones"] = phones.into();
    }
    row
}
