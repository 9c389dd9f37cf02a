//! What agents may do through a connection holds for Graph and the token alike.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use atthene_core::activity::{ActivityFilter, Kind};
use atthene_core::approvals::{ApprovalView, Yes};
use atthene_core::permissions::{GraphReach, Permission, Permissions};
use atthene_gateway::Limits;

use crate::connections::World;

fn code(answer: &crate::common::Answer) -> Option<String> {
    (answer.status != 200).then(|| answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn agents_read_with_a_new_connection_and_get_no_further() {
    let world = World::start();
    let id = world.connect_only("access-1");
    let call = |line: &str| {
        let (method, path) = line.split_once(' ').expect("two words");
        world.call(&format!("{method} /api/amas/connections/{}/{path}", id.as_str()), b"{}")
    };
    assert_eq!(code(&call("GET graph/v1.0/me/messages")), None);
    for line in [
        "POST token",
        "POST graph/v1.0/me/sendMail",
        "POST graph/v1.0/me/%73endMail",
        "POST graph/v1.0/me/microsoft.graph.sendMail",
        "POST graph/v1.0/me/messages/1/send",
        "POST graph/v1.0/$batch",
        "POST graph/v1.0/me/messages",
        "DELETE graph/v1.0/me/messages/1",
        "PUT graph/v1.0/me/drive/root:/a.txt:/content",
        "PROPFIND graph/v1.0/me",
    ] {
        assert_eq!(code(&call(line)).as_deref(), Some("not_permitted"), "{line}");
    }
    let told = call("POST graph/v1.0/me/sendMail").json();
    let detail = told["detail"].as_str().expect("a text");
    assert!(told["status"] == 403 && detail.contains("ada@contoso.com") && detail.contains("page Tools"), "{detail}");
}

#[test]
fn each_permission_opens_its_kind_of_act_and_no_other() {
    let world = World::start();
    let id = world.connect_only("access-1");
    let kinds = [
        ("GET", "graph/v1.0/me/messages"),
        ("POST", "graph/v1.0/me/messages"),
        ("POST", "graph/v1.0/me/sendMail"),
        ("DELETE", "graph/v1.0/me/messages/1"),
        ("POST", "token"),
        ("POST", "graph/v1.0/$batch"),
    ];
    let (allow, deny) = (Permission::Allow, Permission::Deny);
    let nothing =
        Permissions { read: allow, draft: deny, send: deny, delete: deny, graph: GraphReach::Granted, token: false };
    let given = [
        Permissions { read: allow, ..nothing },
        Permissions { draft: allow, ..nothing },
        Permissions { send: allow, ..nothing },
        Permissions { delete: allow, ..nothing },
        Permissions { token: true, ..nothing },
        Permissions::everything(),
    ];
    for (opened, permissions) in given.into_iter().enumerate() {
        world.permit(&id, permissions);
        for (at, (method, path)) in kinds.iter().enumerate() {
            let answer = world.call(&format!("{method} /api/amas/connections/{}/{path}", id.as_str()), b"{}");
            let passes = at == 0 || at == opened || permissions == Permissions::everything();
            assert_eq!(answer.status == 200, passes, "{permissions:?} {method} {path}: {}", answer.body);
        }
    }
    // What is changed is answered whole: who may not read changes nothing.
    world.permit(&id, Permissions { read: deny, ..Permissions::everything() });
    for (method, path) in kinds.iter().filter(|(_, path)| *path != "token") {
        let answer = world.call(&format!("{method} /api/amas/connections/{}/{path}", id.as_str()), b"{}");
        assert_eq!(code(&answer).as_deref(), Some("not_permitted"), "{method} {path}");
    }
    // Off is off, whatever else is allowed.
    world.permit(&id, Permissions { graph: GraphReach::Off, ..Permissions::everything() });
    let answer = world.call(&format!("GET /api/amas/connections/{}/graph/v1.0/me", id.as_str()), b"");
    assert_eq!(code(&answer).as_deref(), Some("not_permitted"));
}

/// Answers a first call on a connection that it keeps, and closes it with the second one in hand; takes any on others.
/// Counts calls of DELETE.
fn closes_with_a_call_in_hand(deletes: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let deletes = deletes.clone();
            std::thread::spawn(move || {
                let mut calls = 0;
                let mut part = [0; 8192];
                while let Ok(read @ 1..) = stream.read(&mut part) {
                    calls += 1;
                    deletes.fetch_add(usize::from(part[..read].starts_with(b"DELETE")), Ordering::Relaxed);
                    if calls > 1 {
                        return;
                    }
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
                    stream.write_all(answer).expect("answered");
                }
            });
        }
    });
    base
}

