//! `/mcp` as clients of both eras meet it.

use std::time::Duration;

use atthene_core::approvals::Yes;
use atthene_core::keys::KeyText;
use atthene_gateway::Limits;
use serde_json::{Value, json};

use atthene_test_support::graph::{Asked, found, refused};

use crate::common::{Answer, Running};
use crate::connections::World;

const STATELESS: &str = "2026-07-28";

/// A call of a tool.
fn uses(world: &World, name: &str, arguments: Value) -> Answer {
    call(&world.running, &world.key, "tools/call", json!({ "name": name, "arguments": arguments }))
}

/// A call of the stateless revision.
pub fn call(running: &Running, key: &KeyText, method: &str, mut params: Value) -> Answer {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let name = params["name"].as_str().map(|name| format!("\r\nmcp-name: {name}")).unwrap_or_default();
    let more = format!("\r\nmcp-protocol-version: {STATELESS}\r\nmcp-method: {method}{name}");
    post(running, key, &more, &json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
}

fn legacy(running: &Running, key: &KeyText, method: &str, params: &Value) -> Answer {
    post(running, key, "", &json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
}

fn post(running: &Running, key: &KeyText, more: &str, body: &Value) -> Answer {
    let head =
        format!("POST /mcp HTTP/1.1\r\nauthorization: Bearer {}\r\ncontent-type: application/json{more}", key.expose());
    running.send(&head, body.to_string().as_bytes())
}

fn names(listed: &Value) -> Vec<String> {
    let tools = listed["result"]["tools"].as_array().expect("a list");
    tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn both_eras_are_served_on_one_address_without_a_session() {
    let running = Running::start();
    let key = running.key(None);
    let found = call(&running, &key, "server/discover", json!({}));
    let versions = found.json()["result"]["supportedVersions"].to_string();
    assert!(found.status == 200 && versions.contains(STATELESS) && versions.contains("2025-11-25"), "{}", found.body);

    let begun = legacy(
        &running,
        &key,
        "initialize",
        &json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "a test", "version": "1" },
        }),
    );
    assert_eq!(begun.json()["result"]["protocolVersion"], "2025-11-25", "{}", begun.body);
    assert!(!begun.head.contains("mcp-session-id"), "{}", begun.head);

    let (modern, old) =
        (call(&running, &key, "tools/list", json!({})), legacy(&running, &key, "tools/list", &json!({})));
    assert_eq!(names(&modern.json()), names(&old.json()));
    assert!(modern.json()["result"]["ttlMs"].is_number() && old.json()["result"]["ttlMs"].is_null());
    for line in ["GET", "DELETE", "PUT"] {
        let answer = running.send(&format!("{line} /mcp HTTP/1.1\r\nauthorization: Bearer {}", key.expose()), b"");
        assert_eq!((answer.status, answer.code().as_str()), (405, "method_not_allowed"), "{line}: {}", answer.body);
        assert!(answer.head.contains("allow: post"), "{}", answer.head);
    }
}

#[test]
fn a_client_without_the_key_is_not_led_to_sign_in_elsewhere() {
    let running = Running::start();
    let key = running.key(None);
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let answer = running.send("POST /mcp HTTP/1.1\r\ncontent-type: application/json", body);
    assert_eq!((answer.status, answer.code().as_str()), (401, "missing_key"));
    assert!(answer.head.contains("www-authenticate: bearer realm") && !answer.head.contains("resource_metadata"));
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
        "/mcp/.well-known/openid-configuration",
        "/register",
        "/authorize",
        "/token",
    ] {
        for method in ["GET", "POST"] {
            assert_eq!(running.send(&format!("{method} {path} HTTP/1.1"), b"").status, 404, "{method} {path}");
        }
    }
    for origin in ["https://evil.example", "null", "http://127.0.0.1:8765"] {
        let head = format!("POST /mcp HTTP/1.1\r\norigin: {origin}\r\nauthorization: Bearer {}", key.expose());
        assert_eq!(running.send(&head, body).code(), "forbidden_origin", "{origin}");
    }
    // It counts like any other call.
    crate::common::eventually("the count", || (running.refused("missing_key") == 1).then_some(()));
}

