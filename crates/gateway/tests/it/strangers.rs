//! Whoever holds no key costs its holder nothing (S3, S7, S16), and what is sent badly is answered all
//! the same (hostile F1 to F3, F7).

use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use atthene_core::keys::KeyText;

use crate::access::with_id_of;
use crate::common::{Answer, EXECUTE, Running, eventually};
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
    under_way.write_all(b"{}").expect("sends");
    assert_eq!(Answer::read(&mut under_way).code(), "bad_request", "a call under way was cut");
    drop(idle);
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
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
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
    let body = r#"{"agent_id":"atthene-status","input":"Grüße"}"#;
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