#[test]
fn what_a_person_allowed_once_is_sent_once_although_its_connection_breaks() {
    let deletes = Arc::<AtomicUsize>::default();
    let limits = Limits { approval_time: Duration::from_millis(50), ..Limits::default() };
    let world = World::at_graph(limits, &closes_with_a_call_in_hand(deletes.clone()));
    let id = world.connect_only("access-1");
    world.permit(&id, Permissions { graph: GraphReach::Granted, ..Permissions::default() });
    let call = |line: &str| world.call(&line.replace("ID", id.as_str()), b"");
    let delete = "DELETE /api/amas/connections/ID/graph/v1.0/me/messages/1";
    assert_eq!(call(delete).code(), "approval_waiting");
    let one = world.running.core.approvals.waiting().expect("lists").pop().expect("a question");
    world.running.core.approvals.approve(&one.id, &Yes::default()).expect("says yes");
    // Its connection is kept.
    assert_eq!(call("GET /api/amas/connections/ID/graph/v1.0/me").status, 200);
    assert_eq!((call(delete).status, deletes.load(Ordering::Relaxed)), (502, 1));
    // Whether it is gone, nobody knows; a mail that lies in the bin would be purged by a second one.
    assert_eq!(call(delete).code(), "outcome_unknown");
    assert_eq!(deletes.load(Ordering::Relaxed), 1);
}

/// A mailbox that a person is asked about before something leaves it.
struct Asked {
    world: World,
    id: String,
}

impl Asked {
    fn with(approval_time: Duration) -> Self {
        let world = World::with(Limits { approval_time, ..Limits::default() });
        let id = world.connect_only("access-1");
        world.permit(&id, Permissions { graph: GraphReach::Granted, ..Permissions::default() });
        Self { id: id.as_str().to_owned(), world }
    }

    fn send(&self, body: &str) -> crate::common::Answer {
        self.world.call(&format!("POST /api/amas/connections/{}/graph/v1.0/me/sendMail", self.id), body.as_bytes())
    }

    fn waiting(&self) -> Vec<ApprovalView> {
        self.world.running.core.approvals.waiting().expect("lists")
    }

    /// Calls that went to Graph.
    fn sent(&self) -> usize {
        let filter = ActivityFilter { kinds: vec![Kind::GraphCall], ..ActivityFilter::default() };
        self.world.running.core.activity.page(&filter, None).expect("reads").rows.len()
    }
}

const MAIL: &str = r#"{"message":{"subject":"Offer","body":{"contentType":"Text","content":"Hello"},
    "toRecipients":[{"emailAddress":{"address":"grace@contoso.com"}}]}}"#;

#[test]
fn a_mail_through_graph_waits_for_a_person_and_is_sent_once() {
    let asked = Asked::with(Duration::from_secs(20));
    let answer = std::thread::scope(|scope| {
        let call = scope.spawn(|| asked.send(MAIL));
        let one = crate::common::eventually("the question", || asked.waiting().pop());
        let shown = one.shown.expect("shown");
        assert_eq!((shown.recipients, shown.subject.as_str()), (vec!["grace@contoso.com".to_owned()], "Offer"));
        assert_eq!((shown.body.as_str(), one.account.as_str()), (MAIL, "ada@contoso.com"));
        assert_eq!(asked.sent(), 0, "nothing left before the answer");
        asked.world.running.core.approvals.approve(&one.id, &Yes::default()).expect("says yes");
        call.join().expect("no panic")
    });
    assert_eq!((answer.status, asked.sent()), (200, 1), "{}", answer.body);
    assert!(answer.json()["line"].as_str().expect("what Graph got").starts_with("POST /v1.0/me/sendMail"));
    let again = asked.send(MAIL);
    assert!(again.status == 200 && again.head.contains("x-atthene-repeated: true"), "{}", again.head);
    assert_eq!(asked.sent(), 1, "a repeat is told what came of the first");
}

