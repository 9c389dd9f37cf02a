//! What other people's bug reports do to a proxy: each case of the field, named by its kind (k2: readers and writers,
//! k3: the runtime, k10: one of a kind), with siblings.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use atthene_core::keys::KeyText;
use atthene_core::problem::ProblemCode;
use atthene_gateway::Limits;

use crate::common::{Answer, EXECUTE, Running, eventually};

/// An agent runtime that plays every connection by hand; the first one is number 0.
pub fn server(play: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let play = Arc::new(play);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(stream) = stream else { return };
            stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
            let play = play.clone();
            std::thread::spawn(move || play(number, stream));
        }
    });
    url
}

/// Reads a head; `None`: the connection ended before it did.
pub fn head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if !stream.read(&mut byte).is_ok_and(|read| read == 1) {
            return None;
        }
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).to_ascii_lowercase())
}

pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn authorized(method: &str, path: &str, key: &KeyText, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n{more}\r\n", key.expose())
}

/// So many headers, each of another name.
fn numbered(headers: usize) -> String {
    (0..headers).fold(String::new(), |all, n| all + &format!("x-{n}: 1\r\n"))
}

fn with_runtime(play: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> (Running, KeyText) {
    before_runtime(Running::start(), play)
}

fn before_runtime(running: Running, play: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> (Running, KeyText) {
    let key = running.key(None);
    running.set_runtime(&server(play), None);
    (running, key)
}

/// The head and the first bytes of an answer on a connection that stays open.
fn first_answer(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 8192];
    let read = stream.read(&mut bytes).expect("an answer");
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}

#[test]
fn k2_bytes_behind_a_call_keep_no_answer_back() {
    let (running, key) = with_runtime(|_, mut stream| {
        while head(&mut stream).is_some() {
            let _ = stream.write_all(OK);
        }
    });
    for behind in ["\r\n", "\n", "GET /heal", "\r\n\r\n", "{\"x\"}"] {
        for call in
            ["GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), authorized("GET", "/api/amas/x", &key, "")]
        {
            let mut stream = running.connect();
            stream.write_all(format!("{call}{behind}").as_bytes()).expect("sends");
            let answer = first_answer(&mut stream);
            assert!(answer.starts_with("HTTP/1.1 200"), "{behind:?} behind {call}: {answer}");
        }
    }
}

#[test]
fn k2_a_head_that_can_not_be_read_is_answered_counted_and_explained() {
    let running = Running::start();
    let long = "x".repeat(300 * 1024);
    let many = numbered(120);
    for (line, more, status) in [
        ("GET / HTTP/1.1", "authorization: Bearer k\ry\r\n", 400),
        ("GET / HTTP/1.1", "no colon here\r\n", 400),
        ("GET /a b HTTP/1.1", "", 400),
        ("GET /\x01 HTTP/1.1", "", 400),
        ("GET / HTTP/1.1", "content-length: 3\r\ncontent-length: 4\r\n", 400),
        ("GET / HTTP/1.1", "x-one : 1\r\n", 400),
        ("GET / HTTP/1.1", "x: \0\r\n", 400),
        ("GET / HTTP/9.9", "", 400),
        ("GET / HTTP/1.1", &many, 431),
        ("GET / HTTP/1.1", &format!("x: {long}\r\n"), 431),
        (&format!("GET /{long}"), "", 431),
    ] {
        let mut stream = running.connect();
        let _ = stream.write_all(format!("{line}\r\nhost: localhost\r\n{more}\r\n").as_bytes());
        let answer = Answer::read(&mut stream);
        let shown = format!("{line:.40} {more:.40}");
        assert!(answer.status == status || (status == 431 && answer.status == 414), "{shown}: {answer:?}");
        assert_eq!(answer.code(), ProblemCode::UnreadableRequest.as_str(), "{shown}: {answer:?}");
        assert!(answer.head.contains("application/problem+json"), "{shown}");
        let id = answer.json()["request_id"].as_str().expect("an id").to_owned();
        let explained = eventually("the refusal to be explained", || running.core.explain(&id).ok());
        assert_eq!(explained.call.code, "unreadable_request");
    }
    eventually("all of them to be counted", || Some(()).filter(|()| running.refused("unreadable_request") == 11));
}

#[test]
fn k2_what_a_runtime_answers_in_the_words_of_hypers_own_refusals_passes_unchanged() {
    const BODY: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    let (running, key) = with_runtime(|_, mut stream| {
        while head(&mut stream).is_some() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            std::thread::sleep(Duration::from_millis(30));
            let _ = stream.write_all(format!("{:x}\r\n", BODY.len()).as_bytes());
            let _ = stream.write_all(&[BODY, b"\r\n0\r\n\r\n"].concat());
        }
    });
    let answer = running.send(&format!("GET /api/amas/x HTTP/1.1\r\nauthorization: Bearer {}", key.expose()), b"");
    assert!(answer.body.contains("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"), "{answer:?}");
    // A bad head behind a good call is told apart from it.
    let mut stream = running.connect();
    let call = authorized("GET", "/api/amas/x", &key, "");
    stream.write_all(format!("{call}BAD HEAD\r\n\r\n").as_bytes()).expect("sends");
    let answers = Answer::read(&mut stream);
    assert!(answers.status == 200 && answers.body.contains("unreadable_request"), "{answers:?}");
}

#[test]
fn k2_an_answer_that_nobody_reads_is_not_held_in_memory() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let (running, key) = with_runtime(move |_, mut stream| {
        head(&mut stream);
        stream.set_write_timeout(Some(Duration::from_secs(2))).expect("set");
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 268435456\r\n\r\n");
        let part = vec![b'x'; 64 * 1024];
        while stream.write_all(&part).is_ok() {
            counted.fetch_add(part.len(), Ordering::Relaxed);
        }
    });
    let mut stream = running.connect();
    stream.write_all(authorized("GET", "/api/amas/big", &key, "").as_bytes()).expect("sends");
    // The runtime is stopped where the buffers of two sockets are full.
    let mut last = usize::MAX;
    let held = eventually("the runtime to be held back", || {
        std::thread::sleep(Duration::from_millis(500));
        let now = sent.load(Ordering::Relaxed);
        (std::mem::replace(&mut last, now) == now && now > 0).then_some(now)
    });
    assert!(held < 32 * 1024 * 1024, "{held} bytes were taken although nobody reads them");
}

