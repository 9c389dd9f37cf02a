//! Connections in the field, over TCP: what another process ended (k1), waiting (k5), Graph (k3, k10).

use atthene_test_support::vaults::SharedVault;
use atthene_vault::SecretStore;
use std::io::{Read, Write};
use std::time::Duration;

use atthene_core::{SecretChange, Settings, UnixMs};
use atthene_test_support::authority::{ok, refused};
use atthene_test_support::world::rotates;
use serde_json::json;

use crate::common::{Running, block_on, eventually};
use crate::connections::World;
use crate::field::{head, server};

fn token_line(id: &atthene_core::connections::ConnectionId) -> String {
    format!("POST /api/amas/connections/{}/token", id.as_str())
}

#[test]
fn k5_who_waits_is_told_how_long_in_truth() {
    let world = World::start();
    for (reply, least, most) in [
        ((429, "retry-after: 120\r\n", "{\"error\":\"temporarily_unavailable\"}".to_owned()), 119, 120),
        ((503, "retry-after: 7\r\n", String::new()), 6, 7),
        (refused(400, "invalid_grant", "", 50196), 299, 300),
        (refused(400, "temporarily_unavailable", "", 90033), 59, 60),
    ] {
        let id = world.connect("access-1");
        world.running.step_clock(2 * UnixMs::HOUR);
        world.authority.says(move |_| reply.clone());
        // The first who asks, and whoever comes meanwhile.
        for _ in 0..2 {
            let answer = world.call(&token_line(&id), b"");
            assert_eq!((answer.status, answer.code().as_str()), (503, "connection_waiting"), "{}", answer.body);
            let told = answer.head.lines().find_map(|line| line.strip_prefix("retry-after: ")).expect("a time");
            let told: u64 = told.parse().expect("seconds");
            assert!((least..=most).contains(&told), "{told} s, not {least} to {most}");
        }
    }
}

#[test]
fn k5_a_connection_that_fails_says_so_each_time() {
    let world = World::start();
    let id = world.connect("access-1");
    world.running.step_clock(2 * UnixMs::HOUR);
    world.authority.says(|_| refused(400, "invalid_grant", "message_only", 53003));
    let calls = world.authority.calls().len();
    for _ in 0..4 {
        let answer = world.call(&token_line(&id), b"");
        assert_eq!((answer.status, answer.code().as_str()), (409, "connection_failing"), "{}", answer.body);
    }
    assert_eq!(world.authority.calls().len() - calls, 1, "asked once");
}

#[test]
fn k3_a_small_call_that_graph_refuses_access_to_is_made_once_more() {
    for (method, body) in [("POST", "a body"), ("PATCH", "{}"), ("DELETE", "")] {
        let world = World::start();
        let id = world.connect("stale-1");
        world
            .authority
            .says(|_| ok(&json!({ "token_type": "Bearer", "expires_in": 3600, "access_token": "access-2" })));
        let line = format!("{method} /api/amas/connections/{}/graph/v1.0/me/events", id.as_str());
        let answer = world.call(&line, body.as_bytes());
        assert_eq!(
            (answer.status, answer.json()["authorization"].as_str()),
            (200, Some("Bearer access-2")),
            "{method}"
        );
        assert_eq!(answer.json()["body"], body, "{method}");
        // Sent twice, it came in once.
        let core = &world.running.core;
        let counted = eventually("the call to be counted", || {
            let report = core.usage.report(atthene_core::activity::Span::Day).expect("reads");
            (report.total.answered == 1).then_some(report.total.bytes_in)
        });
        assert_eq!(counted, body.len() as u64, "{method}");
    }
}

#[test]
fn k10_a_next_link_leads_back_through_the_gateway() {
    let world = World::start();
    let id = world.connect("access-1");
    let base = format!("/api/amas/connections/{}/graph", id.as_str());
    let answer = world.call(&format!("GET {base}/v1.0/me/messages"), b"");
    let next = answer.json()["@odata.nextLink"].as_str().expect("a link").to_owned();
    let path = next.strip_prefix("http://localhost").expect("through the host that was called");
    assert!(path.starts_with(&base), "{next}");
    assert!(!answer.json()["@odata.context"].as_str().expect("a name").contains("/api/amas"), "a name, and no link");
    // Followed as it is.
    let second = world.call(&format!("GET {path}"), b"");
    assert_eq!((second.status, second.json()["line"].as_str()), (200, Some("GET /v1.0/me/messages?$skip=10 HTTP/1.1")));
}