#[test]
fn what_nobody_allows_is_not_sent_and_whatever_differs_is_asked_about() {
    let asked = Asked::with(Duration::from_millis(50));
    let waits = asked.send(MAIL);
    assert_eq!((waits.status, waits.code().as_str()), (409, "approval_waiting"));
    assert!(waits.head.contains("retry-after: 5"), "{}", waits.head);
    assert_eq!((asked.send(MAIL).code().as_str(), asked.waiting().len()), ("approval_waiting", 1));
    let other = MAIL.replace("grace", "eve");
    assert_eq!(asked.send(&other).code(), "approval_waiting");
    let [first, second] = &asked.waiting()[..] else { panic!("two questions") };
    let approvals = &asked.world.running.core.approvals;
    approvals.deny(&second.id).expect("says no");
    assert_eq!(asked.send(&other).code(), "approval_denied");
    approvals.approve(&first.id, &Yes::default()).expect("says yes");
    // Taken away before it is used.
    let id = atthene_core::connections::ConnectionId::try_from(asked.id.as_str()).expect("an id");
    asked
        .world
        .permit(&id, Permissions { send: Permission::Deny, graph: GraphReach::Granted, ..Permissions::default() });
    assert_eq!(asked.send(MAIL).code(), "not_permitted");
    assert_eq!(asked.sent(), 0);
}

#[test]
fn what_can_not_be_shown_can_not_be_allowed() {
    let asked = Asked::with(Duration::from_millis(50));
    let line = format!("POST /api/amas/connections/{}/graph/v1.0/me/sendMail", asked.id);
    assert_eq!(asked.world.call(&line, b"\xff\xfe").code(), "bad_request");
    assert_eq!(asked.send(&MAIL.replace("Hello", "Hello \u{202e}olleH")).code(), "bad_request");
    assert_eq!(asked.send(&"x".repeat(300 * 1024)).code(), "body_too_large");
    let twice = MAIL.replacen(r#""message""#, r#""message":{"toRecipients":[]},"message""#, 1);
    assert_eq!(asked.send(&twice).code(), "bad_request");
    assert!(asked.waiting().is_empty());
    // Another form of the same bytes is another mail.
    assert_eq!(asked.send(MAIL).code(), "approval_waiting");
    let head =
        format!("{line} HTTP/1.1\r\nauthorization: Bearer {}\r\ncontent-type: text/plain", asked.world.key.expose());
    assert_eq!(asked.world.running.send(&head, MAIL.as_bytes()).code(), "approval_waiting");
    assert_eq!((asked.waiting().len(), asked.sent()), (2, 0));
}

#[test]
fn what_lies_in_the_mailbox_is_not_sent_by_graph_where_a_person_is_asked() {
    let asked = Asked::with(Duration::from_millis(50));
    for path in
        ["me/messages/1/send", "me/messages/1/%73end", "me/messages/1/microsoft.graph.reply", "me/messages/1/forward"]
    {
        let answer = asked.world.call(&format!("POST /api/amas/connections/{}/graph/v1.0/{path}", asked.id), b"{}");
        assert_eq!(code(&answer).as_deref(), Some("not_permitted"), "{path}");
    }
    assert!(asked.waiting().is_empty());
    // Where a mail is moved to may be out of sight: a person sees it.
    let moved = format!("POST /api/amas/connections/{}/graph/v1.0/me/messages/1/move", asked.id);
    let answer = asked.world.call(&moved, br#"{"destinationId":"recoverableitemsdeletions"}"#);
    assert_eq!((code(&answer).as_deref(), asked.waiting().len()), (Some("approval_waiting"), 1));
    assert_eq!(asked.sent(), 0);
}
