//! A Graph with one mailbox, in the test itself: the emulated provider has none. It answers by pages of its own size,
//! holds some mails back for ever, and remembers what was sent.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::answered;

/// Rows of one page: no number that anybody asks for.
const PAGE: usize = 7;
/// This page is empty, as Graph's may be in the midst of a list.
const EMPTY_AT: usize = 2 * PAGE;

/// What it has seen so far.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// The mails that callers wait for ([`Graph::HELD`]).
    pub held: Vec<String>,
    /// Those of them whose callers hung up.
    pub hung_up: Vec<String>,
    /// Subjects of what was sent.
    pub sent: Vec<String>,
}

impl Seen {
    /// How often this was sent.
    pub fn sent(&self, subject: &str) -> usize {
        self.sent.iter().filter(|sent| *sent == subject).count()
    }
}

/// The mailbox behind its address.
pub struct Graph {
    /// Where it answers.
    pub base: String,
    seen: watch::Sender<Seen>,
}

impl Graph {
    /// So many mails lie in it, the newest first, from `mail-0` on.
    pub const MAILS: usize = 60;
    /// How the ids of mails begin that it never gives.
    pub const HELD: &str = "held-";

    /// Starts it.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let seen = watch::Sender::default();
        let (at, shared) = (base.clone(), seen.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (at, seen) = (at.clone(), shared.clone());
                tokio::spawn(async move { serve(stream, &at, &seen).await });
            }
        });
        Ok(Self { base, seen })
    }

    /// What it has seen so far.
    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Waits until it has seen this.
    pub async fn sees(&self, what: &str, is: impl FnMut(&Seen) -> bool) -> Result<()> {
        answered(what, self.seen.subscribe().wait_for(is)).await.map(drop)
    }
}

/// One request on each connection.
async fn serve(stream: TcpStream, base: &str, seen: &watch::Sender<Seen>) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    stream.read_line(&mut first).await?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let (method, path) = first.split_once(" /v1.0/").context("not of this version")?;
    let path = path.split(' ').next().unwrap_or_default();
    let asked = path.split('?').next().and_then(|path| path.strip_prefix("me/messages/"));
    if let Some(id) = asked.filter(|id| id.starts_with(Graph::HELD)) {
        seen.send_modify(|seen| seen.held.push(id.to_owned()));
        // Whoever hangs up has nothing more to say.
        let _ = stream.read_to_end(&mut Vec::new()).await;
        seen.send_modify(|seen| seen.hung_up.push(id.to_owned()));
        return Ok(());
    }
    let (status, body) = answer(method, path, &body, base, seen);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close",
        body.len()
    );
    Ok(stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await?)
}

fn answer(method: &str, path: &str, body: &Value, base: &str, seen: &watch::Sender<Seen>) -> (u16, Value) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    match (method, path.strip_prefix("me/messages").unwrap_or("elsewhere")) {
        ("GET", "") => (200, page(base, query)),
        ("GET", id) if number(id, "/mail-").is_some_and(|number| number < Graph::MAILS) => {
            (200, mail(number(id, "/mail-").unwrap_or_default()))
        }
        ("POST", _) if path == "me/sendMail" => {
            let subject = body["message"]["subject"].as_str().unwrap_or_default().to_owned();
            seen.send_modify(|seen| seen.sent.push(subject));
            (202, Value::Null)
        }
        _ => not_found(),
    }
}

fn number(text: &str, prefix: &str) -> Option<usize> {
    text.strip_prefix(prefix)?.parse().ok()
}

fn not_found() -> (u16, Value) {
    (404, json!({ "error": { "code": "ErrorItemNotFound", "message": "The object was not found." } }))
}

/// The page that the link of the page before it asks for.
fn page(base: &str, query: &str) -> Value {
    let asked = |name: &str| query.split('&').find_map(|part| number(part, name));
    let from = asked("$skiptoken=").unwrap_or_default();
    // The link behind the empty page is another one than the link to it.
    let is_empty = from == EMPTY_AT && asked("passed=").is_none();
    let to = if is_empty { from } else { (from + PAGE).min(Graph::MAILS) };
    let mut page = json!({ "value": (from..to).map(mail).collect::<Vec<_>>() });
    if to < Graph::MAILS {
        let passed = if is_empty { "&passed=1" } else { "" };
        page["@odata.nextLink"] = format!("{base}/v1.0/me/messages?$skiptoken={to}{passed}").into();
    }
    page
}

fn mail(number: usize) -> Value {
    json!({
        "id": format!("mail-{number}"),
        "subject": format!("Mail {number}"),
        "from": { "emailAddress": { "name": "Grace Hopper", "address": "grace@contoso.example" } },
        "toRecipients": [{ "emailAddress": { "name": "Ada Lovelace", "address": "ada@contoso.example" } }],
        "receivedDateTime": "2026-11-27T09:00:00Z",
        "isRead": true,
        "isDraft": false,
        "hasAttachments": false,
        "bodyPreview": "The words",
        "body": { "contentType": "text", "content": format!("The words of mail {number}.") },
        "uniqueBody": { "contentType": "text", "content": format!("The words of mail {number}.") },
    })
}
