//! A Graph that notes every request before it answers, and answers as a bad day would have it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::answered;

/// Marks all that only somebody who may read is told.
pub(super) const SECRET: &str = "kept-from-those-who-may-not-read";

/// One request that reached Graph.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) at: Instant,
    pub(super) method: String,
    /// The path with its query, as it came.
    pub(super) line: String,
    pub(super) kind: String,
    pub(super) body: String,
    /// The status of the answer. `None`: none was given, or not yet.
    pub(super) answer: Option<u16>,
}

impl Arrival {
    /// Nothing was done: Graph said so.
    pub(super) fn was_refused(&self) -> bool {
        self.answer.is_some_and(|status| (400..500).contains(&status))
    }

    /// Whoever asked can't know what came of it.
    pub(super) fn is_unclear(&self) -> bool {
        self.answer.is_none_or(|status| status >= 500)
    }
}

/// How one request fares.
#[derive(Clone, Copy)]
enum Mood {
    Fine,
    Slow(u64),
    /// Until the round is over, or whoever asked is gone.
    Held,
    Says(u16),
    /// Takes all of it, and closes.
    Closes,
}

#[derive(Default)]
struct Book {
    arrivals: Vec<Arrival>,
}

struct Rooms {
    book: Mutex<Book>,
    moods: Mutex<StdRng>,
    is_calm: AtomicBool,
    /// Counts how often those who are held were let go.
    released: watch::Sender<u64>,
    /// Requests that are being answered.
    busy: watch::Sender<usize>,
}

/// One of them.
struct Attended<'a>(&'a watch::Sender<usize>);

impl<'a> Attended<'a> {
    fn taken(busy: &'a watch::Sender<usize>) -> Self {
        busy.send_modify(|busy| *busy += 1);
        Self(busy)
    }
}

impl Drop for Attended<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|busy| *busy -= 1);
    }
}

/// The office behind its address.
pub(super) struct Office {
    pub(super) base: String,
    rooms: Arc<Rooms>,
}

impl Office {
    pub(super) async fn open(seed: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let rooms = Arc::new(Rooms {
            book: Mutex::default(),
            moods: Mutex::new(StdRng::seed_from_u64(seed)),
            is_calm: AtomicBool::new(true),
            released: watch::Sender::new(0),
            busy: watch::Sender::new(0),
        });
        let shared = rooms.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let rooms = shared.clone();
                // A caller that breaks off is none of our concern.
                tokio::spawn(async move { serve(stream, &rooms).await.ok() });
            }
        });
        Ok(Self { base, rooms })
    }

    /// Whether everything is answered at once.
    pub(super) fn is_calm(&self, is_calm: bool) {
        self.rooms.is_calm.store(is_calm, Ordering::Relaxed);
        if is_calm {
            self.rooms.released.send_modify(|times| *times += 1);
        }
    }

    /// Waits until something is being answered, or for so long.
    pub(super) async fn is_busy(&self, longest: Duration) {
        let mut busy = self.rooms.busy.subscribe();
        // Where nothing arrives, that is how it is.
        let _ = tokio::time::timeout(longest, busy.wait_for(|busy| *busy > 0)).await;
    }

    /// Waits until everything that has arrived was answered, or can't be.
    pub(super) async fn is_idle(&self) -> Result<()> {
        let mut busy = self.rooms.busy.subscribe();
        answered("an idle Graph", busy.wait_for(|busy| *busy == 0)).await.map(drop)
    }

    /// What has arrived from this number on.
    pub(super) fn arrivals(&self, from: usize) -> Vec<Arrival> {
        lock(&self.rooms.book).arrivals.get(from..).unwrap_or_default().to_vec()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rooms {
    fn mood(&self) -> Mood {
        if self.is_calm.load(Ordering::Relaxed) {
            return Mood::Fine;
        }
        let mut random = lock(&self.moods);
        match random.random_range(0..100) {
            0..58 => Mood::Fine,
            58..74 => Mood::Slow(random.random_range(5..120)),
            74..83 => Mood::Held,
            83..87 => Mood::Says(500),
            87..89 => Mood::Says(503),
            89..92 => Mood::Says(401),
            92..94 => Mood::Says(429),
            _ => Mood::Closes,
        }
    }
}

/// Requests of one connection, which is kept.
async fn serve(stream: TcpStream, rooms: &Rooms) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if stream.read_line(&mut first).await? == 0 {
            return Ok(());
        }
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let _attended = Attended::taken(&rooms.busy);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let mut words = first.split(' ');
        let (method, line) = (words.next().context("a method")?, words.next().context("a path")?);
        let arrival = Arrival {
            at: Instant::now(),
            method: method.to_owned(),
            line: line.to_owned(),
            kind: headers.get("content-type").cloned().unwrap_or_default(),
            body: String::from_utf8_lossy(&body).into_owned(),
            answer: None,
        };
        let mut released = rooms.released.subscribe();
        let number = {
            let mut book = lock(&rooms.book);
            book.arrivals.push(arrival.clone());
            book.arrivals.len() - 1
        };
        let (mut status, answer) = answer(&arrival);
        match rooms.mood() {
            Mood::Fine => {}
            Mood::Slow(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            Mood::Says(said) => status = said,
            Mood::Closes => return Ok(()),
            Mood::Held => tokio::select! {
                _ = released.changed() => {}
                _ = stream.read_u8() => return Ok(()),
            },
        }
        // Noted before it leaves: whoever is told has something to know.
        if let Some(noted) = lock(&rooms.book).arrivals.get_mut(number) {
            noted.answer = Some(status);
        }
        let answer = if status < 400 { answer } else { json!({ "error": { "code": "Bad", "message": "A bad day." } }) };
        let text = if answer.is_null() { String::new() } else { answer.to_string() };
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{text}",
            text.len()
        );
        stream.write_all(head.as_bytes()).await?;
    }
}

/// The subject of what has this id.
pub(super) fn subject_of(id: &str) -> String {
    format!("Subject {id}")
}

fn answer(arrival: &Arrival) -> (u16, Value) {
    let path = arrival.line.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let id = parts.last().copied().unwrap_or_default();
    match arrival.method.as_str() {
        "GET" | "HEAD" if path.ends_with("/me/messages") => {
            (200, json!({ "value": [{ "id": "m1", "subject": SECRET }] }))
        }
        "GET" | "HEAD" => (
            200,
            json!({
                "id": id, "subject": subject_of(id), "topic": subject_of(id), "name": SECRET, "bodyPreview": SECRET,
                "from": { "emailAddress": { "address": "grace@contoso.example" } },
                "organizer": { "emailAddress": { "address": "grace@contoso.example" } },
                "start": { "dateTime": "2026-11-27T09:00:00" },
                "body": { "contentType": "text", "content": SECRET },
                "members": [{ "displayName": "Grace" }],
                "contentType": "text/plain", "size": 3,
            }),
        ),
        "DELETE" => (204, Value::Null),
        "POST" if ["sendmail", "reply", "send", "accept", "decline"].contains(&id.to_ascii_lowercase().as_str()) => {
            (202, Value::Null)
        }
        _ => (201, json!({ "id": "new", "subject": "new" })),
    }
}
