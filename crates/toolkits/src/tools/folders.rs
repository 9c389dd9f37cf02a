//! Mail folders: by Graph's own words, by name as a person sees it, or by id.

use serde_json::Value;

use super::error::ToolError;
use super::people::string;
use super::run::Run;
use super::{arguments, text};

/// Graph's own words, in every language of the mailbox.
const KNOWN: [&str; 6] = ["inbox", "archive", "drafts", "sentitems", "deleteditems", "junkemail"];
/// Where mails go to be deleted for good, or to be sent.
const REFUSED: [&str; 2] = ["recoverableitems", "outbox"];
/// How far a folder may lie below the others.
const DEEPEST: usize = 10;

/// A folder to read, as a segment of a path.
pub(super) async fn folder(run: &Run<'_>, asked: &str) -> Result<String, ToolError> {
    if let Some(known) = known(asked)? {
        return Ok(known);
    }
    let all = visible(run).await?;
    match named(&all, asked) {
        Some(folder) => arguments::id("folder", string(folder, "id")),
        None if looks_like_id(asked) => arguments::id("folder", asked),
        None => Err(unknown(run, &all)),
    }
}

/// A folder that mails are moved into. Moving must not be a way to delete for good: one that is given by its id has to
/// lie below the folders that a person sees.
pub(super) async fn destination(run: &Run<'_>, asked: &str) -> Result<String, ToolError> {
    let refused =
        || ToolError::Arguments("Mails are not moved into this folder: that would delete or send them.".into());
    if REFUSED.iter().any(|folder| asked.to_ascii_lowercase().starts_with(folder)) {
        return Err(refused());
    }
    if let Some(known) = known(asked)? {
        return Ok(known);
    }
    let all = visible(run).await?;
    let root = all.first().map(|folder| string(folder, "parentFolderId")).unwrap_or_default().to_owned();
    let found = match named(&all, asked) {
        Some(folder) => string(folder, "id").to_owned(),
        None if looks_like_id(asked) && lies_below(run, asked, &root).await? => asked.to_owned(),
        None if looks_like_id(asked) => return Err(refused()),
        None => return Err(unknown(run, &all)),
    };
    let outbox = run.graph.get("me/mailFolders/outbox?$select=id", &[]).await?;
    if string(&outbox, "id") == found {
        return Err(refused());
    }
    Ok(found)
}

fn known(asked: &str) -> Result<Option<String>, ToolError> {
    let asked = arguments::text("folder", asked, 512)?.to_ascii_lowercase();
    Ok(KNOWN.contains(&asked.as_str()).then_some(asked))
}

/// Ids are long; names of people's folders hardly ever have their letters only.
fn looks_like_id(asked: &str) -> bool {
    asked.len() >= 40 && arguments::is_id(asked)
}

/// The folders that stand at the top.
async fn visible(run: &Run<'_>) -> Result<Vec<Value>, ToolError> {
    let path = "me/mailFolders?$top=100&$select=id,displayName,parentFolderId";
    Ok(run.graph.page(path, &[]).await?.rows)
}

fn named<'a>(all: &'a [Value], asked: &str) -> Option<&'a Value> {
    let asked = asked.trim();
    let name = asked.to_lowercase();
    let by_id = all.iter().find(|folder| string(folder, "id") == asked);
    by_id.or_else(|| all.iter().find(|folder| string(folder, "displayName").to_lowercase() == name))
}

/// Their names may be anybody's: of a folder that is shared, or was made by a rule.
fn unknown(run: &Run<'_>, all: &[Value]) -> ToolError {
    let names: Vec<String> = all.iter().take(50).map(|folder| text::line(string(folder, "displayName"), 60)).collect();
    ToolError::Arguments(run.fence.told("There is no folder of this name. There are others.", &names.join("\n")))
}

/// Whether the way up from this folder leads to the root of those that are seen.
async fn lies_below(run: &Run<'_>, folder: &str, root: &str) -> Result<bool, ToolError> {
    let mut at = folder.to_owned();
    for _ in 0..DEEPEST {
        let path = format!("me/mailFolders/{}?$select=id,parentFolderId", arguments::id("folder", &at)?);
        let found = run.graph.get(&path, &[]).await?;
        let parent = string(&found, "parentFolderId");
        if parent.is_empty() || parent == at {
            return Ok(false);
        }
        if parent == root {
            return Ok(true);
        }
        parent.clone_into(&mut at);
    }
    Ok(false)
}
