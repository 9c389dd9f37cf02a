//! The port: taken, moved, given back.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use atthene_core::Settings;
use atthene_core::keys::KeyText;
use atthene_core::oversight::GatewayState;

use crate::common::{Running, connect, eventually, free_port};
use crate::field::head;

#[test]
fn a_taken_port_is_named_with_its_holder_and_a_free_one_and_taken_up_once_it_is_free() {
    let running = Running::start();
    let holder = TcpListener::bind("127.0.0.1:0").expect("binds");
    let taken = holder.local_addr().expect("an address").port();
    running.core.settings.save(Settings { gateway_port: taken, ..Settings::default() }).expect("saves");
    let state = running.wait_for(|state| matches!(state, GatewayState::PortTaken { .. }));
    let GatewayState::PortTaken { port, by, free_port } = state else { unreachable!("waited for it") };
    assert_eq!(port, taken);
    assert!(by.is_some_and(|by| by.starts_with("it-")), "this test holds it");
    assert!(free_port.is_some_and(|free| free > taken));
    drop(holder);
    running.wait_for(|state| matches!(state, GatewayState::Listening { url } if url.ends_with(&format!(":{taken}"))));
}

#[test]
fn a_new_port_is_served_and_the_old_one_given_back() {
    let running = Running::start();
    let new = free_port();
    running.core.settings.save(Settings { gateway_port: new, ..Settings::default() }).expect("saves");
    running.wait_for(|state| matches!(state, GatewayState::Listening { url } if url.ends_with(&format!(":{new}"))));
    assert!(connect(new).write_all(b"GET").is_ok());
    eventually("the old port to be free", || TcpListener::bind(("127.0.0.1", running.port)).ok());
}

#[test]
fn stopping_waits_for_counters_that_are_being_written() {
    let running = Running::start();
    let key = running.key(None);
    let held = running.hold_database();
    let verify = format!("GET /auth/verify HTTP/1.1\r\nauthorization: Bearer {}", key.expose());
    assert_eq!(running.send(&verify, b"").status, 200);
    // Nothing tells from outside that a write has begun; it does every 150 ms.
    std::thread::sleep(Duration::from_millis(400));
    let core = running.core.clone();
    let stopping = std::thread::spawn(move || running.service.stop());
    std::thread::sleep(Duration::from_millis(600));
    assert!(!stopping.is_finished(), "a process that ends now would lose what was counted");
    drop(held);
    stopping.join().expect("stops");
    assert_eq!(core.keys.list().expect("lists")[0].requests, 1);
}

#[test]
fn stopping_lets_an_open_call_end_and_writes_the_counters() {
    let running = Running::start();
    let key = running.key(None);
    let mut stream = running.connect();
    let head = format!(
        "POST /api/amas/conversations/execute HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
         expect: 100-continue\r\ncontent-length: 29\r\n\r\n",
        key.expose()
    );
    stream.write_all(head.as_bytes()).expect("sends");
    // The gateway asks for the body; it comes while it stops, which shows by its port being given back.
    let mut asks = [0; 25];
    stream.read_exact(&mut asks).expect("asks");
    assert_eq!(&asks, b"HTTP/1.1 100 Continue\r\n\r\n");
    let port = running.port;
    let sender = std::thread::spawn(move || {
        eventually("it to stop", || TcpListener::bind(("127.0.0.1", port)).ok());
        stream.write_all(br#"{"agent_id":"atthene-status"}"#).expect("sends");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    });
    let core = running.core.clone();
    running.service.stop();
    assert!(sender.join().expect("joins").starts_with("HTTP/1.1 200"));
    assert_eq!(core.keys.list().expect("lists")[0].requests, 1);
}

#[test]
fn stopping_is_under_no_callers_feet() {
    let running = Running::start();
    let key = running.key(None);
    let port = running.port;
    let (answered, answers) = std::sync::mpsc::channel();
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (call, answered) = (authorized_verify(&key), answered.clone());
            let mut stream = running.connect();
            // Calls one after the other until it is told that one was the last.
            std::thread::spawn(move || {
                loop {
                    stream.write_all(call.as_bytes()).expect("sends");
                    let answer = head(&mut stream).expect("an answer");
                    assert!(answer.starts_with("http/1.1 200"), "{answer}");
                    let _ = answered.send(());
                    if answer.contains("connection: close") {
                        return;
                    }
                }
            })
        })
        .collect();
    for _ in 0..100 {
        answers.recv().expect("they call");
    }
    running.service.stop();
    for caller in callers {
        caller.join().expect("no call of it was cut");
    }
    assert!(TcpListener::bind(("127.0.0.1", port)).is_ok());
}

fn authorized_verify(key: &KeyText) -> String {
    format!("GET /auth/verify HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n", key.expose())
}