#[test]
fn an_agent_of_the_company_is_asked_with_the_key_that_came_along() {
    let running = Running::start();
    let key = running.key(None);
    let arguments = json!({ "agent_id": "atthene-status", "message": "Hello" });
    let answer = call(&running, &key, "tools/call", json!({ "name": "agent_execute", "arguments": arguments }));
    let result = &answer.json()["result"];
    assert_eq!((result["isError"].as_bool(), result["structuredContent"]["status"].as_u64()), (Some(false), Some(200)));
    let said = result["structuredContent"]["answer"]["output"].as_str().expect("an answer");
    assert!(said.starts_with("The gateway works"), "{said}");
    for (arguments, words) in [
        (json!({ "agent_id": "other", "message": "Hello" }), "No agent runtime"),
        (json!({ "agent_id": "atthene-status" }), "arguments"),
        (json!({ "agent_id": "atthene-status", "message": "m", "url": "http://evil.example" }), "arguments"),
    ] {
        let answer = call(&running, &key, "tools/call", json!({ "name": "agent_execute", "arguments": arguments }));
        let result = &answer.json()["result"];
        let said = result["content"][0]["text"].as_str().unwrap_or_default();
        assert!(result["isError"] == true && said.contains(words), "{}", answer.body);
    }
    let unknown = call(&running, &key, "tools/call", json!({ "name": "nonsense" }));
    assert_eq!(unknown.json()["error"]["code"], -32602, "{}", unknown.body);
}

#[test]
fn the_connections_are_told_with_what_is_permitted() {
    let world = World::start();
    let id = world.connect_only("access-1");
    let answer = call(&world.running, &world.key, "tools/call", json!({ "name": "connections_list" }));
    let listed = &answer.json()["result"]["structuredContent"]["connections"][0];
    assert_eq!(listed["connection"], id.as_str());
    assert_eq!((&listed["account"], &listed["may"]), (&json!("ada@contoso.com"), &json!(["read", "draft"])));
}

