//! What stands in the way: permissions, access, refusals, arguments. And what is put on record.

use atthene_core::connections::Toolkit;
use atthene_core::permissions::{Permission, Permissions};
use atthene_test_support::graph::{found, refused};
use atthene_test_support::world::tokens;
use atthene_toolkits::tools::ToolError;
use serde_json::{Value, json};

use crate::{Desk, TEAMS};

fn empty() -> Value {
    json!({ "value": [] })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_permitted_asks_graph_nothing() {
    let desk = Desk::new().await;
    desk.graph.says(|_| found(&empty()));
    let connections = &desk.world.core.connections;
    let but = Permissions { draft: Permission::Deny, ..Permissions::default() };
    connections.set_permissions(&desk.outlook, but).expect("says so");
    let words = desk.fails("mail_draft", &json!({ "body": "x" })).await;
    assert!(words.contains("may not write drafts") && words.contains("ada@contoso.com"), "{words}");
    desk.fails("mail_move", &json!({ "id": "1", "folder": "archive" })).await;
    connections.set_permissions(&desk.outlook, Permissions { read: Permission::Deny, ..but }).expect("says so");
    for (tool, arguments) in [
        ("mail_search", json!({})),
        ("mail_read", json!({ "id": "1" })),
        ("calendar_list", json!({})),
        ("contacts_search", json!({ "query": "a" })),
    ] {
        assert!(desk.fails(tool, &arguments).await.contains("may not read"), "{tool}");
    }
    assert!(desk.graph.asked().is_empty());
    let record = desk.record();
    assert!(record.len() == 6 && record.iter().all(|row| row.detail["calls"] == 0), "{record:?}");
    assert!(connections.list().expect("lists").iter().all(|one| one.used_at.is_none()), "nothing was used");
    // A tool that was begun ends where it is taken away.
    connections.set_permissions(&desk.outlook, Permissions::default()).expect("says so");
    desk.world.core.stop_everything().expect("stops");
    assert!(desk.fails("mail_search", &json!({})).await.contains("stopped"));
    assert!(desk.graph.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn permission_is_looked_at_before_every_request() {
    let desk = Desk::new().await;
    let (core, id) = (desk.world.core.clone(), desk.outlook.clone());
    desk.graph.says(move |_| {
        core.connections
            .set_permissions(&id, Permissions { read: Permission::Deny, ..Permissions::default() })
            .expect("says");
        found(&json!({ "id": "1", "hasAttachments": true, "body": { "contentType": "text", "content": "x" } }))
    });
    assert!(desk.fails("mail_read", &json!({ "id": "1" })).await.contains("may not read"));
    assert_eq!(desk.graph.calls(), ["GET me/messages/1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_access_is_renewed_once() {
    let desk = Desk::new().await;
    let renewed = |desk: &Desk| desk.world.authority.says(|_| tokens("access-2", "rotated-2"));
    renewed(&desk);
    desk.graph.says(|asked| {
        if asked.bearer == "access-1" { refused(401, "InvalidAuthenticationToken") } else { found(&empty()) }
    });
    desk.done("mail_search", &json!({})).await;
    let bearers: Vec<String> = desk.graph.asked().into_iter().map(|asked| asked.bearer).collect();
    assert_eq!(bearers, ["access-1", "access-2"]);
    desk.graph.says(|_| refused(401, "InvalidAuthenticationToken"));
    assert!(desk.fails("mail_search", &json!({})).await.contains("even a fresh one"));
    assert_eq!(desk.graph.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_says_what_to_do() {
    let desk = Desk::new().await;
    let scopes = [
        ("mail_search", json!({}), "Mail.Read"),
        ("mail_draft", json!({ "body": "x" }), "Mail.ReadWrite"),
        ("calendar_list", json!({}), "Calendars.Read"),
        ("contacts_search", json!({ "query": "a" }), "Contacts.Read"),
        ("chats_list", json!({}), "Chat.Read"),
        ("channels_list", json!({}), "Team.ReadBasic.All"),
        ("channel_read", json!({ "team": "t", "channel": "c" }), "ChannelMessage.Read.All"),
    ];
    desk.graph.says(|_| refused(403, "ErrorAccessDenied"));
    for (tool, arguments, scope) in scopes {
        let words = desk.fails(tool, &arguments).await;
        assert!(words.contains(scope) && words.contains("ErrorAccessDenied"), "{tool}: {words}");
    }
    assert_eq!(desk.record()[0].detail["problem"], "403 ErrorAccessDenied");
    for status in [429, 503] {
        desk.graph.says(move |_| (status, "retry-after: 17\r\n".to_owned(), String::new()));
        assert!(desk.fails("mail_search", &json!({})).await.contains("Wait 17 seconds"));
        assert_eq!(desk.graph.asked().len(), 1, "a draft would be made twice");
    }
    desk.graph.says(|_| refused(404, "ErrorItemNotFound"));
    assert!(desk.fails("mail_read", &json!({ "id": "x" })).await.contains("Search again"));
    desk.graph.says(|_| refused(400, "Bad\u{202e}\u{7}"));
    assert!(desk.fails("mail_read", &json!({ "id": "x" })).await.ends_with("(Bad)"));
    desk.graph.says(|_| (200, String::new(), "<html>".to_owned()));
    assert!(matches!(desk.call("mail_search", &json!({})).await, Err(ToolError::Unreadable)));
    desk.graph.says(|_| (200, String::new(), "{}".to_owned()));
    assert!(matches!(desk.call("mail_search", &json!({})).await, Err(ToolError::Unreadable)));
    desk.graph.says(|_| (302, "location: https://evil.example/\r\n".to_owned(), String::new()));
    assert!(matches!(desk.call("mail_search", &json!({})).await, Err(ToolError::Network(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_not_asked_for_without_an_administrators_consent() {
    let desk = Desk::new().await;
    let all = desk.world.core.connections.list().expect("lists");
    let teams = all.iter().find(|one| one.toolkit == Toolkit::Teams).expect("teams");
    desk.world.core.connections.disconnect(&teams.id).await.expect("disconnects");
    let reading = json!({ "team": "t", "channel": "c" });
    assert!(desk.fails("channel_read", &reading).await.starts_with("Nobody is connected for Teams."));
    desk.world.connect_for(Toolkit::Teams, "ada", &TEAMS.replace(" ChannelMessage.Read.All", "")).await;
    let words = desk.fails("channel_read", &reading).await;
    assert!(words.contains("ChannelMessage.Read.All") && words.contains("administrator"), "{words}");
    assert!(desk.graph.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_connections_has_to_be_named() {
    let desk = Desk::new().await;
    desk.graph.says(|_| found(&empty()));
    let second = desk.world.connect_for(Toolkit::Outlook, "grace", crate::OUTLOOK).await;
    let words = desk.fails("mail_search", &json!({})).await;
    for known in [desk.outlook.as_str(), second.as_str(), "ada@contoso.com", "grace@contoso.com"] {
        assert!(words.contains(known), "{words}");
    }
    desk.done("mail_search", &json!({ "connection": second.as_str() })).await;
    assert_eq!(desk.record()[0].subject, second.as_str());
    for bad in [json!("teams-aaaaaaaa"), json!("outlook-aaaaaaaa"), json!("../x"), json!(7)] {
        assert!(desk.fails("mail_search", &json!({ "connection": bad })).await.contains("connection"));
    }
    assert_eq!(desk.graph.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_can_not_be_read_are_named() {
    let desk = Desk::new().await;
    for (tool, arguments, name) in [
        ("mail_search", json!({ "querry": "x" }), "querry"),
        ("mail_search", json!({ "limit": 26 }), "limit"),
        ("mail_search", json!({ "limit": 0 }), "limit"),
        ("mail_search", json!({ "limit": "5" }), "limit"),
        ("mail_search", json!({ "limit": -1 }), "limit"),
        ("mail_search", json!({ "query": "x".repeat(10_000) }), "query"),
        ("mail_search", json!({ "query": "a\u{0}b" }), "query"),
        ("mail_search", json!({ "since": "yesterday" }), "since"),
        ("mail_search", json!({ "cursor": "x" }), "Begin again without cursor"),
        ("mail_read", json!({}), "id"),
        ("mail_read", json!({ "id": "" }), "id"),
        ("mail_read", json!({ "id": ".." }), "id"),
        ("mail_read", json!({ "id": "a/../../beta" }), "id"),
        ("mail_read", json!({ "id": "a%2Fsend" }), "id"),
        ("mail_read", json!({ "id": "x".repeat(513) }), "id"),
        ("mail_read", json!({ "id": ["x"] }), "id"),
        ("mail_draft", json!({ "body": "x", "to": "a@b.c" }), "argument to"),
        ("mail_move", json!({ "id": "x" }), "folder"),
        (
            "calendar_find_time",
            json!({ "attendees": vec!["a@b.c"; 20], "from": "2026-11-27", "to": "2026-11-28", "minutes": 30 }),
            "attendees",
        ),
        (
            "calendar_find_time",
            json!({ "attendees": [], "from": "2026-11-27", "to": "2026-11-28", "minutes": 0 }),
            "minutes",
        ),
        ("contacts_search", json!({ "query": "  " }), "query"),
        ("chat_read", json!({ "chat": "19:x/messages" }), "chat"),
    ] {
        let words = desk.fails(tool, &arguments).await;
        assert!(words.contains(name), "{tool} {arguments}: {words}");
        assert!(words.len() < 500, "{words}");
    }
    desk.graph.says(|_| found(&empty()));
    desk.done("mail_search", &json!({ "query": null, "limit": null, "connection": null, "folder": null })).await;
    assert!(matches!(desk.call("mail_burn", &json!({})).await, Err(ToolError::Unknown(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_on_record_without_what_was_in_it() {
    let desk = Desk::new().await;
    desk.graph.says(|_| found(&empty()));
    desk.done("mail_search", &json!({ "query": "a-secret-word", "limit": 5 })).await;
    desk.fails("mail_search", &json!({ "a-secret-word": "a-secret-word", "limit": "a-secret-word" })).await;
    let record = desk.record();
    assert_eq!(record.len(), 2);
    let (failed, done) = (&record[0], &record[1]);
    assert_eq!(done.subject, desk.outlook.as_str());
    for (field, value) in [
        ("tool", json!("mail_search")),
        ("act", json!("read")),
        ("arguments", json!(["limit", "query"])),
        ("calls", json!(1)),
        ("program", json!("a test")),
        ("account", json!("ada@contoso.com")),
        ("problem", json!(null)),
    ] {
        assert_eq!(done.detail[field], value, "{field}");
    }
    assert_eq!((&failed.detail["arguments"], &failed.detail["problem"]), (&json!(["limit"]), &json!("its arguments")));
    assert!(!format!("{record:?}").contains("a-secret-word"));
    let used = desk.world.core.connections.list().expect("lists").into_iter().find(|one| one.id == desk.outlook);
    assert!(used.is_some_and(|one| one.used_at.is_some()));
    // As on a full disk: the answer is given all the same.
    rusqlite::Connection::open(desk.world.machine.dir.path().join(atthene_store::DATABASE_FILE))
        .and_then(|db| {
            db.execute_batch("CREATE TRIGGER full BEFORE INSERT ON activity BEGIN SELECT RAISE(ABORT, 'full'); END")
        })
        .expect("breaks");
    desk.done("mail_search", &json!({})).await;
    assert_eq!(desk.record().len(), 2);
}
