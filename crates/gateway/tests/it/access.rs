//! Who gets in, who does not, and what each is told.

use std::io::Write;

use atthene_core::keys::KeyText;
use atthene_core::{ProfileSecret, UnixMs};

use crate::common::{Answer, Running, connect_to, eventually};

#[test]
fn the_live_key_opens_and_the_built_in_agent_reports() {
    let running = Running::start();
    let key = running.key(None);
    let answer = running.execute_with(&key);
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    assert_eq!(json["agent_id"], "atthene-status");
    assert_eq!(json["key"]["id"], &*key.id().0);
    assert!(json["output"].as_str().is_some_and(|words| words.contains("is valid until")), "{json}");
    assert!(answer.head.contains("x-request-id: "), "{}", answer.head);
    assert!(!answer.body.contains(&key.expose()[15..]));
}

#[test]
fn each_ended_key_is_told_how_it_ended_and_a_stranger_is_not() {
    let running = Running::start();
    let first = running.key(None);
    let second = running.key(Some(&first));
    let replaced = running.execute_with(&first);
    assert_eq!((replaced.status, replaced.code().as_str()), (401, "replaced_key"));
    assert!(
        replaced.head.contains("www-authenticate: bearer realm=\"atthene\", error=\"invalid_token\""),
        "{}",
        replaced.head
    );
    assert!(replaced.head.contains("application/problem+json"));

    running.core.keys.revoke(&second.id(), None).expect("revokes");
    assert_eq!(running.execute_with(&second).code(), "revoked_key");

    let third = running.key(None);
    assert_eq!(running.execute_with(&third).status, 200);
    running.step_clock(31 * UnixMs::DAY);
    assert_eq!(running.execute_with(&third).code(), "expired_key");
    running.step_clock(-31 * UnixMs::DAY);
    assert_eq!(running.execute_with(&third).code(), "expired_key", "a clock set back revives nothing");

    // Knows the public id of an ended key, but not the key.
    assert_eq!(running.execute(&format!("Bearer {}", with_id_of(&first))).code(), "invalid_key");
}

/// A text with a known id and a secret of its own. Its check characters are the checksum that anybody
/// can make, as keys of the first version had it.
pub fn with_id_of(key: &KeyText) -> String {
    let other = KeyText::generate(&ProfileSecret::generate().expect("random numbers"));
    let body = format!("{}{}", &key.expose()[..15], &other.expose()[15..58]);
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut check = [0_u8; 6];
    for digit in check.iter_mut().rev() {
        *digit = digits[(rest % 62) as usize];
        rest /= 62;
    }
    format!("{body}{}", std::str::from_utf8(&check).expect("ASCII"))
}

#[test]
fn a_revoked_key_is_refused_on_a_connection_that_stays_open() {
    use std::io::Read;
    let running = Running::start();
    let key = running.key(None);
    let mut stream = running.connect();
    let mut call = || {
        let request =
            format!("GET /auth/verify HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n", key.expose());
        stream.write_all(request.as_bytes()).expect("sends");
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).expect("answers");
        String::from_utf8_lossy(&buffer[..read]).into_owned()
    };
    assert!(call().starts_with("HTTP/1.1 200"));
    running.core.keys.revoke(&key.id(), None).expect("revokes");
    assert!(call().starts_with("HTTP/1.1 401"));
}

#[test]
fn malformed_authorization_headers_are_named_and_asked_for_again() {
    let running = Running::start();
    running.key(None);
    let missing = running.send("POST /api/amas/conversations/execute HTTP/1.1", b"{}");
    assert_eq!((missing.status, missing.code().as_str()), (401, "missing_key"));
    assert!(
        missing.head.contains("www-authenticate: bearer realm=\"atthene\"\r\n"),
        "no error code where no key came (RFC 6750, 3.1)"
    );
    for (value, code) in [
        ("", "malformed_authorization"),
        ("Bearer", "malformed_authorization"),
        ("Bearer  two-spaces", "malformed_authorization"),
        ("Basic dXNlcjpwYXNz", "malformed_authorization"),
        ("Bearer a b", "malformed_authorization"),
        ("Bearer a,b", "malformed_authorization"),
        ("Bearer k\u{e9}y", "malformed_authorization"),
        ("Bearer short", "invalid_key"),
        ("Bearer atk_0000000000_0000000000000000000000000000000000000000000000000", "invalid_key"),
    ] {
        let answer = running.execute(value);
        assert_eq!((answer.status, answer.code().as_str()), (401, code), "{value:?}: {answer:?}");
    }
    let twice = running.send(
        "POST /api/amas/conversations/execute HTTP/1.1\r\nauthorization: Bearer a\r\nauthorization: Bearer b",
        b"{}",
    );
    assert_eq!(twice.code(), "malformed_authorization");
}

#[test]
fn a_mistyped_key_is_told_that_it_was_mistyped() {
    let running = Running::start();
    let key = running.key(None);
    let mut typo = key.expose().to_owned();
    let swapped = if typo.as_bytes()[20] == b'x' { "y" } else { "x" };
    typo.replace_range(20..=20, swapped);
    let answer = running.execute(&format!("Bearer {typo}"));
    assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_key"));
    assert!(answer.body.contains("mistyped"), "{}", answer.body);
}

