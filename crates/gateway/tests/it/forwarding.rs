//! What the agent runtime gets, and what comes back.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use crate::common::{EXECUTE, Running, free_port};

/// An agent runtime that plays one connection by hand.
pub fn runtime(play: impl FnOnce(std::net::TcpStream, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accepts");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
            head.push(byte[0]);
        }
        play(stream, String::from_utf8_lossy(&head).to_ascii_lowercase());
    });
    url
}

#[test]
fn the_runtime_gets_the_call_without_the_key_and_with_its_own_credential() {
    let running = Running::start();
    let key = running.key(None);
    let (told, heard) = mpsc::channel();
    let url = runtime(move |mut stream, head| {
        let mut body = [0; 7];
        stream.read_exact(&mut body).expect("a body");
        told.send((head, body)).expect("heard");
        stream
            .write_all(
                b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nx-own: 1\r\nconnection: x-hop\r\nx-hop: 1\r\n\r\nhi",
            )
            .expect("answers");
    });
    running.set_runtime(&format!("{url}/base"), Some("runtime-credential"));
    let head = format!(
        "PUT /api/amas/agents/7?x=%20y HTTP/1.1\r\nauthorization: Bearer {}\r\nte: trailers\r\nx-mine: 1",
        key.expose()
    );
    let answer = running.send(&head, b"payload");
    assert_eq!((answer.status, answer.body.as_str()), (201, "hi"));
    assert!(answer.head.contains("x-own: 1") && !answer.head.contains("x-hop"), "{}", answer.head);
    let (sent, body) = heard.recv().expect("the runtime heard");
    assert_eq!(&body, b"payload");
    assert!(sent.starts_with("put /base/api/amas/agents/7?x=%20y http/1.1"), "{sent}");
    assert!(sent.contains("authorization: bearer runtime-credential"), "{sent}");
    assert!(sent.contains("x-mine: 1") && sent.contains("x-request-id: "), "{sent}");
    assert!(!sent.contains("te: trailers") && !sent.contains(&key.expose()[4..].to_ascii_lowercase()), "{sent}");
}

#[test]
fn events_arrive_one_by_one() {
    let running = Running::start();
    let key = running.key(None);
    let (go_on, told) = mpsc::channel::<()>();
    let url = runtime(move |mut stream, _| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            .expect("answers");
        for event in ["one", "two", "three"] {
            let text = format!("data: {event}\n\n");
            stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).expect("streams");
            // The next one is sent only after the caller has this one.
            told.recv().expect("the caller got it");
        }
        stream.write_all(b"0\r\n\r\n").expect("ends");
    });
    running.set_runtime(&url, None);
    let mut stream = running.connect();
    let call = format!(
        "POST {EXECUTE} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        key.expose()
    );
    stream.write_all(call.as_bytes()).expect("sends");
    let mut read = String::new();
    let mut buffer = [0; 4096];
    for event in ["one", "two", "three"] {
        while !read.contains(&format!("data: {event}\n\n")) {
            let bytes = stream.read(&mut buffer).expect("reads");
            assert!(bytes > 0, "the stream ended before {event:?}");
            read.push_str(&String::from_utf8_lossy(&buffer[..bytes]));
        }
        go_on.send(()).expect("the runtime waits");
    }
}

#[test]
fn a_caller_that_hangs_up_cancels_the_call() {
    for answered in [false, true] {
        let running = Running::start();
        let key = running.key(None);
        let (told, cancelled) = mpsc::channel();
        let (called, reached) = mpsc::channel();
        let url = runtime(move |mut stream, _| {
            if answered {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
                    .expect("answers");
            }
            called.send(()).expect("heard");
            let mut byte = [0];
            told.send(matches!(stream.read(&mut byte), Ok(0))).expect("heard");
        });
        running.set_runtime(&url, None);
        let mut stream = running.connect();
        let call = format!(
            "POST {EXECUTE} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: 0\r\n\r\n",
            key.expose()
        );
        stream.write_all(call.as_bytes()).expect("sends");
        reached.recv().expect("the runtime was called");
        drop(stream);
        assert!(cancelled.recv_timeout(Duration::from_secs(10)).expect("the call ended"), "answered: {answered}");
    }
}

#[test]
fn a_redirect_is_passed_on_and_not_followed() {
    let running = Running::start();
    let key = running.key(None);
    let url = runtime(|mut stream, _| {
        stream
            .write_all(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")
            .expect("answers");
    });
    running.set_runtime(&url, None);
    assert_eq!(running.execute_with(&key).status, 302);
}

#[test]
fn a_runtime_that_is_away_or_answers_nonsense_is_named() {
    let running = Running::start();
    let key = running.key(None);
    running.set_runtime(&format!("http://127.0.0.1:{}", free_port()), None);
    let away = running.execute_with(&key);
    assert_eq!((away.status, away.code().as_str()), (502, "runtime_unreachable"));
    assert!(away.body.contains("refused"), "{}", away.body);
    let url = runtime(|mut stream, _| stream.write_all(b"SSH-2.0-OpenSSH\r\n").expect("answers"));
    running.set_runtime(&url, None);
    let nonsense = running.execute_with(&key);
    assert_eq!((nonsense.status, nonsense.code().as_str()), (502, "runtime_unreadable"));
}

#[test]
fn a_runtime_that_never_answers_is_given_up() {
    let limits = atthene_gateway::Limits { runtime_head_time: Duration::from_millis(200), ..Default::default() };
    let running = Running::with(limits);
    let key = running.key(None);
    let url = runtime(|stream, _| {
        std::thread::sleep(Duration::from_secs(3));
        drop(stream);
    });
    running.set_runtime(&url, None);
    assert_eq!(running.execute_with(&key).code(), "runtime_timeout");
}

#[test]
fn a_credential_is_not_sent_to_another_runtime() {
    let running = Running::start();
    running.key(None);
    running.set_runtime("http://127.0.0.1:9/one", Some("runtime-credential"));
    assert!(running.core.settings.has_runtime_credential());
    running.set_runtime("http://127.0.0.1:9/two", None);
    assert!(!running.core.settings.has_runtime_credential());
}
