//! Whoever holds no key costs its holder nothing (S3, S7, S16), and what is sent badly is answered all
//! the same (hostile F1 to F3, F7).

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use atthene_core::Settings;
use atthene_core::keys::KeyText;
use atthene_core::oversight::{CHALLENGE_HEADER, Fix, PROOF_HEADER, PortOwner};
use atthene_gateway::check_port;

use crate::access::with_id_of;
use crate::common::{Answer, EXECUTE, Running, block_on, connect, eventually, free_port};
use crate::forwarding::runtime;

/// Presents these texts on 32 connections until the valid caller is done, whose statuses it returns.
fn while_flooded(running: &Running, texts: &[String], calls: usize, key: &KeyText) -> (Vec<u16>, Vec<u16>) {
    let done = AtomicBool::new(false);
    let (begun, under_way) = mpsc::channel();
    std::thread::scope(|scope| {
        let floods: Vec<_> = (0..32)
            .map(|at| {
                let (done, begun) = (&done, begun.clone());
                scope.spawn(move || {
                    let mut stream = running.connect();
                    let mut told = Vec::new();
                    let mut buffer = [0; 4096];
                    for text in texts.iter().cycle().skip(at) {
                        let call = format!(
                            "GET /auth/verify HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {text}\r\n\r\n"
                        );
                        stream.write_all(call.as_bytes()).expect("sends");
                        let _ = begun.send(());
                        let read = stream.read(&mut buffer).expect("answers");
                        let status = str::from_utf8(&buffer[9..12]).ok().filter(|_| read > 12);
                        told.push(status.and_then(|text| text.parse().ok()).unwrap_or(0));
                        if done.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                    told
                })
            })
            .collect();
        (0..64).for_each(|_| under_way.recv().expect("the flood goes on"));
        let valid = (0..calls).map(|_| running.execute_with(key).status).collect();
        done.store(true, Ordering::Relaxed);
        (valid, floods.into_iter().flat_map(|flood| flood.join().expect("joins")).collect())
    })
}

#[test]
fn s3_a_flood_of_guesses_before_the_first_call_after_a_start_keeps_nobody_out() {
    let running = Running::start();
    let key = running.key(None);
    let running = running.restart();
    let guesses: Vec<String> = (0..500).map(|_| with_id_of(&key)).collect();
    let (valid, guessed) = while_flooded(&running, &guesses, 20, &key);
    assert_eq!(valid, [200; 20]);
    assert!(guessed.iter().all(|status| *status == 401), "a guesser is told that it is wrong, and nothing else");
    // At the check characters, long before any hashing.
    let told = running.execute(&format!("Bearer {}", guesses[0])).json();
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("mistyped")), "{told}");
}

#[test]
fn s3_the_same_with_texts_of_ended_keys() {
    let running = Running::start();
    let mut keys = vec![running.key(None)];
    for _ in 0..6 {
        keys.push(running.key(keys.last()));
    }
    let live = keys.pop().expect("the newest");
    let running = running.restart();
    let ended: Vec<String> = keys.iter().map(|key| key.expose().to_owned()).collect();
    let (valid, told) = while_flooded(&running, &ended, 20, &live);
    assert_eq!(valid, [200; 20]);
    assert!(told.iter().all(|status| *status == 401), "{told:?}");
}

#[test]
fn s16_an_idle_connection_makes_room_and_one_with_a_call_does_not() {
    let limits = atthene_gateway::Limits { connections: 8, ..Default::default() };
    let running = Running::with(limits);
    let key = running.key(None);
    let mut under_way = running.connect();
    let head = format!(
        "POST {EXECUTE} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: 2\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n",
        key.expose()
    );
    under_way.write_all(head.as_bytes()).expect("sends");
    under_way.read_exact(&mut [0; 25]).expect("is asked to go on");
    // Nothing sent, and half a head: whoever opens connections only can't hold a place.
    let idle: Vec<_> = (0..100)
        .map(|at| {
            let mut stream = running.connect();
            if at % 2 == 0 {
                let _ = stream.write_all(b"GET /auth/ver");
            }
            stream
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(running.execute_with(&key).status, 200);
    }
    // Idle ones that have shown the key are no better than a call under way.
    let call =
        format!("GET /auth/verify HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n", key.expose());
    let keyed: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = running.connect();
            stream.write_all(call.as_bytes()).expect("sends");
            assert!(stream.read(&mut [0; 4096]).expect("is answered") > 0);
            stream
        })
        .collect();
    under_way.write_all(b"{}").expect("sends");
    assert_eq!(Answer::read(&mut under_way).code(), "bad_request", "a call under way was cut");
    drop((idle, keyed));
}

