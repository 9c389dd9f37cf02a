//! What can't be taken back: allowed by a person, done once, whatever goes wrong on the way.

use std::time::Duration;

use atthene_core::Error;
use atthene_core::activity::{ActOutcome, ActivityFilter, Kind};
use atthene_core::approvals::{ApprovalView, AskedAct, Edit, Shown, Yes};
use atthene_core::keys::KeyId;
use atthene_core::permissions::{Act, Leave, Permission, Permissions};
use atthene_test_support::graph::{Answer, Asked, found, refused};
use atthene_toolkits::tools::ToolError;
use atthene_toolkits::{Did, WorkEnd, once};
use serde_json::{Value, json};

use crate::Desk;

fn empty(status: u16) -> Answer {
    (status, String::new(), String::new())
}

fn is_sent(asked: &Asked) -> bool {
    asked.path == "me/sendMail" || asked.path.ends_with("/reply")
}

/// A mailbox that takes what is sent.
fn mailbox(asked: &Asked) -> Answer {
    match asked.method.as_str() {
        "POST" if is_sent(asked) => empty(202),
        _ => found(&json!({
            "subject": "Offer", "from": { "emailAddress": { "address": "grace@contoso.com" } },
            "replyTo": [{ "emailAddress": { "address": "elsewhere@contoso.com" } }],
        })),
    }
}

impl Desk {
    fn permit(&self, permissions: Permissions) {
        self.world.core.connections.set_permissions(&self.outlook, permissions).expect("permits");
    }

    fn waiting(&self) -> Vec<ApprovalView> {
        self.world.core.approvals.waiting().expect("lists")
    }

    fn sent(&self) -> usize {
        self.graph.asked().iter().filter(|asked| is_sent(asked)).count()
    }
}

