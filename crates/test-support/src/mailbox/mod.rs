//! A Graph on loopback with a large mailbox, whose mails are made as they are asked for, and with mails of a test's own.
//! Connections are kept, and nothing that was asked is.

mod body;
mod mails;
mod query;

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use mails::Mails;
use query::Query;

/// What stands in a mail of a test's own for bytes that no text has, and those bytes: broken UTF-8, and half a pair of
/// UTF-16.
pub const BROKEN: [(char, &[u8]); 2] = [('\u{e000}', b"\xff\xc3\x28"), ('\u{e001}', b"\\ud83d")];

/// What lies in it.
#[derive(Default)]
pub struct Contents {
    /// So many mails that are made when they are asked for.
    pub mails: usize,
    /// Bytes of each of their bodies.
    pub body: usize,
    /// Mails of a test's own, whole, with `attachments`; a search for [`Mailbox::OWN`] finds them, and no list does.
    pub own: Vec<Value>,
    /// The names of folders.
    pub folders: Vec<String>,
}

/// The mailbox behind its address.
pub struct Mailbox {
    /// Where it answers.
    pub base: String,
}

struct Shared {
    base: String,
    mails: Mails,
    own: Vec<Value>,
    folders: Vec<String>,
}

impl Mailbox {
    /// The word that finds mails of a test's own.
    pub const OWN: &str = "strangers";

    pub async fn start(contents: Contents) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let Contents { mails, body, own, folders } = contents;
        let shared = Arc::new(Shared { base: base.clone(), mails: Mails { count: mails, body }, own, folders });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Self { base }
    }

    /// The id of a mail, the newest being 0.
    pub fn id(number: usize) -> String {
        Mails::id(number)
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if stream.read_line(&mut first).await? == 0 {
            return Ok(());
        }
        let (mut length, mut text_preferred) = (0, false);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            } else if name.eq_ignore_ascii_case("prefer") {
                text_preferred |= value.contains("outlook.body-content-type=\"text\"");
            }
        }
        stream.read_exact(&mut vec![0; length]).await?;
        let path = first.split(' ').nth(1).and_then(|line| line.split_once("/v1.0/")).map_or("", |(_, path)| path);
        let found = shared.answer(path, text_preferred);
        let status = if found.is_some() { "200 OK" } else { "404 Not Found" };
        let body =
            found.unwrap_or_else(|| json!({ "error": { "code": "ErrorItemNotFound", "message": "Not found." } }));
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let body = if shared.own.is_empty() { body } else { with_broken(body) };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\npreference-applied: outlook.body-content-type=\"text\"\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
    }
}

fn with_broken(mut body: Vec<u8>) -> Vec<u8> {
    for (stands_for, bytes) in BROKEN {
        let mut text = [0; 4];
        let text = stands_for.encode_utf8(&mut text).as_bytes();
        while let Some(at) = body.windows(text.len()).position(|part| part == text) {
            body.splice(at..at + text.len(), bytes.iter().copied());
        }
    }
    body
}

impl Shared {
    /// `None`: there is nothing of this path.
    fn answer(&self, path: &str, text_preferred: bool) -> Option<Value> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query = Query::of(query);
        match path.split('/').collect::<Vec<_>>()[..] {
            ["me", "mailFolders"] => Some(json!({ "value": self.folders() })),
            ["me", "messages"] | ["me", "mailFolders", _, "messages"] => Some(self.page(path, &query)),
            ["me", "messages", id] => match self.mails.number(id) {
                Some(number) => Some(self.mails.mail(number, &query.fields, text_preferred)),
                None => self.own(id).map(|mail| query.fields.of(mail)),
            },
            ["me", "messages", id, "attachments"] => {
                let all = self.own(id)?["attachments"].as_array()?;
                Some(json!({ "value": all.iter().map(|file| query.fields.of(file)).collect::<Vec<_>>() }))
            }
            ["me", "messages", id, "attachments", file] => {
                let all = self.own(id)?["attachments"].as_array()?;
                all.iter().find(|one| one["id"] == file).map(|file| query.fields.of(file))
            }
            _ => None,
        }
    }

    fn own(&self, id: &str) -> Option<&Value> {
        self.own.iter().find(|mail| mail["id"] == id)
    }

    fn folders(&self) -> Vec<Value> {
        let folder = |(at, name): (usize, &String)| json!({ "id": format!("AAMkAGI2TG93AAA-folder-{at}"), "displayName": name, "parentFolderId": "AAMkAGI2TG93AAA-root" });
        self.folders.iter().enumerate().map(folder).collect()
    }

    fn page(&self, path: &str, query: &Query) -> Value {
        let own = if query.is_search() && query.finds(Mailbox::OWN) { &self.own[..] } else { &[] };
        let passed = query.skip.saturating_sub(own.len());
        let own = own.iter().skip(query.skip).map(|mail| query.fields.of(mail));
        // None is made that is passed over.
        let made = (0..self.mails.count).filter(|number| query.takes(*number)).skip(passed);
        let mut rows = own.chain(made.map(|number| self.mails.mail(number, &query.fields, false)));
        let mut page = json!({ "value": rows.by_ref().take(query.top).collect::<Vec<_>>() });
        if rows.next().is_some() {
            let skip = query.skip + query.top;
            page["@odata.nextLink"] = format!("{}/v1.0/{path}?{}&$skip={skip}", self.base, query.written).into();
        }
        page
    }
}
