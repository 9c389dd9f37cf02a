//! Each tool as it is meant: what Graph is asked, and what the agent is told.

use atthene_test_support::graph::found;
use atthene_toolkits::tools::tools;
use serde_json::{Value, json};

use crate::Desk;

fn mail(id: &str) -> Value {
    json!({
        "id": id, "subject": "Invoice", "isRead": false, "isDraft": false, "hasAttachments": true,
        "from": { "emailAddress": { "name": "Grace", "address": "grace@contoso.com" } },
        "toRecipients": [{ "emailAddress": { "name": "ada@contoso.com", "address": "ada@contoso.com" } }],
        "receivedDateTime": "2026-11-27T09:00:00Z", "bodyPreview": "Dear Ada",
    })
}

#[test]
fn all_tools_are_listed_tersely() {
    let listed: Vec<Value> = tools().iter().map(atthene_toolkits::tools::Tool::listing).collect();
    let names: Vec<&str> = tools().iter().map(|tool| tool.name).collect();
    assert_eq!(
        names,
        [
            "mail_search",
            "mail_read",
            "attachment_get",
            "mail_draft",
            "mail_move",
            "mail_send",
            "mail_reply",
            "calendar_list",
            "calendar_find_time",
            "event_create",
            "event_respond",
            "contacts_search",
            "chats_list",
            "chat_read",
            "channels_list",
            "channel_read",
            "chat_send",
            "channel_send"
        ]
    );
    let characters = Value::from(listed).to_string().len();
    println!("{characters} characters of all tools");
    assert!(characters < 14_000, "{characters}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_are_searched_with_words_or_by_filter() {
    let desk = Desk::new().await;
    let page = |_: &_| found(&json!({ "value": [mail("m1")] }));
    desk.graph.says(page);
    let answer =
        desk.done("mail_search", &json!({ "unread": true, "since": "2026-11-01", "from": "o'neil@x.com" })).await;
    let asked = desk.graph.asked().remove(0);
    assert!(
        asked.path.starts_with(
            "me/messages?$filter=receivedDateTime ge 2026-11-01T00:00:00Z and isRead eq false and \
             from/emailAddress/address eq 'o''neil@x.com'&$orderby=receivedDateTime desc&$top=10&$select=id,subject,"
        ),
        "{}",
        asked.path
    );
    assert_eq!(asked.bearer, "access-1");
    assert_eq!(asked.headers["prefer"], "IdType=\"ImmutableId\", outlook.body-content-type=\"text\"");
    assert_eq!(
        answer["mails"],
        json!([{
            "id": "m1", "subject": "Invoice", "from": "Grace <grace@contoso.com>", "to": ["ada@contoso.com"],
            "received": "2026-11-27T09:00:00Z", "unread": true, "attachments": true, "preview": "Dear Ada",
        }])
    );
    assert_eq!((&answer["more"], answer.get("next")), (&json!(false), None));
    desk.graph.says(page);
    let words = json!({ "query": "a \"b\" OR c", "from": "Grace", "unread": true, "until": "2026-11-27T10:00:00+02:00", "limit": 25 });
    desk.done("mail_search", &words).await;
    assert!(
        desk.graph.asked()[0].path.starts_with(
            r#"me/messages?$search="(a \"b\" OR c) AND from:\"Grace\" AND isread:false AND received<=2026-11-27"&$top=25&$select="#
        ),
        "{:?}",
        desk.graph.asked()
    );
    assert!(!desk.graph.asked()[0].path.contains("$orderby") && !desk.graph.asked()[0].path.contains("$filter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_found_by_word_and_by_name() {
    let desk = Desk::new().await;
    let folders = json!({ "value": [
        { "id": "AAin", "displayName": "Posteingang", "parentFolderId": "root" },
        { "id": "AAinv", "displayName": "Invoices", "parentFolderId": "root" },
    ] });
    desk.graph.says(move |asked| match asked.path.as_str() {
        path if path.starts_with("me/mailFolders?") => found(&folders),
        _ => found(&json!({ "value": [] })),
    });
    desk.done("mail_search", &json!({ "folder": "Inbox" })).await;
    assert_eq!(desk.graph.calls(), ["GET me/mailFolders/inbox/messages"]);
    desk.done("mail_search", &json!({ "folder": "invoices" })).await;
    assert_eq!(desk.graph.calls()[1..], ["GET me/mailFolders", "GET me/mailFolders/AAinv/messages"]);
    let unknown = desk.fails("mail_search", &json!({ "folder": "Receipts/../x" })).await;
    assert!(unknown.starts_with("There is no folder of this name. There are others. What stands between"), "{unknown}");
    assert!(unknown.contains(">>\nPosteingang\nInvoices\n<<end "), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_read_in_parts_with_its_attachments_named() {
    let desk = Desk::new().await;
    desk.graph.says(|asked| {
        if asked.path.contains("/attachments") {
            return found(
                &json!({ "value": [{ "id": "f1", "name": "a.pdf", "contentType": "application/pdf", "size": 7 }] }),
            );
        }
        let mut mail = mail("m1=");
        mail["uniqueBody"] = json!({ "contentType": "text", "content": "ä".repeat(9_000) });
        mail["body"] = json!({ "contentType": "html", "content": format!("<p>{}</p>old", "ä".repeat(9_000)) });
        found(&mail)
    });
    let first = desk.done("mail_read", &json!({ "id": "m1=" })).await;
    assert_eq!(desk.graph.calls(), ["GET me/messages/m1%3D", "GET me/messages/m1%3D/attachments"]);
    assert!(desk.graph.asked()[1].path.contains("$select="), "contents would come along");
    assert_eq!(first["rest"], 1_000);
    assert_eq!(first["quoted"], 5);
    assert_eq!(first["attachments"], json!([{ "id": "f1", "name": "a.pdf", "type": "application/pdf", "size": 7 }]));
    let second = desk.done("mail_read", &json!({ "id": "m1=", "offset": 8_000 })).await;
    let body = second["body"].as_str().expect("a body");
    assert_eq!((body.matches('ä').count(), &second["rest"]), (1_000, &json!(0)));
    let whole = desk.done("mail_read", &json!({ "id": "m1=", "offset": 8_000, "whole": true })).await;
    assert!(whole["body"].as_str().is_some_and(|body| body.contains("\n\nold\n<<end")), "{whole}");
    let beyond = desk.done("mail_read", &json!({ "id": "m1=", "offset": 4_000_000_000_u32 })).await;
    assert_eq!(beyond["rest"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_are_made_and_nothing_is_sent() {
    let desk = Desk::new().await;
    desk.graph.says(|_| {
        let mut made = mail("d1");
        made["webLink"] = json!("https://outlook.office.com/d1");
        (201, String::new(), made.to_string())
    });
    let draft = json!({ "to": ["grace@contoso.com"], "cc": ["x@y.z"], "subject": "Hi", "body": "a\nb <c>" });
    let made = desk.done("mail_draft", &draft).await;
    assert_eq!((&made["id"], &made["draft"]), (&json!("d1"), &json!(true)));
    let asked = desk.graph.asked().remove(0);
    assert_eq!(
        asked.body,
        json!({
            "subject": "Hi", "body": { "contentType": "Text", "content": "a\nb <c>" },
            "toRecipients": [{ "emailAddress": { "address": "grace@contoso.com" } }],
            "ccRecipients": [{ "emailAddress": { "address": "x@y.z" } }], "bccRecipients": [],
        })
    );
    desk.done("mail_draft", &json!({ "body": "a\nb <c>", "reply_to_message": "m1", "reply_all": true })).await;
    assert_eq!(desk.graph.calls(), ["POST me/messages", "POST me/messages/m1/createReplyAll"]);
    assert_eq!(desk.graph.asked()[1].body, json!({ "comment": "a<br>b &lt;c&gt;" }));
    let both = json!({ "body": "x", "reply_to_message": "m1", "to": ["a@b.c"] });
    assert!(desk.fails("mail_draft", &both).await.contains("leave out to"));
    let many = json!({ "body": "x", "to": vec!["a@b.c"; 501] });
    assert!(desk.fails("mail_draft", &many).await.contains("at most 500 recipients"));
    let large = json!({ "body": "x".repeat(100_001) });
    assert!(desk.fails("mail_draft", &large).await.contains("body has 100001 characters"));
    assert!(desk.fails("mail_draft", &json!({ "body": "x", "to": ["Ada"] })).await.contains("no address"));
    assert_eq!(desk.graph.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_moved_but_not_out_of_sight() {
    let desk = Desk::new().await;
    let (deep, hidden) = ("D".repeat(60), "H".repeat(60));
    let (below, away) = (deep.clone(), hidden.clone());
    desk.graph.says(move |asked| {
        let path = asked.path.split('?').next().unwrap_or_default();
        let folder = |id: &str, parent: &str| json!({ "id": id, "displayName": id, "parentFolderId": parent });
        match path {
            "me/mailFolders" => found(&json!({ "value": [folder("Projects", "root"), folder("Out", "root")] })),
            "me/mailFolders/outbox" => found(&folder("Out", "root")),
            path if path.ends_with(&below) => found(&folder(&below, "Projects")),
            path if path.ends_with(&away) => found(&folder(&away, "other-root")),
            "me/mailFolders/Projects" => found(&folder("Projects", "root")),
            "me/mailFolders/other-root" => found(&folder("other-root", "other-root")),
            _ => (201, String::new(), json!({ "id": "m2", "subject": "Moved" }).to_string()),
        }
    });
    let to = |folder: &str| json!({ "id": "m1", "folder": folder });
    assert_eq!(desk.done("mail_move", &to("Archive")).await["id"], "m2");
    assert_eq!(desk.graph.calls(), ["POST me/messages/m1/move"]);
    assert_eq!(desk.graph.asked()[0].body, json!({ "destinationId": "archive" }));
    desk.done("mail_move", &to("projects")).await;
    desk.done("mail_move", &to(&deep)).await;
    let moves = || desk.graph.calls().iter().filter(|call| call.starts_with("POST")).count();
    assert_eq!(moves(), 3);
    for refused in ["RecoverableItemsPurges", "recoverableitemsdeletions", "outbox", "Out", hidden.as_str()] {
        assert!(desk.fails("mail_move", &to(refused)).await.contains("not moved into this folder"), "{refused}");
    }
    assert_eq!(moves(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_in_utc() {
    let desk = Desk::new().await;
    desk.graph.says(|_| {
        found(&json!({ "value": [
            { "id": "e1", "subject": "Stand-up", "start": { "dateTime": "2026-11-27T09:00:00.0000000", "timeZone": "UTC" },
              "end": { "dateTime": "2026-11-27T09:15:00.0000000", "timeZone": "UTC" },
              "organizer": { "emailAddress": { "name": "Ada", "address": "ada@contoso.com" } },
              "attendees": [{ "emailAddress": { "name": "Grace", "address": "g@x.y" }, "status": { "response": "accepted" } }],
              "location": { "displayName": "Room 1" }, "showAs": "busy" },
            { "id": "e2", "isAllDay": true, "start": { "dateTime": "2026-11-28T00:00:00.0000000", "timeZone": "UTC" },
              "end": { "dateTime": "2026-11-29T00:00:00.0000000", "timeZone": "UTC" } },
        ] }))
    });
    let answer = desk.done("calendar_list", &json!({ "from": "2026-11-27T01:00:00+01:00", "to": "2026-11-29" })).await;
    let asked = desk.graph.asked().remove(0);
    assert!(
        asked.path.starts_with(
            "me/calendarView?startDateTime=2026-11-27T00:00:00Z&endDateTime=2026-11-29T00:00:00Z&$orderby=start/dateTime"
        ),
        "{}",
        asked.path
    );
    assert!(asked.headers["prefer"].contains("outlook.timezone=\"UTC\""));
    let (first, day) = (&answer["events"][0], &answer["events"][1]);
    assert_eq!((&first["start"], &first["location"]), (&json!("2026-11-27T09:00:00Z"), &json!("Room 1")));
    assert_eq!(first["attendees"], json!(["Grace <g@x.y>: accepted"]));
    assert_eq!((&day["start"], &day["all_day"]), (&json!("2026-11-28"), &json!(true)));
    desk.done("calendar_list", &json!({})).await;
    for (from, to) in [
        ("2026-11-29", "2026-11-27"),
        ("2026-11-29", "2028-11-27"),
        ("tomorrow", "2026-11-27"),
        ("2026-11-27T09:00", "2026-11-29"),
    ] {
        desk.fails("calendar_list", &json!({ "from": from, "to": to })).await;
    }
    assert_eq!(desk.graph.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_is_found_when_everybody_is_free() {
    let desk = Desk::new().await;
    desk.graph.says(|asked| {
        if asked.path.starts_with("me?") {
            return found(&json!({ "mail": "ada@contoso.com", "userPrincipalName": "ada@x" }));
        }
        found(&json!({ "value": [
            { "scheduleId": "ada@contoso.com", "availabilityView": "00220000",
              "workingHours": { "daysOfWeek": ["monday"], "startTime": "08:00:00.0000000", "endTime": "17:00:00.0000000",
                                "timeZone": { "name": "W. Europe Standard Time" } } },
            { "scheduleId": "g@x.y", "availabilityView": "00000020" },
            { "scheduleId": "who@x.y", "error": { "message": "The mailbox was not found." } },
        ] }))
    });
    let asked = json!({ "attendees": ["g@x.y", "who@x.y", "ADA@contoso.com"], "from": "2026-11-27T08:00:00Z", "to": "2026-11-27T10:00:00Z", "minutes": 30 });
    let answer = desk.done("calendar_find_time", &asked).await;
    assert_eq!(desk.graph.calls(), ["GET me", "POST me/calendar/getSchedule"]);
    let question = &desk.graph.asked()[1].body;
    assert_eq!(question["schedules"], json!(["ada@contoso.com", "g@x.y", "who@x.y"]));
    assert_eq!(question["startTime"], json!({ "dateTime": "2026-11-27T08:00:00", "timeZone": "UTC" }));
    assert_eq!(
        answer["free"],
        json!([
            { "from": "2026-11-27T08:00:00Z", "to": "2026-11-27T08:30:00Z" },
            { "from": "2026-11-27T09:00:00Z", "to": "2026-11-27T09:30:00Z" },
        ])
    );
    assert_eq!(answer["people"][0]["working_hours"], "monday 08:00-17:00 W. Europe Standard Time");
    assert_eq!(answer["people"][2]["unknown"], "The mailbox was not found.");
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_found_by_name_and_by_address() {
    let desk = Desk::new().await;
    let page = |_: &_| {
        found(
            &json!({ "value": [{ "displayName": "Grace", "emailAddresses": [{ "address": "g@x.y" }], "mobilePhone": "1" }] }),
        )
    };
    desk.graph.says(page);
    let answer = desk.done("contacts_search", &json!({ "query": "gra" })).await;
    assert!(desk.graph.asked()[0].path.starts_with("me/contacts?$filter=startswith(displayName,'gra')&$top=10&"));
    assert_eq!(
        answer["contacts"],
        json!([{ "name": "Grace", "addresses": ["g@x.y"], "phones": ["1"], "source": "contacts" }])
    );
    desk.done("contacts_search", &json!({ "query": "g@x.y" })).await;
    assert!(desk.graph.asked()[1].path.contains("$filter=emailAddresses/any(a:a/address eq 'g@x.y')&"));
    assert_eq!(desk.graph.asked().len(), 2, "people were not granted");
}

#[tokio::test(flavor = "multi_thread")]
async fn chats_and_channels_are_read() {
    let desk = Desk::new().await;
    let message = |id: &str, at: &str| {
        json!({ "id": id, "createdDateTime": at, "messageType": "message", "from": { "user": { "displayName": "Grace" } },
                "body": { "contentType": "html", "content": "<p>Hi <at id=\"0\">Ada</at></p>" } })
    };
    desk.graph.says(move |asked| {
        let path = asked.path.split('?').next().unwrap_or_default();
        let mut last = message("1", "2026-11-27T09:00:00Z");
        last["replies"] = (0..7).rev().map(|n| message(&format!("r{n}"), &format!("2026-11-27T09:0{n}:00Z"))).collect();
        found(&match path {
            "me/chats" => json!({ "value": [{ "id": "19:abc@thread.v2", "chatType": "oneOnOne", "topic": null,
                "members": [{ "displayName": "Ada", "email": "ada@contoso.com" }, { "displayName": "Grace", "email": "g@x.y" }],
                "lastMessagePreview": message("1", "2026-11-27T09:00:00Z") }] }),
            "me/joinedTeams" => json!({ "value": [{ "id": "t1", "displayName": "Sales", "description": null }] }),
            "teams/t1/channels" => json!({ "value": [{ "id": "c1", "displayName": "General", "membershipType": "standard" }] }),
            _ => json!({ "value": [last] }),
        })
    });
    let chats = desk.done("chats_list", &json!({})).await;
    assert_eq!(
        chats["chats"],
        json!([{ "id": "19:abc@thread.v2", "type": "oneOnOne", "members": ["Grace <g@x.y>"],
                 "last": { "at": "2026-11-27T09:00:00Z", "from": "Grace", "preview": "Hi Ada" } }])
    );
    let chat = desk.done("chat_read", &json!({ "chat": "19:abc@thread.v2" })).await;
    assert!(chat["messages"][0]["body"].as_str().is_some_and(|body| body.contains("\nHi Ada\n")));
    assert!(desk.graph.asked()[1].line.starts_with("/v1.0/chats/19%3Aabc%40thread.v2/messages?"));
    assert_eq!(desk.done("channels_list", &json!({})).await["teams"], json!([{ "id": "t1", "name": "Sales" }]));
    let channels = desk.done("channels_list", &json!({ "team": "t1" })).await;
    assert_eq!(channels["channels"], json!([{ "id": "c1", "name": "General", "type": "standard" }]));
    let posts = desk.done("channel_read", &json!({ "team": "t1", "channel": "c1" })).await;
    let replies = posts["messages"][0]["replies"].as_array().expect("replies");
    assert_eq!((replies.len(), &replies[4]["id"], &posts["messages"][0]["reply_count"]), (5, &json!("r6"), &json!(7)));
    assert_eq!(
        desk.graph.calls(),
        [
            "GET me/chats",
            "GET chats/19%3Aabc%40thread.v2/messages",
            "GET me/joinedTeams",
            "GET teams/t1/channels",
            "GET teams/t1/channels/c1/messages"
        ]
    );
}