#[test]
fn f1_an_answer_that_nobody_reads_is_held_back_at_its_source() {
    const OFFERED: usize = 256 << 20;
    let running = Running::start();
    let key = running.key(None);
    let (told, accepted) = mpsc::channel();
    let url = runtime(move |mut stream, _| {
        stream.set_write_timeout(Some(Duration::from_secs(1))).expect("set");
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {OFFERED}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("answers");
        let part = vec![b'x'; 64 << 10];
        let mut written = 0;
        while written < OFFERED {
            match stream.write(&part) {
                Ok(bytes) => written += bytes,
                // The one on Unix, the other on Windows.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(error) => panic!("{error}"),
            }
        }
        told.send(written).expect("heard");
    });
    running.set_runtime(&url, None);
    let mut stream = running.connect();
    let call =
        format!("GET /api/amas/big HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n", key.expose());
    stream.write_all(call.as_bytes()).expect("sends");
    let accepted = accepted.recv_timeout(Duration::from_mins(1)).expect("the runtime was held back");
    // What the sockets of the system hold, and a little.
    assert!(accepted < 32 << 20, "{} MiB were taken in from the runtime", accepted >> 20);
}

#[test]
fn f2_what_stands_behind_a_call_does_not_hold_its_answer_back() {
    let running = Running::start();
    let key = running.key(None);
    let call = format!("GET /auth/verify HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n", key.expose());
    let body = r#"{"agent_id":"atthene-status","message":"Grüße"}"#;
    let counted_in_characters = format!(
        "POST {EXECUTE} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        key.expose(),
        body.chars().count()
    );
    for sent in [
        format!("{call}\r\n\r\n"),
        format!("{call}connection: close\r\n\r\n\r\n"),
        format!("{call}\r\nGET /auth/ver"),
        counted_in_characters,
    ] {
        let mut stream = running.connect();
        stream.write_all(sent.as_bytes()).expect("sends");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap_or_else(|error| panic!("no answer ({error}) to {sent:?}"));
        assert!(answer.starts_with(b"HTTP/1.1 200") || answer.starts_with(b"HTTP/1.1 400"), "{sent:?}");
    }
}

#[test]
fn f3_a_head_that_can_not_be_read_is_answered_and_counted() {
    let running = Running::start();
    let many = (0..120).fold(String::new(), |text, at| format!("{text}x-{at}: 1\r\n"));
    let heads = [
        ("GET /healthz HTTP/1.1\r\nhost : localhost\r\n\r\n".to_owned(), 400),
        ("GET /healthz HTTP/1.1\r\nhost: localhost\r\n folded\r\n\r\n".to_owned(), 400),
        ("GET /healthz HTTP/1.1\r\nhost: localhost\r\nno colon\r\n\r\n".to_owned(), 400),
        ("GET /healthz HTTP/1.2\r\nhost: localhost\r\n\r\n".to_owned(), 400),
        ("GET /heal\0thz HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), 400),
        ("POST /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: +5\r\n\r\nhello".to_owned(), 400),
        (
            "POST /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello"
                .to_owned(),
            400,
        ),
        ("POST /healthz HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: xchunked\r\n\r\nx".to_owned(), 400),
        (format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{many}\r\n"), 431),
        (format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(120_000)), 431),
    ];
    for (head, status) in &heads {
        let mut stream = running.connect();
        let _ = stream.write_all(head.as_bytes());
        let answer = Answer::read(&mut stream);
        assert_eq!(answer.status, *status, "{head:.100?}: {answer:?}");
    }
    let all = heads.len() as u64;
    eventually("all of them to be counted", || Some(()).filter(|()| running.refused("unreadable_request") == all));
}

/// Answers each connection with what `answer` makes of the head that came.
fn stranger(answer: impl Fn(&str) -> String + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).unwrap_or(0);
            let head = String::from_utf8_lossy(&buffer[..read]).into_owned();
            let _ = stream.write_all(answer(&head).as_bytes());
        }
    });
    port
}

fn header(head: &str, name: &str) -> String {
    let line =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix(&format!("{name}: ")).map(str::to_owned));
    line.unwrap_or_default()
}

