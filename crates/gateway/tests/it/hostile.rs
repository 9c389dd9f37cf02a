//! Callers that are broken, slow or hostile.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use atthene_gateway::Limits;

use crate::access::with_id_of;
use crate::common::{Answer, EXECUTE, Running};

fn hasty() -> Limits {
    Limits { head_time: Duration::from_millis(300), body_pause: Duration::from_millis(300), ..Limits::default() }
}

#[test]
fn a_head_of_ten_megabytes_is_refused_and_not_kept() {
    let running = Running::start();
    let key = running.key(None);
    let mut stream = running.connect();
    let _ = stream.write_all(b"GET /auth/verify HTTP/1.1\r\nhost: localhost\r\nx-long: ");
    let part = vec![b'x'; 64 * 1024];
    for _ in 0..160 {
        // The gateway may cut the connection at any point.
        if stream.write_all(&part).is_err() {
            break;
        }
    }
    let answer = Answer::read(&mut stream);
    assert!(matches!(answer.status, 0 | 431), "{answer:?}");
    assert_eq!(running.execute_with(&key).status, 200);
}

#[test]
fn a_head_that_never_ends_is_cut_off() {
    let running = Running::with(hasty());
    let mut stream = running.connect();
    stream.write_all(b"GET /auth/ver").expect("sends");
    let started = Instant::now();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(started.elapsed() < Duration::from_secs(5), "it was held for {:?}", started.elapsed());
}

#[test]
fn a_body_that_stops_arriving_is_told_so() {
    let running = Running::with(hasty());
    let key = running.key(None);
    let mut stream = running.connect();
    let head = format!(
        "POST {EXECUTE} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{{",
        key.expose()
    );
    stream.write_all(head.as_bytes()).expect("sends");
    let answer = Answer::read(&mut stream);
    assert_eq!((answer.status, answer.code().as_str()), (408, "body_timeout"));
}

#[test]
fn a_body_over_the_limit_is_refused_with_and_without_a_length() {
    let running = Running::start();
    let key = running.key(None);
    running
        .core
        .settings
        .save(atthene_core::Settings {
            largest_body_mib: 1,
            ..atthene_core::Settings::clone(&running.core.settings.current())
        })
        .expect("saves");
    std::thread::sleep(Duration::from_millis(100));
    let authorized = format!(
        "POST {EXECUTE} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nconnection: close",
        key.expose()
    );
    let body = vec![b' '; (1 << 20) + 1];

    let mut stream = running.connect();
    let _ = stream
        .write_all(format!("{authorized}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes())
        .and_then(|()| stream.write_all(&body));
    let answer = Answer::read(&mut stream);
    assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"));

    let mut stream = running.connect();
    let _ = stream
        .write_all(format!("{authorized}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n", body.len()).as_bytes())
        .and_then(|()| stream.write_all(&body))
        .and_then(|()| stream.write_all(b"\r\n0\r\n\r\n"));
    let answer = Answer::read(&mut stream);
    assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"));
}

#[test]
fn more_connections_than_places_are_told_to_come_back() {
    let running = Running::with(Limits { connections: 4, ..Limits::default() });
    let key = running.key(None);
    // Calls that are under way: nobody is cut for others.
    let held: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = running.connect();
            let head = format!(
                "POST {EXECUTE} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: 100\r\nexpect: 100-continue\r\n\r\n",
                key.expose()
            );
            stream.write_all(head.as_bytes()).expect("sends");
            let mut told = [0; 25];
            stream.read_exact(&mut told).expect("is asked to go on");
            stream
        })
        .collect();
    let answer = Answer::read(&mut running.connect());
    assert_eq!((answer.status, answer.code().as_str()), (503, "too_many_connections"), "{answer:?}");
    assert!(answer.head.contains("retry-after: 1") && answer.head.contains("x-request-id: "), "{}", answer.head);
    crate::common::eventually("the refusal to be counted and explained", || {
        let id = answer.json()["request_id"].as_str().unwrap_or_default().to_owned();
        running.core.explain(&id).ok()
    });
    drop(held);
    crate::common::eventually("a free place", || {
        Some(()).filter(|()| running.send("GET /healthz HTTP/1.1", b"").status == 200)
    });
}

/// Bytes of memory that this process holds.
fn resident() -> usize {
    let pages: usize = std::fs::read_to_string("/proc/self/statm")
        .expect("Linux")
        .split(' ')
        .nth(1)
        .expect("a field")
        .parse()
        .expect("a number");
    pages * 4096
}

#[test]
fn ten_thousand_guesses_with_a_valid_id_open_nothing_and_keep_nobody_out() {
    const GUESSES: usize = 10_000;
    let running = Running::start();
    let key = running.key(None);
    assert_eq!(running.execute_with(&key).status, 200);
    let before = resident();
    let done = AtomicBool::new(false);
    let (opened, mut times) = std::thread::scope(|scope| {
        let guessers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut stream = running.connect();
                    let mut buffer = [0; 4096];
                    let mut opened = 0;
                    for _ in 0..GUESSES / 4 {
                        let guess = format!(
                            "GET /auth/verify HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n",
                            with_id_of(&key)
                        );
                        stream.write_all(guess.as_bytes()).expect("sends");
                        let read = stream.read(&mut buffer).expect("answers");
                        opened += usize::from(!buffer[..read].starts_with(b"HTTP/1.1 401"));
                    }
                    opened
                })
            })
            .collect();
        let holder = scope.spawn(|| {
            let mut times = Vec::new();
            let mut stream = running.connect();
            let mut buffer = [0; 4096];
            while !done.load(Ordering::Relaxed) {
                let call = format!(
                    "GET /auth/verify HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n",
                    key.expose()
                );
                let started = Instant::now();
                stream.write_all(call.as_bytes()).expect("sends");
                let read = stream.read(&mut buffer).expect("answers");
                times.push(started.elapsed());
                assert!(buffer[..read].starts_with(b"HTTP/1.1 200"), "the holder of the key was kept out");
                std::thread::sleep(Duration::from_millis(1));
            }
            times
        });
        let opened: usize = guessers.into_iter().map(|guesser| guesser.join().expect("joins")).sum();
        done.store(true, Ordering::Relaxed);
        (opened, holder.join().expect("joins"))
    });
    assert_eq!(opened, 0);
    let grown = resident().saturating_sub(before) >> 20;
    assert!(grown < 100, "{grown} MiB more memory");
    times.sort_unstable();
    println!(
        "{GUESSES} guesses: {grown} MiB more memory, the holder's p99 {:?} over {} calls",
        times[times.len() * 99 / 100],
        times.len()
    );
}
