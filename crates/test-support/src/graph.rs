//! A Graph on loopback that answers as a test says, and remembers what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Behind the version, with its query decoded.
    pub path: String,
    /// As it was sent.
    pub line: String,
    pub bearer: String,
    /// By names in lower case.
    pub headers: HashMap<String, String>,
    pub body: Value,
}

/// Status, more headers (`name: value\r\n`), body.
pub type Answer = (u16, String, String);

type Script = Arc<Mutex<Box<dyn FnMut(&Asked) -> Answer + Send>>>;

pub struct ScriptedGraph {
    pub base: String,
    script: Script,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl ScriptedGraph {
    /// Answers everything with "not found" until it is told otherwise.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let script: Script = Arc::new(Mutex::new(Box::new(|_| refused(404, "ErrorItemNotFound"))));
        let graph = Self { base, script, asked: Arc::default() };
        let (script, asked) = (graph.script.clone(), graph.asked.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, script.clone(), asked.clone()));
            }
        });
        graph
    }

    /// Answers so from now on; what was asked before is forgotten.
    pub fn says(&self, script: impl FnMut(&Asked) -> Answer + Send + 'static) {
        *self.script.lock().expect("not poisoned") = Box::new(script);
        self.asked.lock().expect("not poisoned").clear();
    }

    /// What it was asked since.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("not poisoned").clone()
    }

    /// The same as `GET me/messages`, without queries.
    pub fn calls(&self) -> Vec<String> {
        let call = |asked: &Asked| format!("{} {}", asked.method, asked.path.split('?').next().unwrap_or_default());
        self.asked().iter().map(call).collect()
    }
}

pub fn found(body: &Value) -> Answer {
    (200, String::new(), body.to_string())
}

pub fn refused(status: u16, code: &str) -> Answer {
    (
        status,
        String::new(),
        json!({ "error": { "code": code, "message": format!("The words of {code}.") } }).to_string(),
    )
}

async fn serve(mut stream: TcpStream, script: Script, asked: Arc<Mutex<Vec<Asked>>>) {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if !more(&mut stream, &mut bytes).await {
            return;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let headers: HashMap<String, String> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while bytes.len() < head_end + 4 + length {
        if !more(&mut stream, &mut bytes).await {
            return;
        }
    }
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (method, line) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let path = line.split_once("/v1.0/").map(|(_, path)| path).unwrap_or_default();
    // A plus stands for itself in Graph's queries.
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let query: Vec<String> = url::form_urlencoded::parse(query.replace('+', "%2B").as_bytes())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let bearer = headers.get("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let one = Asked {
        method,
        path: format!("{path}{query}"),
        bearer: bearer.to_owned(),
        body: serde_json::from_slice(&bytes[head_end + 4..]).unwrap_or(Value::Null),
        line,
        headers,
    };
    asked.lock().expect("not poisoned").push(one.clone());
    let (status, more, body) = (script.lock().expect("not poisoned"))(&one);
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> bool {
    let mut part = vec![0; 16 * 1024];
    let read = stream.read(&mut part).await.unwrap_or(0);
    bytes.extend_from_slice(&part[..read]);
    read > 0
}