#[test]
fn s4_only_the_holder_of_the_profile_passes_for_its_gateway() {
    let running = Running::start();
    running.key(None);
    let served = |port: u16| block_on(check_port(&running.core, port)).expect("asks").0;
    assert_eq!(served(running.port), PortOwner::Here);
    assert!(running.core.attention().expect("looks").is_empty());

    let folder = running.core.folder_id().to_owned();
    let ok = |more: &str| {
        format!("HTTP/1.1 200 OK\r\nx-atthene-folder: {more}content-length: 2\r\nconnection: close\r\n\r\nok")
    };
    // Repeats what the gateway says of itself, and makes a proof up.
    let repeats = stranger({
        let says = ok(&format!("{folder}\r\n{PROOF_HEADER}: {}\r\n", "00".repeat(32)));
        move |_| says.clone()
    });
    // Passes the challenge on to the right gateway, on its own port.
    let (real, says) = (running.port, ok(&format!("{folder}\r\n{PROOF_HEADER}: PROOF\r\n")));
    let relays = stranger(move |head| {
        let mut stream = connect(real);
        let challenge = header(head, CHALLENGE_HEADER);
        let ask = format!(
            "GET /healthz HTTP/1.1\r\nhost: localhost\r\n{CHALLENGE_HEADER}: {challenge}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(ask.as_bytes()).expect("sends");
        says.replace("PROOF", &header(&Answer::read(&mut stream).head, PROOF_HEADER))
    });
    // Reflects the challenge itself.
    let reflects = stranger({
        let says = ok(&format!("{folder}\r\n{PROOF_HEADER}: PROOF\r\n"));
        move |head| says.replace("PROOF", &header(head, CHALLENGE_HEADER))
    });
    let silent = stranger(|_| String::new());
    for port in [repeats, relays, reflects, silent] {
        assert_eq!(served(port), PortOwner::ByStranger);
        let told = running.core.attention().expect("looks").remove(0);
        assert!(told.title.contains("has the gateway") && told.text.contains("replace the key"), "{told:?}");
        assert_eq!(told.fix, Fix::CreateKey);
    }
    let other = Running::start();
    assert_eq!(served(other.port), PortOwner::Elsewhere, "a gateway on other data gets the keys, too");
    assert!(!running.core.attention().expect("looks").is_empty());
    assert_eq!(served(running.port), PortOwner::Here);
    assert!(running.core.attention().expect("looks").is_empty(), "it is over");
    assert_eq!(served(free_port()), PortOwner::ByNone);
}

/// Many programs try `::1` first for "localhost".
#[test]
fn s4_a_stranger_on_one_of_the_two_addresses_is_one() {
    let running = Running::start();
    running.key(None);
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(drop));
    assert_eq!(block_on(check_port(&running.core, port)).expect("asks").0, PortOwner::ByStranger);
    assert!(running.core.attention().expect("looks")[0].id.starts_with("stranger"));
}

#[test]
fn s4_a_gateway_that_is_off_looks_who_is_on_its_port() {
    let running = Running::start();
    running.key(None);
    let taken = stranger(|_| String::new());
    let off = Settings { gateway_port: taken, gateway_on: false, ..Settings::default() };
    running.core.settings.save(off).expect("saves");
    eventually("the stranger to be told", || {
        let told = running.core.attention().expect("looks");
        told.into_iter().find(|told| told.id == format!("stranger {taken}"))
    });
}