#[test]
fn odd_calls_are_answered_and_end_nothing() {
    let running = Running::start();
    let key = running.key(None);
    let head = |more: &str| format!("POST /mcp HTTP/1.1\r\nauthorization: Bearer {}{more}", key.expose());
    let json_head = head("\r\ncontent-type: application/json");
    let large = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "x".repeat(1024 * 1024));
    for (head, body, statuses) in [
        (&json_head, "", 400..=415),
        (&json_head, "[]", 400..=415),
        (&json_head, "{", 400..=415),
        (&json_head, r#"{"jsonrpc":"2.0","id":1,"method":"nonsense"}"#, 200..=404),
        (&json_head, r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#, 200..=404),
        (&json_head, large.as_str(), 413..=413),
        (&head(""), r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, 415..=415),
    ] {
        let answer = running.send(head, body.as_bytes());
        assert!(statuses.contains(&answer.status), "{body:.80}: {} {}", answer.status, answer.body);
    }
    assert_eq!(call(&running, &key, "tools/list", json!({})).status, 200);
    running.core.stop_everything().expect("stops");
    crate::common::eventually("the stop", || {
        (call(&running, &key, "tools/list", json!({})).code() == "stopped").then_some(())
    });
}

/// What the tool answered, as programs read it.
fn structured(answer: &Answer) -> Value {
    let result = &answer.json()["result"];
    assert_eq!(result["isError"], false, "{}", answer.body);
    result["structuredContent"].clone()
}

/// One mail with a file.
fn mailbox(asked: &Asked) -> atthene_test_support::graph::Answer {
    match asked.path.as_str() {
        path if path.ends_with("/$value") => (200, "content-type: text/html\r\n".into(), "the bytes".into()),
        path if path.contains("/attachments/a1?") => {
            found(&json!({ "id": "a1", "name": "offer.html", "contentType": "text/html", "size": 9 }))
        }
        path if path.starts_with("me/messages?") => found(&json!({ "value": [{ "id": "m1", "subject": "Offer" }] })),
        _ => refused(404, "ErrorItemNotFound"),
    }
}

#[test]
fn a_tool_reads_and_a_file_comes_by_a_link_that_works_once() {
    let (world, graph) = World::with_graph();
    let id = world.connect_only("access-1");
    graph.says(mailbox);
    let tool = |name: &str, arguments: Value| uses(&world, name, arguments);
    let mails = structured(&tool("mail_search", json!({ "connection": id.as_str() })));
    assert_eq!(mails["mails"][0]["subject"], "Offer");
    let file = structured(&tool("attachment_get", json!({ "mail": "m1", "id": "a1", "connection": id.as_str() })));
    let link = file["link"].as_str().expect("a link");
    let path = link.strip_prefix("http://localhost").expect("an address of this gateway");
    assert!(!link.contains("m1") && file["name"] == "offer.html", "{file}");
    let without = world.running.send(&format!("GET {path} HTTP/1.1"), b"");
    assert_eq!(without.code(), "missing_key");
    assert_eq!(world.call(&format!("HEAD {path}"), b"").status, 405, "who only looks does not use it up");
    let read = world.call(&format!("GET {path}"), b"");
    assert_eq!((read.status, read.body.as_str()), (200, "the bytes"));
    assert!(read.head.contains("content-disposition: attachment") && read.head.contains("nosniff"), "{}", read.head);
    assert_eq!(world.call(&format!("GET {path}"), b"").code(), "not_found", "once");
    // Another connection's path opens nothing, and neither does a name of nobody's.
    for odd in ["/api/amas/connections/outlook-aaaaaaaa/attachments/0", "/api/amas/connections/x/attachments/.."] {
        assert_eq!(world.call(&format!("GET {odd}"), b"").status, 404, "{odd}");
    }
    let refused = tool("mail_search", json!({ "connection": id.as_str(), "limt": 3 })).json();
    assert!(refused["result"]["isError"] == true, "{refused}");
}

#[test]
fn a_client_of_the_stateless_revision_goes_on_waiting_by_itself_and_not_for_ever() {
    let (world, graph) = World::with_graph_and(Limits { approval_time: Duration::ZERO, ..Limits::default() });
    world.connect_only("access-1");
    graph.says(|_| (202, String::new(), String::new()));
    let mail = json!({ "to": ["grace@contoso.com"], "subject": "Offer", "body": "Hello" });
    let mut asked = json!({ "name": "mail_send", "arguments": mail });
    let mut rounds = 0;
    let vain = loop {
        let result = call(&world.running, &world.key, "tools/call", asked.clone()).json()["result"].clone();
        if result["resultType"] != "input_required" {
            break result;
        }
        // Nothing is asked of the client's own user.
        assert!(result["inputRequests"].is_null() && result["_meta"].is_object(), "{result}");
        asked["requestState"] = result["requestState"].clone();
        rounds += 1;
        assert!(rounds < 10, "the usual client gives up");
    };
    let text = vain["content"][0]["text"].as_str().unwrap_or_default();
    assert!(vain["isError"] == true && text.contains("has not answered yet"), "{vain}");
    let approvals = &world.running.core.approvals;
    let [one] = &approvals.waiting().expect("lists")[..] else { panic!("one question, however often it is asked") };
    approvals.approve(&one.id, &Yes::default()).expect("says yes");
    for state in ["1", "no number", "99999999999999999999"] {
        asked["requestState"] = state.into();
        let sent = structured(&call(&world.running, &world.key, "tools/call", asked.clone()));
        assert!(sent["sent"] == true, "{state}: {sent}");
    }
    assert_eq!(graph.asked().iter().filter(|asked| asked.path == "me/sendMail").count(), 1);
    // The older era has no such answer.
    let other =
        json!({ "name": "mail_send", "arguments": { "to": ["grace@contoso.com"], "subject": "2", "body": "b" } });
    let old = legacy(&world.running, &world.key, "tools/call", &other).json();
    assert!(old["result"]["isError"] == true, "{old}");
}

/// By `o200k_base`, whose counts are near those of other current models.
#[test]
fn the_list_of_tools_costs_an_agent_less_than_4000_tokens() {
    let running = Running::start();
    let key = running.key(None);
    let listed = call(&running, &key, "tools/list", json!({})).json();
    let names = names(&listed);
    assert_eq!(names.len(), 20, "{names:?}");
    let tokens = tiktoken_rs::o200k_base().expect("its words").encode_ordinary(&listed["result"].to_string()).len();
    println!("{tokens} tokens");
    assert!(tokens <= 4_000, "{tokens}");
}