fn mail() -> Value {
    json!({ "to": ["grace@contoso.com"], "subject": "Offer", "body": "Hello" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_waits_for_a_person_and_is_sent_once() {
    let desk = Desk::new().await;
    desk.graph.says(mailbox);
    let refused = desk.call("mail_send", &mail()).await.expect_err("waits");
    assert!(matches!(refused, ToolError::Waiting(_)), "{refused}");
    assert!(desk.graph.asked().is_empty(), "nothing at all");
    let one = desk.waiting().pop().expect("a question");
    let shown = one.shown.expect("shown");
    assert_eq!(
        (shown.recipients, shown.subject.as_str(), shown.body.as_str()),
        (vec!["grace@contoso.com".to_owned()], "Offer", "Hello")
    );
    desk.world.core.approvals.approve(&one.id, &Yes::default()).expect("says yes");
    // Anything else is another mail.
    for other in [
        json!({ "to": ["eve@evil.example"], "subject": "Offer", "body": "Hello" }),
        json!({ "to": ["grace@contoso.com"], "bcc": ["eve@evil.example"], "subject": "Offer", "body": "Hello" }),
        json!({ "to": ["grace@contoso.com"], "subject": "Offer", "body": "Hello " }),
    ] {
        assert!(matches!(desk.call("mail_send", &other).await, Err(ToolError::Waiting(_))), "{other}");
    }
    let sent = desk.done("mail_send", &mail()).await;
    assert_eq!((sent["sent"].as_bool(), desk.sent()), (Some(true), 1));
    let again = desk.done("mail_send", &mail()).await;
    assert_eq!((again["repeated"].as_bool(), desk.sent()), (Some(true), 1), "a repeat is told what came of the first");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_wrote_instead_is_sent_and_nothing_else() {
    let desk = Desk::new().await;
    desk.graph.says(mailbox);
    let bodies = || {
        let sent = desk.graph.asked().into_iter().filter(is_sent);
        sent.map(|asked| asked.body.to_string()).collect::<Vec<_>>()
    };
    let instead = |subject: Option<&str>, body: &str| Yes {
        edit: Edit { subject: subject.map(str::to_owned), body: Some(body.to_owned()) },
        ..Yes::default()
    };
    assert!(matches!(desk.call("mail_send", &mail()).await, Err(ToolError::Waiting(_))));
    let one = desk.waiting().pop().expect("a question");
    desk.world.core.approvals.approve(&one.id, &instead(Some("Our offer"), "Dear Grace")).expect("says yes");
    let sent = desk.done("mail_send", &mail()).await;
    assert_eq!((sent["edited"].as_bool(), sent["subject"].as_str()), (Some(true), Some("Our offer")), "{sent}");
    let again = desk.done("mail_send", &mail()).await;
    assert_eq!((again["edited"].as_bool(), again["repeated"].as_bool()), (Some(true), Some(true)), "{again}");
    let [mail] = &bodies()[..] else { panic!("one mail") };
    assert!(mail.contains("Dear Grace") && mail.contains("Our offer") && !mail.contains("Hello"), "{mail}");
    // The subject of an answer is the mail's.
    let reply = json!({ "id": "m1", "body": "Yes" });
    assert!(matches!(desk.call("mail_reply", &reply).await, Err(ToolError::Waiting(_))));
    let one = desk.waiting().pop().expect("a question");
    let refused = desk.world.core.approvals.approve(&one.id, &instead(Some("Other"), "No"));
    assert_eq!(refused.expect_err("not the subject").code(), atthene_core::Code::EditRefused);
    desk.world.core.approvals.approve(&one.id, &instead(None, "No")).expect("says yes");
    desk.done("mail_reply", &reply).await;
    assert!(bodies()[1].contains("No") && !bodies()[1].contains("Yes"), "{:?}", bodies());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_sending_is_allowed_it_is_sent_once_all_the_same() {
    let desk = Desk::new().await;
    desk.permit(Permissions { send: Permission::Allow, ..Permissions::default() });
    desk.graph.says(mailbox);
    for _ in 0..3 {
        desk.done("mail_send", &mail()).await;
    }
    assert_eq!(desk.sent(), 1);
    // Two at once.
    let other = json!({ "to": ["grace@contoso.com"], "subject": "Two", "body": "at once" });
    let call = || desk.call_for(Duration::from_secs(10), "mail_send", &other);
    let (one, two) = tokio::join!(call(), call());
    let told = [one, two].map(|answer| answer.expect("both are told").structured);
    assert_eq!(desk.sent(), 2);
    assert_eq!(told.iter().filter(|answer| answer["repeated"] == true).count(), 1, "{told:?}");
    desk.permit(Permissions { send: Permission::Deny, ..Permissions::default() });
    assert!(desk.fails("mail_send", &mail()).await.contains("Agents may not send"));
    assert_eq!(desk.sent(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_sent_is_not_sent_again() {
    let desk = Desk::new().await;
    desk.permit(Permissions { send: Permission::Allow, ..Permissions::default() });
    // The answer of the last step is lost, or says nothing certain.
    desk.graph.says(|asked| if is_sent(asked) { refused(504, "Timeout") } else { mailbox(asked) });
    desk.fails("mail_send", &mail()).await;
    desk.graph.says(mailbox);
    assert!(matches!(desk.call("mail_send", &mail()).await, Err(ToolError::Begun)));
    assert_eq!(desk.sent(), 0);
    // What Graph refused had no effect.
    let other = json!({ "to": ["grace@contoso.com"], "subject": "Other", "body": "Hello" });
    desk.graph.says(|asked| if is_sent(asked) { refused(403, "ErrorAccessDenied") } else { mailbox(asked) });
    desk.fails("mail_send", &other).await;
    desk.graph.says(mailbox);
    desk.done("mail_send", &other).await;
    assert_eq!(desk.sent(), 1);
}

/// What the record says of acts that are done once only, the latest first.
fn acts(desk: &Desk) -> Vec<String> {
    let filter = ActivityFilter { kinds: vec![Kind::ActPerformed], ..ActivityFilter::default() };
    let rows = desk.world.core.activity.page(&filter, None).expect("reads").rows;
    rows.into_iter().map(|row| format!("{} {} {}", row.detail["tool"], row.detail["account"], row.outcome)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_whose_caller_hangs_up_is_on_record_once() {
    let desk = Desk::new().await;
    desk.permit(Permissions { send: Permission::Allow, ..Permissions::default() });
    let (sends, mut sent) = tokio::sync::mpsc::unbounded_channel();
    let (go_on, waits) = std::sync::mpsc::channel::<()>();
    desk.graph.says(move |asked| {
        if is_sent(asked) {
            let _ = sends.send(());
            let _ = waits.recv();
        }
        mailbox(asked)
    });
    let asked = mail();
    tokio::select! {
        answer = desk.call("mail_send", &asked) => panic!("{answer:?}"),
        _ = sent.recv() => {}
    }
    desk.world.core.finish_begun().await;
    drop(go_on);
    assert_eq!(acts(&desk), ["\"mail_send\" \"ada@contoso.com\" unknown"]);
    assert!(matches!(desk.call("mail_send", &mail()).await, Err(ToolError::Begun)));
    // The next start finds nothing that is not on record.
    desk.world.core.approvals.give_up_left_over().expect("looks");
    assert_eq!(acts(&desk).len(), 1);
    // An answer that tells nothing certain is the same.
    desk.graph.says(|asked| if is_sent(asked) { refused(504, "Timeout") } else { mailbox(asked) });
    let other = json!({ "to": ["grace@contoso.com"], "subject": "Other", "body": "Hello" });
    desk.fails("mail_send", &other).await;
    desk.world.core.finish_begun().await;
    assert_eq!(acts(&desk).len(), 2, "{:?}", acts(&desk));
    desk.graph.says(mailbox);
    desk.done("mail_send", &json!({ "to": ["grace@contoso.com"], "subject": "Third", "body": "Hello" })).await;
    assert!(acts(&desk)[0].ends_with("done") && acts(&desk).len() == 3, "one entry where it ends: {:?}", acts(&desk));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_before_anything_was_done_has_done_nothing() {
    let desk = Desk::new().await;
    let core = desk.world.core.clone();
    let asked = || AskedAct {
        connection: desk.outlook.clone(),
        account: "ada@contoso.example".into(),
        act: Act::Send,
        tool: "mail_send".into(),
        program: "a test".into(),
        key: KeyId("AAAAAAAAAA".into()),
        shown: Shown::default(),
        digest: [7; 32],
    };
    let work = async |_: Option<Shown>| WorkEnd::<(), Error>::Done((), json!({}));
    let mut changes = core.changes().subscribe();
    {
        let mut call = std::pin::pin!(once(&core, asked(), Leave::Given, Duration::ZERO, work));
        // It has asked for its claim, and is gone before it is told.
        assert!(std::future::poll_fn(|context| std::task::Poll::Ready(call.as_mut().poll(context))).await.is_pending());
    }
    while !acts(&desk).iter().any(|act| act.ends_with("failed")) {
        changes.recv().await.expect("a change");
    }
    assert!(matches!(once(&core, asked(), Leave::Given, Duration::ZERO, work).await, Ok(Did::Now(()))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_where_an_answer_leads_and_what_is_answered() {
    let desk = Desk::new().await;
    desk.graph.says(mailbox);
    let reply = json!({ "id": "m1", "body": "Yes" });
    assert!(matches!(desk.call("mail_reply", &reply).await, Err(ToolError::Waiting(_))));
    let one = desk.waiting().pop().expect("a question");
    let shown = one.shown.expect("shown");
    assert_eq!((shown.recipients, shown.subject.as_str()), (vec!["elsewhere@contoso.com".to_owned()], "Re: Offer"));
    desk.world.core.approvals.approve(&one.id, &Yes::default()).expect("says yes");
    // Where it leads has changed since.
    desk.graph.says(|asked| {
        if asked.method == "GET" {
            return found(
                &json!({ "subject": "Offer", "from": { "emailAddress": { "address": "eve@evil.example" } } }),
            );
        }
        mailbox(asked)
    });
    assert!(matches!(desk.call("mail_reply", &reply).await, Err(ToolError::Waiting(_))));
    assert_eq!(desk.sent(), 0);
    desk.graph.says(mailbox);
    desk.done("mail_reply", &reply).await;
    assert_eq!(desk.sent(), 1);
    let sent = desk.graph.asked().pop().expect("an answer");
    assert_eq!(sent.body["message"]["toRecipients"][0]["emailAddress"]["address"], "elsewhere@contoso.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_posts_go_the_same_way() {
    let desk = Desk::new().await;
    desk.permit(Permissions { send: Permission::Allow, ..Permissions::default() });
    desk.graph.says(|asked| {
        if asked.method == "POST" {
            return (201, String::new(), json!({ "id": "e1", "subject": asked.body["subject"] }).to_string());
        }
        found(&json!({ "subject": "Team", "topic": "Team", "displayName": "General", "members": [{ "displayName": "Grace" }],
            "organizer": { "emailAddress": { "address": "grace@contoso.com" } }, "start": { "dateTime": "2026-12-01T10:00:00" } }))
    });
    let event = json!({
        "subject": "Talk", "from": "2026-12-01T10:00:00Z", "to": "2026-12-01T11:00:00Z", "attendees": ["grace@contoso.com"],
    });
    desk.done("event_create", &event).await;
    let made = desk.graph.asked().pop().expect("a call");
    assert!(made.body["transactionId"].as_str().is_some_and(|name| name.len() == 32), "{}", made.body);
    desk.done("event_create", &event).await;
    desk.done("event_respond", &json!({ "id": "e1", "answer": "accept" })).await;
    let posts = desk.graph.asked().iter().filter(|asked| asked.method == "POST").count();
    assert_eq!(posts, 2);
    assert!(
        desk.fails(
            "event_create",
            &json!({ "subject": "s", "from": "2026-12-01T10:00:00Z", "to": "2026-12-01T09:00:00Z" })
        )
        .await
        .contains("end after")
    );
    // The account of Teams was permitted nothing more: a person is asked.
    let post = json!({ "chat": "19:a@thread.v2", "text": "Hello" });
    assert!(matches!(desk.call("chat_send", &post).await, Err(ToolError::Waiting(_))));
    assert_eq!(desk.waiting()[0].shown.as_ref().expect("shown").recipients, ["Grace"]);
    let post = json!({ "team": "t1", "channel": "19:c@thread.tacv2", "text": "Hello" });
    assert!(matches!(desk.call("channel_send", &post).await, Err(ToolError::Waiting(_))));
    assert_eq!(desk.waiting().len(), 2);
    let more = &desk.waiting()[1].shown.clone().expect("shown").more;
    assert!(more.iter().any(|(name, value)| name == "Team" && value.contains("(t1)")), "{more:?}");
    let odd = json!({ "chat": "19:a@thread.v2", "text": "Hello \u{202e}olleH" });
    assert!(
        matches!(desk.call("chat_send", &odd).await, Err(ToolError::Arguments(_))),
        "what hides is not asked about"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_could_not_see_or_what_can_not_be_done_is_not_asked() {
    let desk = Desk::new().await;
    desk.graph.says(mailbox);
    for (field, value) in [
        ("subject", json!("Thanks\u{e0041}")),
        ("body", json!("Hello \u{202e}olleH")),
        ("to", json!(["grace\u{2066}@contoso.com"])),
        ("body", json!("x".repeat(100_001))),
        ("subject", json!("x".repeat(256))),
        ("importance", json!("high")),
    ] {
        let mut odd = mail();
        odd[field] = value;
        assert!(matches!(desk.call("mail_send", &odd).await, Err(ToolError::Arguments(_))), "{field}");
    }
    desk.permit(Permissions { draft: Permission::Ask, ..Permissions::default() });
    let odd = json!({ "body": "Hello", "From administrator": "allowed" });
    assert!(matches!(desk.call("mail_draft", &odd).await, Err(ToolError::Arguments(_))));
    assert!(desk.waiting().is_empty());
    // Who may not read is not told by another tool either.
    desk.permit(Permissions { read: Permission::Deny, send: Permission::Allow, ..Permissions::default() });
    assert!(desk.fails("mail_reply", &json!({ "id": "m1", "body": "Yes" })).await.contains("Agents may not read"));
    assert!(desk.graph.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_may_be_asked_about_too_and_is_not_kept() {
    let desk = Desk::new().await;
    desk.permit(Permissions { read: Permission::Ask, ..Permissions::default() });
    desk.graph.says(|_| found(&json!({ "value": [] })));
    for _ in 0..2 {
        assert!(matches!(desk.call("mail_search", &json!({ "query": "offer" })).await, Err(ToolError::Waiting(_))));
        let one = desk.waiting().pop().expect("a question");
        assert_eq!(one.shown.expect("shown").more, [("query".to_owned(), "offer".to_owned())]);
        desk.world.core.approvals.approve(&one.id, &Yes::default()).expect("says yes");
        desk.done("mail_search", &json!({ "query": "offer" })).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_while_the_act_is_claimed_keeps_nobody_waiting() {
    let desk = Desk::new().await;
    desk.graph.says(mailbox);
    desk.permit(Permissions { send: Permission::Allow, ..Permissions::default() });
    let file = desk.world.machine.dir.path().join(atthene_store::DATABASE_FILE);
    let mut db = rusqlite::Connection::open(file).expect("opens");
    let held = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).expect("is not written just now");
    // It waits to write the claim down when its caller is gone.
    assert!(tokio::time::timeout(Duration::from_millis(300), desk.call("mail_send", &mail())).await.is_err());
    drop(held);
    let claimed = async {
        while desk.world.core.approvals.list().expect("lists").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), claimed).await.expect("it is claimed");
    let same = mail();
    let again =
        tokio::time::timeout(Duration::from_secs(10), desk.call_for(Duration::from_mins(10), "mail_send", &same));
    let told = again.await.expect("nobody does it, so nobody waits for it").expect("nothing was done before");
    assert!(told.structured["sent"] == true && told.structured["repeated"].is_null(), "{told:?}");
    assert_eq!(desk.sent(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_finds_no_connection_is_on_record_too() {
    let desk = Desk::new().await;
    let other = json!({ "connection": "outlook-aaaaaaaa" });
    desk.fails("mail_search", &other).await;
    let rows = desk.record();
    assert_eq!(
        (rows.len(), rows[0].outcome.as_str(), rows[0].subject.as_str()),
        (1, ActOutcome::Failed.as_str(), "outlook")
    );
    let detail = &rows[0].detail;
    assert!(detail["tool"] == "mail_search" && !detail.to_string().contains("outlook-aaaaaaaa"), "{detail}");
}
