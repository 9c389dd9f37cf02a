//! Calls by hand, on a connection that is kept.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

/// The agent API's one route that everybody calls.
pub const EXECUTE: &str = "/api/amas/conversations/execute";

/// A kept connection.
pub struct Caller {
    port: u16,
    stream: Option<TcpStream>,
}

impl Caller {
    pub fn new(port: u16) -> Self {
        Self { port, stream: None }
    }

    /// The status and the body of the answer. After an error the next call has a new connection.
    pub fn call(&mut self, line: &str, key: &str, body: &str) -> Result<(u16, String)> {
        self.call_with(line, key, "", body)
    }

    /// The same with these headers (`name: value\r\n`).
    pub fn call_with(&mut self, line: &str, key: &str, headers: &str, body: &str) -> Result<(u16, String)> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.port)?,
        };
        let head = format!(
            "{line} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        let (status, answer, goes_on) = read(&mut stream)?;
        if goes_on {
            self.stream = Some(stream);
        }
        Ok((status, answer))
    }

    /// Calls a tool as an agent does that speaks MCP, in its stateless revision; its result.
    pub fn call_tool(&mut self, name: &str, arguments: &Value, key: &str) -> Result<Value> {
        const VERSION: &str = "2026-07-28";
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {},
        });
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": name, "arguments": arguments, "_meta": meta },
        });
        let headers = format!("mcp-protocol-version: {VERSION}\r\nmcp-method: tools/call\r\nmcp-name: {name}\r\n");
        let (status, answer) = self.call_with("POST /mcp", key, &headers, &body.to_string())?;
        let mut told: Value = serde_json::from_str(&answer).unwrap_or_default();
        match told["result"].take() {
            result @ Value::Object(_) => Ok(result),
            _ => Err(Error::other(format!("{name}: {status} {answer}"))),
        }
    }
}

pub fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

/// Reads one answer with a length; whether the connection goes on.
fn read(stream: &mut TcpStream) -> Result<(u16, String, bool)> {
    let broken = |why: &str| Error::new(ErrorKind::InvalidData, why.to_owned());
    let mut bytes = Vec::new();
    let mut part = [0; 8192];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let status =
                head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| broken("no status"))?;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            let length = length.unwrap_or(0);
            while bytes.len() < end + 4 + length {
                let read = stream.read(&mut part)?;
                if read == 0 {
                    return Err(broken("the answer broke off"));
                }
                bytes.extend_from_slice(&part[..read]);
            }
            let body = String::from_utf8_lossy(&bytes[end + 4..end + 4 + length]).into_owned();
            return Ok((status, body, !head.contains("connection: close")));
        }
        let read = stream.read(&mut part)?;
        if read == 0 {
            return Err(broken("the connection was closed"));
        }
        bytes.extend_from_slice(&part[..read]);
    }
}

/// What a browser sends back after a sign-in.
pub(crate) fn post_form(port: u16, path: &str, form: &str) -> Result<()> {
    let mut stream = connect(port)?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost:{port}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(head.as_bytes())?;
    let (status, ..) = read(&mut stream)?;
    if status == 303 { Ok(()) } else { Err(Error::other(format!("the listener answered {status}"))) }
}