#[test]
fn k4_a_caller_that_hangs_up_during_a_refresh_costs_nobody_the_sign_in() {
    let world = World::start();
    let id = world.connect("access-1");
    rotates(&world.authority);
    world.authority.takes(300);
    for line in [token_line(&id), format!("GET /api/amas/connections/{}/graph/v1.0/me", id.as_str())] {
        for _ in 0..3 {
            world.running.step_clock(2 * UnixMs::HOUR);
            let mut stream = world.running.connect();
            let call = format!(
                "{line} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: 0\r\n\r\n",
                world.key.expose()
            );
            stream.write_all(call.as_bytes()).expect("sends");
            stream.set_read_timeout(Some(Duration::from_millis(100))).expect("set");
            let _ = stream.read(&mut [0]);
            drop(stream);
            // Whoever comes next gets what the first one's refresh brought.
            let answer = world.call(&token_line(&id), b"");
            assert_eq!(answer.status, 200, "{line}: {}", answer.body);
        }
    }
    // Stopped in the middle, and let go on.
    world.running.step_clock(2 * UnixMs::HOUR);
    let calls = world.authority.calls().len();
    let asking = std::thread::scope(|scope| {
        let asking = scope.spawn(|| world.call(&token_line(&id), b"").status);
        eventually("the authority to be asked", || Some(()).filter(|()| world.authority.calls().len() > calls));
        world.running.core.stop_everything().expect("stops");
        asking.join().expect("joins")
    });
    assert_ne!(asking, 200, "nothing is handed out while everything is stopped");
    world.running.core.resume().expect("resumes");
    eventually("the connection to work again", || {
        Some(()).filter(|()| world.call(&token_line(&id), b"").status == 200)
    });
}

/// Windows lets nobody move a file that is open.
#[cfg(unix)]
#[test]
fn k1_a_database_that_is_gone_from_its_place_is_noticed_said_and_obeyed_again() {
    let running = Running::start();
    let key = running.key(None);
    assert_eq!(running.execute_with(&key).status, 200);
    let (file, away) = running.move_database_away();
    eventually("every call to be refused", || {
        Some(()).filter(|()| running.execute_with(&key).code() == "store_unavailable")
    });
    // The built-in agent reads rows itself; the watch notices a moment later.
    eventually("the process to say so", || {
        Some(()).filter(|()| running.send("GET /healthz HTTP/1.1", b"").status == 503)
    });
    assert!(running.core.attention().expect("looks")[0].title.contains("can\u{2019}t be read"), "the window says so");
    assert!(running.core.keys.create(atthene_test_support::machine::new_key("x", 1, Some(key.id()))).is_err());
    // Another file in its place is another one.
    std::fs::copy(&away, &file).expect("copied");
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(running.execute_with(&key).code(), "store_unavailable");
    std::fs::rename(&away, &file).expect("put back");
    eventually("calls to be let in again", || Some(()).filter(|()| running.execute_with(&key).status == 200));
}

/// A keychain that takes its time.
struct Slow(SharedVault);

impl SecretStore for Slow {
    fn get(&mut self, name: &str) -> Result<Option<secrecy::SecretString>, atthene_core::vault::VaultError> {
        std::thread::sleep(Duration::from_millis(400));
        self.0.get(name)
    }
    fn set(&mut self, name: &str, secret: &secrecy::SecretString) -> Result<(), atthene_core::vault::VaultError> {
        self.0.set(name, secret)
    }
    fn delete(&mut self, name: &str) -> Result<(), atthene_core::vault::VaultError> {
        self.0.delete(name)
    }
}

fn tells_credential() -> String {
    server(|_, mut stream| {
        while let Some(call) = head(&mut stream) {
            let credential =
                call.lines().find_map(|line| line.strip_prefix("authorization: bearer ")).unwrap_or("none");
            let _ = stream.write_all(
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{credential}", credential.len()).as_bytes(),
            );
        }
    })
}

#[test]
fn k2_a_call_right_after_a_start_waits_for_the_keychain() {
    let dir = tempfile::tempdir().expect("a folder");
    let running = Running::on_vault(dir, atthene_gateway::Limits::default(), Slow(SharedVault::default()));
    let key = running.key(None);
    running.set_runtime(&tells_credential(), Some("one"));
    let line = format!("GET /api/amas/x HTTP/1.1\r\nauthorization: Bearer {}", key.expose());
    assert_eq!(running.send(&line, b"").body, "one");
    for credential in ["two", "three"] {
        let settings = Settings::clone(&running.core.settings.current());
        block_on(running.core.save_settings(settings, SecretChange::Replace(credential.into()))).expect("saves");
        std::thread::sleep(Duration::from_millis(50));
        let answer = running.send(&line, b"");
        assert_eq!((answer.status, answer.body.as_str()), (200, credential), "{answer:?}");
    }
}

#[test]
fn k1_the_next_call_after_a_credential_was_replaced_carries_the_new_one() {
    let vault = SharedVault::default();
    let dir = tempfile::tempdir().expect("a folder");
    let running = Running::on_vault(dir, atthene_gateway::Limits::default(), vault.clone());
    let key = running.key(None);
    running.set_runtime(&tells_credential(), Some("one"));
    let other = atthene_test_support::open(running.folder(), atthene_core::Clock::system(), vault).expect("opens");
    let line = format!("GET /api/amas/x HTTP/1.1\r\nauthorization: Bearer {}", key.expose());
    assert_eq!(running.send(&line, b"").body, "one");
    for credential in ["two", "abc", "one"] {
        let settings = Settings::clone(&other.settings.current());
        block_on(other.save_settings(settings, SecretChange::Replace(credential.into()))).expect("saves");
        eventually("the new credential", || Some(()).filter(|()| running.send(&line, b"").body == credential));
    }
}
