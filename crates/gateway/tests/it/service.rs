//! The service as other processes see it: cores opened on the same folder.

use atthene_core::oversight::{GatewayState, Keeper};
use atthene_core::{Clock, Core};
use atthene_gateway::{Limits, Listening};
use atthene_service::Service;
use atthene_test_support::machine::Machine;
use atthene_test_support::open;
use atthene_vault::MemoryVault;

use super::common::{Running, block_on, eventually};

fn beside(running: &Running) -> std::sync::Arc<Core> {
    open(running.folder(), Clock::system(), MemoryVault::default()).expect("opens")
}

#[test]
fn one_process_is_the_service_and_the_others_see_what_it_does() {
    let running = Running::start();
    assert!(running.service.is_the_service());
    let window = beside(&running);
    window.follow_service();
    assert!(window.has_service());
    let told = eventually("the service to tell that it listens", || {
        let status = window.service_status().expect("reads")?;
        matches!(status.gateway, GatewayState::Listening { .. }).then_some(status)
    });
    assert_eq!(told.process, std::process::id());

    // A second one serves, and is not it.
    let second = Service::start_on(
        beside(&running),
        Limits::default(),
        Listening::on_port(Some(super::common::free_port())),
        Keeper::Other,
    )
    .expect("starts");
    assert!(!second.is_the_service());
    drop(second);
    assert!(window.has_service(), "the one that ended was another one");
}

#[test]
fn who_keeps_a_service_is_known_when_it_has_ended() {
    let machine = Machine::new();
    let window = machine.open();
    assert_eq!(window.keeper_of_service().expect("reads"), Keeper::Window, "there was none");
    for keeper in [Keeper::Other, Keeper::Window] {
        let limits = Limits::default();
        let service =
            Service::start_on(machine.open(), limits, Listening::on_port(Some(super::common::free_port())), keeper);
        let service = service.expect("starts");
        eventually("the service to tell what it does", || window.service_status().expect("reads"));
        drop(service);
        assert_eq!(window.keeper_of_service().expect("reads"), keeper);
    }
}

#[test]
fn what_the_service_sees_needs_attention_in_every_window() {
    let running = Running::start();
    let window = beside(&running);
    window.follow_service();
    running.core.signals.runtime_seen(Err("connection refused".into()));
    eventually("the window to see that the runtime is away", || window.signals.runtime_trouble());
    running.core.signals.runtime_seen(Ok(()));
    eventually("the window to see that it is back", || window.signals.runtime_trouble().is_none().then_some(()));
    // Whoever does not follow sees with its own eyes only.
    let command = beside(&running);
    running.core.signals.runtime_seen(Err("connection refused".into()));
    eventually("the window to see it again", || window.signals.runtime_trouble());
    assert_eq!(command.signals.runtime_trouble(), None);
}

#[test]
fn the_end_of_the_service_is_seen_at_once_and_whether_a_person_wanted_it() {
    let running = Running::start();
    let window = beside(&running);
    let waiting = {
        let window = window.clone();
        std::thread::spawn(move || window.wait_for_end_of_service())
    };
    window.ask_service_to_end().expect("asks");
    assert!(running.core.is_service_to_end().expect("reads"));
    assert!(window.has_service(), "it ends when it chooses to");
    let running = running.restart();
    waiting.join().expect("waits").expect("sees the end");
    assert!(!running.core.is_service_to_end().expect("reads"), "who quit the last one has not quit this one");
    running.service.stop();
    assert!(!window.has_service());
    assert!(window.service_status().expect("reads").is_none(), "what the last one told stands no more");
    assert!(window.wait_for_end_of_service().is_ok());
}

#[test]
fn what_another_process_counts_is_heard() {
    let running = Running::start();
    let key = running.key(None);
    let window = beside(&running);
    let mut changes = window.changes().subscribe();
    let head = format!("POST /api/amas/conversations/execute HTTP/1.1\r\nauthorization: Bearer {}", key.expose());
    assert_eq!(running.send(&head, br#"{"agent_id":"atthene-status"}"#).status, 200);
    eventually("the window to hear of the call", || {
        std::iter::from_fn(|| changes.try_recv().ok()).find(|change| *change == atthene_core::Change::Usage)
    });
}

#[test]
fn a_new_key_is_tried_at_the_gateway_of_its_profile_and_sent_to_nobody_else() {
    let running = Running::start();
    let key = running.key(None);
    let answer = block_on(running.core.try_key(&key, running.port)).expect("answers");
    assert_eq!(answer.status, 200, "{}", answer.body);

    // Whoever could write a row names another port: one that a stranger listens on, and one of another profile.
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = stranger.local_addr().expect("a port").port();
    let heard = std::thread::spawn(move || {
        let mut heard = String::new();
        stranger.set_nonblocking(true).expect("listens");
        let until = std::time::Instant::now() + std::time::Duration::from_secs(3);
        while std::time::Instant::now() < until {
            let Ok((mut caller, _)) = stranger.accept() else {
                std::thread::sleep(std::time::Duration::from_millis(5));
                continue;
            };
            let _ = caller.set_nonblocking(false);
            let _ = caller.set_read_timeout(Some(std::time::Duration::from_millis(300)));
            let mut bytes = [0; 4096];
            let read = std::io::Read::read(&mut caller, &mut bytes).unwrap_or_default();
            heard.push_str(&String::from_utf8_lossy(&bytes[..read]));
            let _ = std::io::Write::write_all(
                &mut caller,
                b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            );
        }
        heard
    });
    assert!(block_on(running.core.try_key(&key, port)).is_err());
    let heard = heard.join().expect("listens");
    assert!(heard.contains("/healthz"), "it was asked who it is: {heard:?}");
    assert!(!heard.contains(key.expose()), "a stranger was sent the key");
    let other = Running::start();
    assert!(block_on(running.core.try_key(&key, other.port)).is_err());
}
