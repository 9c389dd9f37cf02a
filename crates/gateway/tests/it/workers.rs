//! Several workers: the same answers, limits and counts as with one.

use std::io::{Read, Write};
use std::net::TcpStream;

use atthene_core::activity::Span;
use atthene_core::keys::KeyText;
use atthene_gateway::{Limits, Listening, Workers};
use atthene_vault::MemoryVault;

use crate::common::{Answer, EXECUTE, Running, eventually};
use crate::field;

fn four(limits: Limits) -> Running {
    let listening = Listening::default().with_workers(Workers::new(4).expect("workers"));
    Running::listening(tempfile::tempdir().expect("a folder"), limits, listening, MemoryVault::default())
}

fn verify(stream: &mut TcpStream, key: &KeyText) -> String {
    let call =
        format!("GET /auth/verify HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n", key.expose());
    stream.write_all(call.as_bytes()).expect("sends");
    field::head(stream).expect("an answer")
}

#[test]
fn all_calls_are_counted_and_a_key_that_ends_ends_for_all_workers() {
    let running = four(Limits::default());
    let key = running.key(None);
    let mut streams: Vec<TcpStream> = (0..200).map(|_| running.connect()).collect();
    for stream in &mut streams {
        assert!(verify(stream, &key).starts_with("http/1.1 200"));
    }
    running.core.keys.revoke(&key.id(), None).expect("revokes");
    for stream in &mut streams {
        assert!(verify(stream, &key).starts_with("http/1.1 401"), "a worker still takes it");
    }
    drop(streams);
    eventually("each call to be counted once", || {
        let total = running.core.usage.report(Span::Day).expect("reads").total;
        assert!(total.answered <= 200 && total.refused <= 200, "{total:?}");
        Some(()).filter(|()| (total.answered, total.refused) == (200, 200))
    });
}

#[test]
fn stopping_everything_cuts_the_calls_of_all_workers() {
    let running = four(Limits::default());
    let key = running.key(None);
    let mut streams: Vec<TcpStream> = (0..40).map(|_| begin_call(&running, &key)).collect();
    running.core.stop_everything().expect("stops");
    for stream in &mut streams {
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "one goes on");
    }
    assert_eq!(running.execute_with(&key).code(), "stopped");
    running.core.resume().expect("resumes");
    eventually("calls to be let in", || Some(()).filter(|()| running.execute_with(&key).status == 200));
}

#[test]
fn there_are_as_many_places_as_with_one() {
    let running = four(Limits { connections: 8, ..Limits::default() });
    let key = running.key(None);
    let busy: Vec<TcpStream> = (0..8).map(|_| begin_call(&running, &key)).collect();
    for _ in 0..8 {
        let refused = running.send("GET /healthz HTTP/1.1", b"");
        assert_eq!((refused.status, refused.code().as_str()), (503, "too_many_connections"), "{refused:?}");
    }
    drop(busy);
    eventually("places to be free", || Some(()).filter(|()| running.execute_with(&key).status == 200));
}

#[test]
fn a_port_that_is_taken_is_not_shared() {
    let first = four(Limits::default());
    let second = atthene_test_support::machine::Machine::new();
    let listening = Listening::on_port(Some(first.port)).with_workers(Workers::new(2).expect("workers"));
    let service = atthene_service::Service::start_on(
        second.open(),
        Limits::default(),
        listening,
        atthene_core::oversight::Keeper::Other,
    );
    let service = service.expect("starts");
    eventually("it to find the port taken", || {
        Some(()).filter(|()| matches!(service.state(), atthene_core::oversight::GatewayState::PortTaken { .. }))
    });
}

#[test]
fn an_open_call_ends_before_it_is_over_whichever_worker_has_it() {
    let running = four(Limits::default());
    let key = running.key(None);
    let streams: Vec<TcpStream> = (0..16).map(|_| begin_call(&running, &key)).collect();
    let port = running.port;
    let callers = std::thread::spawn(move || {
        eventually("it to stop", || std::net::TcpListener::bind(("127.0.0.1", port)).ok());
        streams
            .into_iter()
            .map(|mut stream| {
                stream.write_all(br#"{"agent_id":"atthene-status"}"#).expect("sends");
                Answer::read(&mut stream).status
            })
            .collect::<Vec<_>>()
    });
    let core = running.core.clone();
    running.service.stop();
    assert_eq!(callers.join().expect("joins"), [200; 16]);
    assert_eq!(core.keys.list().expect("lists")[0].requests, 16);
}

/// A call that is under way: its body is still to come.
fn begin_call(running: &Running, key: &KeyText) -> TcpStream {
    let mut stream = running.connect();
    let head = format!(
        "POST {EXECUTE} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
         expect: 100-continue\r\ncontent-length: 29\r\n\r\n",
        key.expose()
    );
    stream.write_all(head.as_bytes()).expect("sends");
    assert!(field::head(&mut stream).expect("goes on").starts_with("http/1.1 100"));
    stream
}
