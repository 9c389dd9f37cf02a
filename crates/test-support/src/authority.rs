//! An authority on loopback that answers as a test says, in the shapes recorded from Entra.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const TENANT: &str = "99999999-2222-3333-4444-555555555555";
pub const CLIENT_ID: &str = "11111111-2222-3333-4444-555555555555";

/// A form as it was sent to the token endpoint.
pub type Form = HashMap<String, String>;

/// What the token endpoint answers: status, more headers, body.
pub type Reply = (u16, &'static str, String);

type Script = Arc<Mutex<Box<dyn FnMut(&Form) -> Reply + Send>>>;

pub struct ScriptedAuthority {
    pub issuer: String,
    script: Script,
    calls: Arc<Mutex<Vec<Form>>>,
    pause: Arc<AtomicU64>,
    device: Arc<Mutex<(String, String)>>,
    /// Whoever reads the document waits while this is held.
    document: Arc<tokio::sync::Mutex<String>>,
}

/// Others call meanwhile: what may be asked once only must be asked once only.
const PAUSE_MS: u64 = 20;

impl ScriptedAuthority {
    pub async fn start(script: impl FnMut(&Form) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let issuer = format!("{base}/{TENANT}/v2.0");
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"),
            "device_authorization_endpoint": format!("{base}/device"),
        });
        let authority = Self {
            issuer,
            script: Arc::new(Mutex::new(Box::new(script))),
            calls: Arc::default(),
            pause: Arc::new(AtomicU64::new(PAUSE_MS)),
            device: Arc::new(Mutex::new(("https://microsoft.com/devicelogin".into(), "ABCD-EFGH".into()))),
            document: Arc::new(tokio::sync::Mutex::new(document.to_string())),
        };
        let document = authority.document.clone();
        let (script, calls) = (authority.script.clone(), authority.calls.clone());
        let (pause, device) = (authority.pause.clone(), authority.device.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(
                    stream,
                    document.clone(),
                    script.clone(),
                    calls.clone(),
                    pause.clone(),
                    device.clone(),
                ));
            }
        });
        authority
    }

    /// Answers otherwise from now on.
    pub fn says(&self, script: impl FnMut(&Form) -> Reply + Send + 'static) {
        *self.script.lock().expect("not poisoned") = Box::new(script);
    }

    /// Hands out this page and code for a sign-in on another machine.
    pub fn hands_out(&self, page: &str, code: &str) {
        *self.device.lock().expect("not poisoned") = (page.to_owned(), code.to_owned());
    }

    /// Lets nobody read the document while the guard is held.
    pub async fn hold(&self) -> tokio::sync::OwnedMutexGuard<String> {
        self.document.clone().lock_owned().await
    }

    /// Answers at once from now on.
    pub fn hurry(&self) {
        self.takes(0);
    }

    /// Answers after this many milliseconds from now on.
    pub fn takes(&self, ms: u64) {
        self.pause.store(ms, Ordering::Relaxed);
    }

    /// The forms that came so far.
    pub fn calls(&self) -> Vec<Form> {
        self.calls.lock().expect("not poisoned").clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    document: Arc<tokio::sync::Mutex<String>>,
    script: Script,
    calls: Arc<Mutex<Vec<Form>>>,
    pause: Arc<AtomicU64>,
    device: Arc<Mutex<(String, String)>>,
) {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap_or(0);
        bytes.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                break (head.to_owned(), body.to_owned());
            }
        }
        if read == 0 {
            return;
        }
    };
    let (status, headers, body) = if head.starts_with("POST /token") {
        let form: Form = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        calls.lock().expect("not poisoned").push(form.clone());
        // What is spent is spent before the answer arrives.
        let answer = (script.lock().expect("not poisoned"))(&form);
        tokio::time::sleep(std::time::Duration::from_millis(pause.load(Ordering::Relaxed))).await;
        answer
    } else if head.starts_with("POST /device") {
        let (page, code) = device.lock().expect("not poisoned").clone();
        ok(&json!({
            "user_code": code, "device_code": "device", "verification_uri": page, "expires_in": 900, "interval": 1,
        }))
    } else if head.contains(" /v1.0/") {
        graph(&head, &body)
    } else {
        (200, "", document.lock().await.clone())
    };
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// Graph at the same address: tells what it got, and knows access that begins with "stale" or
/// "challenged" no more.
fn graph(head: &str, body: &str) -> Reply {
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
        line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned())
    };
    let authorization = header("authorization").unwrap_or_default();
    let got = json!({
        "line": head.lines().next(),
        "authorization": authorization,
        "cookie": header("cookie"),
        "body": body,
        "@odata.nextLink": format!("http://{}/v1.0/me/messages?$skip=10", header("host").unwrap_or_default()),
        "@odata.context": format!("http://{}/v1.0/$metadata", header("host").unwrap_or_default()),
    });
    let status = if authorization.contains("stale") || authorization.contains("challenged") { 401 } else { 200 };
    // {"access_token":{"nbf":{"essential":true}}}
    let challenge = "www-authenticate: Bearer error=\"insufficient_claims\", \
                     claims=\"eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZX19fQ==\"\r\n";
    let headers =
        if authorization.contains("challenged") { challenge } else { "set-cookie: a=b\r\nretry-after: 3\r\n" };
    (status, headers, got.to_string())
}

/// An id token with these claims, signed by nobody.
pub fn id_token(claims: &Value) -> String {
    format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

pub fn ok(body: &Value) -> Reply {
    (200, "", body.to_string())
}

pub fn refused(status: u16, error: &str, suberror: &str, code: u32) -> Reply {
    let body = json!({
        "error": error,
        "suberror": suberror,
        "error_codes": [code],
        "error_description": format!("AADSTS{code}: Text. Trace ID: t Correlation ID: c Timestamp: 2026-01-01 00:00:00Z"),
        "correlation_id": "0a1b2c3d-0000-1111-2222-333344445555",
    });
    (status, "", body.to_string())
}