#[test]
fn k2_a_port_that_is_silent_after_it_was_reached_is_given_up() {
    let running = Running::with(Limits { runtime_connect_time: Duration::from_millis(300), ..Limits::default() });
    let key = running.key(None);
    // Takes connections and says nothing, as a plain port that is asked for TLS.
    let silent = server(|_, stream| {
        std::thread::sleep(Duration::from_secs(5));
        drop(stream);
    });
    running.set_runtime(&silent.replace("http://", "https://"), None);
    let started = Instant::now();
    assert_eq!(running.execute_with(&key).code(), "runtime_unreachable");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

/// A runtime that closes every kept connection as the next call arrives on it. How often each was called is counted.
fn closes_kept_ones(calls: &Arc<AtomicUsize>) -> impl Fn(usize, TcpStream) + Send + Sync + 'static + use<> {
    let calls = calls.clone();
    move |_, mut stream| {
        let Some(call) = head(&mut stream) else { return };
        if call.contains("content-length: 3") {
            let _ = stream.read_exact(&mut [0; 3]);
        }
        calls.fetch_add(1, Ordering::SeqCst);
        let _ = stream.write_all(if call.starts_with("head") { &OK[..OK.len() - 2] } else { OK });
        // The second call on it finds nobody any more.
        head(&mut stream);
        calls.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn k3_a_call_that_a_closing_connection_lost_is_sent_once_more_where_it_may_be() {
    for (method, body, is_repeated) in [
        ("GET", "", true),
        ("HEAD", "", true),
        ("DELETE", "", true),
        ("PUT", "abc", true),
        ("POST", "abc", false),
        ("PATCH", "abc", false),
    ] {
        let calls = Arc::new(AtomicUsize::new(0));
        let (running, key) = before_runtime(Running::with_one_worker(), closes_kept_ones(&calls));
        let call = || {
            let line = format!("{method} /api/amas/x HTTP/1.1\r\nauthorization: Bearer {}", key.expose());
            running.send(&line, body.as_bytes())
        };
        assert_eq!(call().status, 200);
        let second = call();
        if is_repeated {
            assert_eq!(second.status, 200, "{method}: {second:?}");
            assert_eq!(calls.load(Ordering::SeqCst), 3, "{method}: once lost, once more");
        } else {
            assert_eq!((second.status, second.code().as_str()), (502, "runtime_closed"), "{method}: {second:?}");
            assert!(second.body.contains("closed the connection before it answered"), "{}", second.body);
        }
    }
}

#[test]
fn k3_a_connection_ends_before_the_runtimes_own_timer() {
    let connections = Arc::new(AtomicUsize::new(0));
    let opened = connections.clone();
    let (running, key) = with_runtime(move |number, mut stream| {
        opened.store(number + 1, Ordering::SeqCst);
        while head(&mut stream).is_some() {
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=1, max=100\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let line = format!("POST /api/amas/x HTTP/1.1\r\nauthorization: Bearer {}", key.expose());
    assert_eq!(running.send(&line, b"").status, 200);
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(running.send(&line, b"").status, 200);
    assert_eq!(connections.load(Ordering::SeqCst), 2, "one that is announced to end is not used again");
}

#[test]
fn k3_an_answer_that_comes_before_the_end_of_the_body_always_arrives() {
    for status in [413, 401, 200] {
        let (running, key) = with_runtime(move |_, mut stream| {
            head(&mut stream);
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno");
            let _ = stream.write_all(answer.as_bytes());
            // Closed with bytes that nobody reads: the system resets it.
        });
        for round in 0..6 {
            let mut stream = running.connect();
            let mut writer = stream.try_clone().expect("cloned");
            let call = authorized("POST", "/api/amas/x", &key, "content-length: 8388608\r\n");
            let sending = std::thread::spawn(move || {
                let _ = writer.write_all(call.as_bytes());
                let _ = writer.write_all(&vec![b'x'; 8 * 1024 * 1024]);
            });
            let answer = first_answer(&mut stream);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "round {round}: {answer}");
            drop(stream);
            sending.join().expect("joins");
        }
    }
}

#[test]
fn k2_a_slow_answer_leaves_a_connection_that_the_next_call_takes() {
    let connections = Arc::new(AtomicUsize::new(0));
    let seen = connections.clone();
    let (running, key) = before_runtime(Running::with_one_worker(), move |_, mut stream| {
        seen.fetch_add(1, Ordering::SeqCst);
        while head(&mut stream).is_some() {
            // Longer than a call that can't be sent twice lets a connection lie.
            std::thread::sleep(Duration::from_millis(3_200));
            let _ = stream.write_all(OK);
        }
    });
    let line = format!("POST /api/amas/x HTTP/1.1\r\nauthorization: Bearer {}", key.expose());
    for _ in 0..2 {
        assert_eq!(running.send(&line, b"").status, 200);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1, "each slow call leaves one behind");
}

#[test]
fn k3_an_answer_is_limited_in_bytes_and_not_in_headers() {
    let (running, key) = with_runtime(|number, mut stream| {
        head(&mut stream);
        let headers = match number {
            0 => numbered(300),
            1 => "link: <https://a.example>; rel=next\r\n".repeat(400),
            _ => format!("x: {}\r\n", "y".repeat(300 * 1024)),
        };
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{headers}content-length: 2\r\n\r\nok").as_bytes());
    });
    for (least, what) in [(300, "x-"), (400, "link: "), (1, "x: yyy")] {
        let answer = running.send(&format!("GET /api/amas/x HTTP/1.1\r\nauthorization: Bearer {}", key.expose()), b"");
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
        assert!(answer.head.matches(what).count() >= least, "{what}");
    }
}

#[test]
fn k3_an_answer_that_is_not_quite_http_is_told_as_that_and_an_older_one_in_our_version() {
    let answers: [(&[u8], &str); 8] = [
        (b"HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 0\r\n\r\n", "runtime_unreadable"),
        (b"HTTP/1.1 200 OK\r\nx : a\r\ncontent-length: 0\r\n\r\n", "runtime_unreadable"),
        (b"HTTP/1.1 200 OK\r\nx[]: a\r\ncontent-length: 0\r\n\r\n", "runtime_unreadable"),
        (b"HTTP/1.1 200 OK\r\nx: \x01\r\ncontent-length: 0\r\n\r\n", "runtime_unreadable"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "runtime_unreadable"),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "runtime_unreadable"),
        (b"HTTP/1.1 200 OK\r\nconten", "runtime_closed"),
        (b"", "runtime_closed"),
    ];
    for (bytes, code) in answers {
        let (running, key) = with_runtime(move |_, mut stream| {
            head(&mut stream);
            let _ = stream.write_all(bytes);
        });
        let answer = running.execute_with(&key);
        assert_eq!((answer.status, answer.code().as_str()), (502, code), "{}", String::from_utf8_lossy(bytes));
        assert!(!answer.body.contains("could not be reached"), "{}", answer.body);
        assert!(running.core.signals.runtime_trouble().is_none(), "it is there");
    }
    let (running, key) = with_runtime(|_, mut stream| {
        head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nold");
    });
    let mut stream = running.connect();
    stream.write_all(authorized("GET", "/api/amas/x", &key, "connection: close\r\n").as_bytes()).expect("sends");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("reads");
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("old"), "{text}");
}

#[test]
fn k10_a_length_beside_a_coding_cuts_nothing() {
    let (running, key) = with_runtime(|_, mut stream| {
        head(&mut stream);
        let _ = stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        );
    });
    let answer = running.send(&format!("GET /api/amas/x HTTP/1.1\r\nauthorization: Bearer {}", key.expose()), b"");
    assert!(answer.body.contains("hello"), "{answer:?}");
}

/// Echoes what comes after it has agreed to change the protocol.
pub fn echo(_: usize, mut stream: TcpStream) {
    let Some(call) = head(&mut stream) else { return };
    assert!(call.contains("upgrade: websocket") && call.contains("connection: upgrade"), "{call}");
    assert!(call.contains("sec-websocket-key: k") && !call.contains("bearer atk_"), "{call}");
    let _ = stream.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: a\r\n\r\n",
    );
    let mut bytes = [0; 4096];
    while let Ok(read) = stream.read(&mut bytes) {
        if read == 0 || stream.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

fn upgraded(running: &Running, key: &KeyText) -> TcpStream {
    let mut stream = running.connect();
    let more = "connection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\nsec-websocket-key: k\r\n";
    stream.write_all(authorized("GET", "/api/amas/realtime", key, more).as_bytes()).expect("sends");
    let answer = head(&mut stream).expect("an answer");
    assert!(answer.starts_with("http/1.1 101") && answer.contains("sec-websocket-accept: a"), "{answer}");
    assert!(answer.contains("upgrade: websocket") && answer.contains("x-request-id: "), "{answer}");
    stream
}

#[test]
fn k10_a_websocket_is_tunnelled_counted_and_stopped_like_any_call() {
    let (running, key) = with_runtime(echo);
    let mut stream = upgraded(&running, &key);
    for part in ["hello", "world"] {
        stream.write_all(part.as_bytes()).expect("sends");
        let mut back = [0; 5];
        stream.read_exact(&mut back).expect("comes back");
        assert_eq!(&back, part.as_bytes());
    }
    drop(stream);
    eventually("the call and its bytes to be counted", || {
        let report = running.core.usage.report(atthene_core::activity::Span::Day).expect("reads");
        Some(()).filter(|()| report.total.answered == 1 && report.total.bytes_in == 10 && report.total.bytes_out == 10)
    });
    // Stopped, it ends at once; and nobody gets a new one.
    let mut stream = upgraded(&running, &key);
    running.core.stop_everything().expect("stops");
    let mut byte = [0];
    assert!(matches!(stream.read(&mut byte), Ok(0) | Err(_)), "it went on");
    assert_eq!(running.execute_with(&key).code(), "stopped");
}

#[test]
fn k10_a_runtime_that_refuses_to_change_the_protocol_is_heard() {
    let (running, key) = with_runtime(|_, mut stream| {
        head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno");
    });
    let more = "connection: upgrade\r\nupgrade: websocket";
    let line = format!("GET /api/amas/x HTTP/1.1\r\nauthorization: Bearer {}\r\n{more}", key.expose());
    let mut stream = running.connect();
    stream.write_all(format!("{line}\r\nhost: localhost\r\n\r\n").as_bytes()).expect("sends");
    assert!(first_answer(&mut stream).starts_with("HTTP/1.1 426"));
}

#[test]
fn k10_a_gateway_that_is_its_own_runtime_is_refused_or_found_at_the_first_turn() {
    let running = Running::start();
    let key = running.key(None);
    let own = atthene_core::Settings {
        runtime_url: Some(format!("http://LOCALHOST:{}/x", running.port)),
        ..atthene_core::Settings::clone(&running.core.settings.current())
    };
    assert!(running.core.settings.save(own).expect_err("leads back").to_string().contains("leads back"));
    // A way back that no setting shows: another program in between.
    let (port, text) = (running.port, key.expose().to_owned());
    let between = server(move |_, mut stream| {
        let Some(call) = head(&mut stream) else { return };
        let mut onward = TcpStream::connect(("127.0.0.1", port)).expect("connects");
        let hop = call.lines().find(|line| line.starts_with("x-atthene-hop")).expect("is marked").to_owned();
        let again = format!(
            "GET /api/amas/x HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {text}\r\n{hop}\r\nconnection: close\r\n\r\n"
        );
        onward.write_all(again.as_bytes()).expect("sends");
        let mut answer = Vec::new();
        let _ = onward.read_to_end(&mut answer);
        let _ = stream.write_all(&answer);
    });
    running.set_runtime(&between, None);
    let turned = running.execute_with(&key);
    assert_eq!((turned.status, turned.code().as_str()), (508, "loop_detected"), "{turned:?}");
    let answered = running.core.usage.report(atthene_core::activity::Span::Day).expect("reads").total.answered;
    assert!(answered <= 2, "{answered} turns");
}

#[test]
fn k10_a_method_that_a_route_has_not_is_told_which_it_has() {
    let running = Running::start();
    let key = running.key(None);
    for (call, allowed) in [
        (format!("GET {EXECUTE}"), "post"),
        ("POST /healthz".to_owned(), "get"),
        ("DELETE /api/amas/connections".to_owned(), "get"),
    ] {
        let answer = running.send(&format!("{call} HTTP/1.1\r\nauthorization: Bearer {}", key.expose()), b"");
        assert_eq!((answer.status, answer.code().as_str()), (405, "method_not_allowed"), "{call}");
        let allow = answer.head.lines().find(|line| line.starts_with("allow: ")).unwrap_or_default();
        assert!(allow.contains(allowed), "{call}: {}", answer.head);
    }
}

#[test]
fn k3_an_early_answer_arrives_although_the_caller_offered_another_protocol() {
    let running = Running::start();
    for round in 0..6 {
        let mut stream = running.connect();
        let mut writer = stream.try_clone().expect("cloned");
        let more = "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\n";
        let call = format!("POST {EXECUTE} HTTP/1.1\r\nhost: localhost\r\n{more}content-length: 8388608\r\n\r\n");
        let sending = std::thread::spawn(move || {
            writer.write_all(call.as_bytes()).and_then(|()| writer.write_all(&vec![b'x'; 8 * 1024 * 1024]))
        });
        let mut text = Vec::new();
        let read = stream.read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(text.starts_with("HTTP/1.1 401"), "round {round}: {text} {read:?}");
        let sent = sending.join().expect("joins");
        assert!(read.is_ok() && sent.is_ok(), "round {round}: {read:?} {sent:?}");
    }
}

#[test]
fn k10_a_websocket_is_stopped_like_any_call() {
    let (running, key) = with_runtime(echo);
    let mut stream = upgraded(&running, &key);
    running.core.stop_everything().expect("stops");
    let mut byte = [0];
    let read = stream.read(&mut byte);
    let timed_out =
        |error: &std::io::Error| matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
    assert!(matches!(&read, Ok(0)) || read.as_ref().is_err_and(|error| !timed_out(error)), "it went on: {read:?}");
}