#[test]
fn s4_a_gateway_whose_port_a_stranger_has_says_so_as_urgent() {
    let running = Running::start();
    let folder = running.core.folder_id().to_owned();
    let taken = stranger(move |_| {
        format!("HTTP/1.1 200 OK\r\nx-atthene-folder: {folder}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    });
    running.core.settings.save(Settings { gateway_port: taken, ..Settings::default() }).expect("saves");
    eventually("the stranger to be told", || {
        let told = running.core.attention().expect("looks");
        told.into_iter().find(|told| told.id == format!("stranger {taken}"))
    });
    running.core.settings.save(Settings { gateway_port: running.port, ..Settings::default() }).expect("saves");
    eventually("it to be over", || Some(()).filter(|()| running.core.attention().expect("looks").is_empty()));
}

/// Calls with the live key through a runtime that tells what it got; `None`: it got nothing.
fn at_runtime(path: &str, more: &str, trust: bool) -> (Answer, Option<String>) {
    let running = Running::start();
    let key = running.key(None);
    let (told, heard) = mpsc::channel();
    let url = runtime(move |mut stream, head| {
        told.send(head).expect("heard");
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").expect("answers");
    });
    running.set_runtime(&url, Some("runtime-credential"));
    let trusting = Settings { trust_front_proxy: trust, ..Settings::clone(&running.core.settings.current()) };
    running.core.settings.save(trusting).expect("saves");
    std::thread::sleep(Duration::from_millis(100));
    let answer = running.send(&format!("GET {path} HTTP/1.1\r\nauthorization: Bearer {}{more}", key.expose()), b"");
    (answer, heard.try_recv().ok())
}

#[test]
fn s5_no_path_leaves_the_agent_api_with_the_runtimes_credential() {
    for path in [
        "/api/amas/../../admin",
        "/api/amas/x/../../../admin",
        "/api/amas/%2e%2e/%2e%2e/admin",
        "/api/amas/..%2f..%2fadmin",
        "/api/amas/..%5c..%5cadmin",
        "/api/amas/..\\..\\admin",
        "/api/amas/%252e%252e/%252e%252e/admin",
        "/api/amas/..;/..;/admin",
        "/api/amas/connectionsx/../../../admin",
    ] {
        let (answer, got) = at_runtime(path, "", false);
        assert_eq!((answer.status, got), (400, None), "{path}: {answer:?}");
        assert!(answer.code() == "path_not_allowed" || answer.body.is_empty(), "{path}: {answer:?}");
    }
    for path in
        ["/api/amas/a/../b", "/api/amas/x%2Fy%25/z/", "/api/amas//a;b=c/%C3%9C?next=%2e%2e%2f..", "/api/amas/..x/...y"]
    {
        let (answer, got) = at_runtime(path, "", false);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let got = got.expect("the runtime was asked");
        assert!(
            got.starts_with(&format!("get {} http/1.1", path.to_ascii_lowercase())),
            "not as it was written: {got}"
        );
    }
}

#[test]
fn s6_nobody_tells_the_runtime_through_us_who_they_are() {
    let more = "\r\nX-Forwarded-User: admin\r\nX_Forwarded_Email: a\r\nX-Remote-User: root\r\nRemote-User: root\r\nX-Auth-Request-User: r\
                \r\nForwarded: for=1\r\nX-Real-IP: 1.2.3.4\r\nX-Original-URI: /x\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\
                \r\nX-Forwarded-Host: evil.example\r\nCookie: session=1\r\nX-Client-Cert: x\r\nX-Own: 1\r\nTraceparent: 00";
    for trust in [false, true] {
        let (answer, got) = at_runtime("/api/amas/x", more, trust);
        assert_eq!(answer.status, 200);
        let got = got.expect("the runtime was asked");
        for kept in ["x-own: 1", "traceparent: 00", "authorization: bearer runtime-credential"] {
            assert!(got.contains(kept), "{kept} is missing: {got}");
        }
        for dropped in [
            "remote",
            "x-auth",
            "forwarded-user",
            "forwarded_email",
            "forwarded: for",
            "real-ip",
            "original",
            "cookie",
            "cert",
        ] {
            assert!(!got.contains(dropped), "{dropped} went on: {got}");
        }
        for front in ["x-forwarded-for: 1.2.3.4", "x-forwarded-proto: https", "x-forwarded-host: evil.example"] {
            assert_eq!(got.contains(front), trust, "{front}: {got}");
        }
    }
}

#[test]
fn s7_without_a_key_nobody_fills_the_disk_or_blinds_the_alarm() {
    let running = Running::start();
    let key = running.key(None);
    // A call of an application that failed, and is asked about later.
    running.set_runtime(&format!("http://127.0.0.1:{}", free_port()), None);
    let failed = running.execute_with(&key).json()["request_id"].as_str().expect("an id").to_owned();
    let mut stream = running.connect();
    let mut buffer = [0; 4096];
    for at in 0..4000 {
        let call = format!("GET /auth/verify HTTP/1.1\r\nhost: localhost\r\nuser-agent: agent-{at}/1\r\n\r\n");
        stream.write_all(call.as_bytes()).expect("sends");
        assert!(stream.read(&mut buffer).expect("answers") > 0);
    }
    eventually("all to be counted", || Some(()).filter(|()| running.refused("missing_key") >= 4000));
    let refusals = running.core.usage.last_day().expect("reads").refusals;
    assert!(refusals.len() <= 34, "{} rows of callers without a key", refusals.len());
    let alarms = || {
        let told = running.core.attention().expect("looks");
        told.into_iter().filter(|told| told.id.starts_with("burst")).map(|told| told.title).collect::<Vec<_>>()
    };
    eventually("the flood to be told, although no caller made a burst alone", || {
        Some(()).filter(|()| alarms().iter().any(|title| title.contains("many callers together")))
    });
    assert!(running.core.explain(&failed).is_ok(), "the flood pushed out what an application asks about");
}
