//! Lists by pages. Graph's pages may hold more or fewer rows than were asked for, none at all too, and the list goes
//! on while there is a link: no row is lost and none comes twice.

use serde_json::{Value, json};

use super::client::Headers;
use super::cursor::Cursor;
use super::error::ToolError;
use super::run::Run;

/// Pages that are read for one answer: empty ones are passed over.
const MOST_PAGES: usize = 6;

pub(super) struct ListPage {
    pub(super) rows: Vec<Value>,
    /// Where it goes on; `None`: this was the end.
    next: Option<String>,
}

/// Which list, and where in it.
pub(super) struct AskedList<'a> {
    /// What is listed besides what the tool says: the id of a chat.
    pub(super) of: &'a str,
    pub(super) cursor: Option<&'a str>,
    pub(super) limit: usize,
    pub(super) headers: Headers<'a>,
}

/// The rows of a list that begins at this path.
pub(super) async fn page(run: &Run<'_>, first: String, asked: AskedList<'_>) -> Result<ListPage, ToolError> {
    let graph = &run.graph;
    let tool = format!("{} {}", graph.tool().name, asked.of);
    let connection = graph.id().as_str();
    let (mut link, mut skip) = match asked.cursor {
        None => (first, 0),
        Some(cursor) => {
            let cursor = Cursor::opened(cursor, graph.core(), connection, &tool)?;
            (cursor.link, cursor.skip)
        }
    };
    let goes_on = |link: String, skip: usize| {
        let cursor = Cursor { connection: connection.to_owned(), tool: tool.clone(), link, skip };
        cursor.sealed(graph.core()).map(Some)
    };
    let mut rows: Vec<Value> = Vec::new();
    for _ in 0..MOST_PAGES {
        let part = graph.page(&link, asked.headers).await?;
        let room = asked.limit - rows.len();
        let left = part.rows.len().saturating_sub(skip);
        rows.extend(part.rows.into_iter().skip(skip).take(room));
        if left > room {
            return Ok(ListPage { rows, next: goes_on(link, skip + room)? });
        }
        match part.next {
            // One that leads to itself would never end.
            Some(next) if next != link => (link, skip) = (next, 0),
            _ => return Ok(ListPage { rows, next: None }),
        }
        if rows.len() == asked.limit {
            break;
        }
    }
    Ok(ListPage { rows, next: goes_on(link, 0)? })
}

impl ListPage {
    /// The list as it is answered, each row as `shown` has it.
    pub(super) fn answer(self, name: &str, shown: impl FnMut(&Value) -> Value) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(shown).collect();
        let mut answer = json!({ name: rows, "more": self.next.is_some() });
        if let Some(next) = self.next {
            answer["next"] = next.into();
        }
        answer
    }
}