#[test]
fn a_proxy_asks_with_any_method() {
    let running = Running::start();
    let key = running.key(None);
    for method in ["GET", "HEAD", "POST", "DELETE"] {
        let answer =
            running.send(&format!("{method} /auth/verify HTTP/1.1\r\nauthorization: Bearer {}", key.expose()), b"");
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{method}");
    }
    for path in ["/auth/verify", "/auth/verify/", "/auth/verify/orders/7"] {
        let call = |key: &str| running.send(&format!("GET {path} HTTP/1.1\r\nauthorization: Bearer {key}"), b"").status;
        assert_eq!((call(key.expose()), call("atk_x")), (200, 401), "{path}");
    }
    assert_eq!(running.send("GET /auth/verify HTTP/1.1", b"").status, 401);
}

#[test]
fn liveness_and_the_description_need_no_key() {
    let running = Running::start();
    assert_eq!(running.send("GET /healthz HTTP/1.1", b"").body, "ok");
    let description = running.send("GET /openapi.json HTTP/1.1", b"").json();
    assert!(description["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
    let codes = &description["components"]["schemas"]["ProblemBody"]["properties"]["code"]["enum"];
    assert_eq!(codes.as_array().map(Vec::len), Some(atthene_core::problem::ProblemCode::ALL.len()), "{codes}");
    for path in ["/api/amas/conversations/execute", "/auth/verify", "/healthz", "/openapi.json"] {
        assert!(description["paths"][path].is_object(), "{path} is not described");
    }
    assert_eq!(description["components"]["securitySchemes"]["api_key"]["scheme"], "bearer");
}

#[test]
fn unknown_routes_and_methods_are_problems_too() {
    let running = Running::start();
    let key = running.key(None);
    assert_eq!(running.send("GET / HTTP/1.1", b"").code(), "not_found");
    assert_eq!(running.send("POST /healthz HTTP/1.1", b"").code(), "method_not_allowed");
    let authorized = format!("\r\nauthorization: Bearer {}", key.expose());
    assert_eq!(running.send(&format!("GET /api/amas/anything HTTP/1.1{authorized}"), b"").code(), "no_agent_runtime");
    assert_eq!(running.send("GET /api/amas/anything HTTP/1.1", b"").code(), "missing_key");
}

#[test]
fn another_agent_needs_a_runtime_and_a_body_needs_an_agent() {
    let running = Running::start();
    let key = running.key(None);
    let head = format!("POST /api/amas/conversations/execute HTTP/1.1\r\nauthorization: Bearer {}", key.expose());
    let other = running.send(&head, br#"{"agent_id":"sales"}"#);
    assert_eq!((other.status, other.code().as_str()), (503, "no_agent_runtime"));
    for body in [&b""[..], b"{}", b"not json", b"[]", br#"{"agent_id":7}"#, b"\xff\xfe"] {
        assert_eq!(running.send(&head, body).code(), "bad_request");
    }
}

#[test]
fn names_rebound_to_loopback_and_web_pages_are_refused() {
    let running = Running::start();
    let key = running.key(None);
    let raw = |head: String| {
        let mut stream = running.connect();
        stream
            .write_all(
                format!("{head}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n", key.expose()).as_bytes(),
            )
            .expect("sends");
        Answer::read(&mut stream).code()
    };
    assert_eq!(raw("GET /healthz HTTP/1.1\r\nhost: evil.example:8765".into()), "forbidden_host");
    assert_eq!(raw("GET http://evil.example/healthz HTTP/1.1\r\nhost: localhost".into()), "forbidden_host");
    assert_eq!(raw("GET /auth/verify HTTP/1.0".into()), "forbidden_host");
    for origin in ["https://evil.example", "null", "http://localhost"] {
        assert_eq!(
            raw(format!("GET /auth/verify HTTP/1.1\r\nhost: localhost\r\norigin: {origin}")),
            "forbidden_origin"
        );
    }
    let preflight = running.send("OPTIONS /auth/verify HTTP/1.1\r\norigin: https://evil.example", b"");
    assert!(!preflight.head.contains("access-control"), "{}", preflight.head);
}

#[test]
fn the_calling_program_is_named() {
    let running = Running::start();
    let key = running.key(None);
    // The second is how Java calls: a socket for IPv6 that is told an IPv4 address.
    for address in ["127.0.0.1", "::ffff:127.0.0.1", "::1"] {
        match connect_to(address, running.port) {
            Ok(_) => {}
            Err(_) if address.contains(':') => continue, // a machine without IPv6
            Err(error) => panic!("{address}: {error}"),
        }
        let request = format!(
            "GET /auth/verify HTTP/1.1\r\nhost: localhost\r\nuser-agent: by {address}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
            key.expose()
        );
        // A call waits 25 ms for the look-up, and is counted without a name where the machine is too busy for it.
        let caller = eventually("a call to be counted under its program", || {
            let mut stream = connect_to(address, running.port).expect("connects");
            stream.write_all(request.as_bytes()).expect("sends");
            assert_eq!(Answer::read(&mut stream).status, 200);
            let callers = running.core.usage.recent_callers(&key.id()).expect("reads");
            callers
                .into_iter()
                .find(|caller| caller.user_agent == format!("by {address}") && !caller.program.is_empty())
        });
        // The caller is this very test.
        assert!(caller.program.starts_with("it-"), "{address}: {caller:?}");
    }
}
