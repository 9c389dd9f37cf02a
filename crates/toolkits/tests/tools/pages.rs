//! Lists by pages: nothing is lost, nothing comes twice, and access goes to no other host.

use std::sync::OnceLock;

use atthene_test_support::graph::{Answer, Asked, found};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::Desk;

/// Graph with pages of these sizes.
fn pages(base: &str, sizes: Vec<usize>) -> impl FnMut(&Asked) -> Answer + Send + 'static {
    let base = base.to_owned();
    move |asked| {
        let at: usize = asked.path.rsplit_once("at=").map_or(0, |(_, at)| at.parse().expect("a page"));
        let before: usize = sizes[..at].iter().sum();
        let rows: Vec<Value> = (before..before + sizes[at]).map(|n| json!({ "id": format!("m{n}") })).collect();
        let mut page = json!({ "value": rows });
        if at + 1 < sizes.len() {
            page["@odata.nextLink"] = format!("{base}/v1.0/me/messages?$skiptoken=x&at={}", at + 1).into();
        }
        found(&page)
    }
}

/// All ids, and how many answers they came in.
async fn walk(desk: &Desk, limit: usize) -> (Vec<String>, usize) {
    let (mut ids, mut answers, mut cursor) = (Vec::new(), 0, Value::Null);
    loop {
        let answer = desk.done("mail_search", &json!({ "limit": limit, "cursor": cursor })).await;
        answers += 1;
        let mails = answer["mails"].as_array().expect("mails");
        assert!(mails.len() <= limit);
        ids.extend(mails.iter().map(|mail| mail["id"].as_str().expect("an id").to_owned()));
        assert_eq!(answer["more"], answer.get("next").is_some());
        match answer.get("next") {
            Some(next) => cursor = next.clone(),
            None => return (ids, answers),
        }
        assert!(answers < 500, "no end");
    }
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("m{n}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_rows_come_once_each() {
    let desk = Desk::new().await;
    desk.graph.says(pages(&desk.graph.base, vec![60]));
    assert_eq!(walk(&desk, 25).await, (numbered(60), 3));
    desk.graph.says(pages(&desk.graph.base, vec![25, 25, 10]));
    assert_eq!(walk(&desk, 25).await, (numbered(60), 3));
    assert!(desk.graph.asked().iter().all(|asked| asked.headers["prefer"].contains("ImmutableId")), "on each page");
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_pages_are_passed_over() {
    let desk = Desk::new().await;
    desk.graph.says(pages(&desk.graph.base, vec![0, 0, 3]));
    assert_eq!(walk(&desk, 10).await, (numbered(3), 1));
    desk.graph.says(pages(&desk.graph.base, [vec![0; 20], vec![2]].concat()));
    let (ids, answers) = walk(&desk, 10).await;
    assert_eq!((ids, answers), (numbered(2), 4), "an answer ends, too");
    let base = desk.graph.base.clone();
    desk.graph.says(move |asked| found(&json!({ "value": [], "@odata.nextLink": format!("{base}{}", asked.line) })));
    walk(&desk, 10).await;
}

/// One desk for all cases: it takes long to set up.
fn shared() -> &'static (tokio::runtime::Runtime, Desk) {
    static SHARED: OnceLock<(tokio::runtime::Runtime, Desk)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let desk = runtime.block_on(Desk::new());
        (runtime, desk)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn whatever_the_pages_hold_no_row_is_lost(sizes in prop::collection::vec(0usize..40, 1..8), limit in 1usize..=25) {
        let (runtime, desk) = shared();
        let count: usize = sizes.iter().sum();
        desk.graph.says(pages(&desk.graph.base, sizes));
        let (ids, _) = runtime.block_on(walk(desk, limit));
        prop_assert_eq!(ids, numbered(count));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn access_is_not_sent_along_links_to_elsewhere() {
    let desk = Desk::new().await;
    let base = desk.graph.base.clone();
    for link in [
        json!("https://evil.example/v1.0/me/messages"),
        json!(format!("{base}@evil.example/v1.0/me/messages")),
        json!(format!("{base}.evil.example/v1.0/me/messages")),
        json!(format!("{base}/beta/me/messages")),
        json!(format!("{base}/v1.0\\@evil.example/")),
        json!("/v1.0/me/messages"),
        json!(7),
    ] {
        let next = link.clone();
        desk.graph.says(move |_| found(&json!({ "value": [], "@odata.nextLink": next })));
        let words = desk.fails("mail_search", &json!({})).await;
        assert!(words.contains("leads away from Microsoft Graph"), "{link}: {words}");
        assert_eq!(desk.graph.asked().len(), 1, "{link}");
    }
    // At Graph, but more than looking.
    for path in ["shares/u!x/driveItem", "me/../shares/x", "me/%2e%2e/shares/x", "../beta/me"] {
        let next = format!("{base}/v1.0/{path}");
        desk.graph.says(move |_| found(&json!({ "value": [], "@odata.nextLink": next })));
        assert!(desk.fails("mail_search", &json!({})).await.contains("more than it may"), "{path}");
        assert_eq!(desk.graph.asked().len(), 1, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_taken_as_it_was_given_only() {
    let desk = Desk::new().await;
    desk.graph.says(pages(&desk.graph.base, vec![30]));
    let next = desk.done("mail_search", &json!({})).await["next"].as_str().expect("more").to_owned();
    let bytes = URL_SAFE_NO_PAD.decode(&next).expect("base64");
    let forged = |link: &str| {
        let body =
            json!({ "connection": desk.outlook.as_str(), "tool": "mail_search ", "link": link, "skip": 0 }).to_string();
        URL_SAFE_NO_PAD.encode([&bytes[..32], body.as_bytes()].concat())
    };
    let mut flipped = bytes.clone();
    flipped[40] ^= 1;
    let asked = desk.graph.asked().len();
    for cursor in [
        forged("me/drive/root/children"),
        forged("https://evil.example/"),
        URL_SAFE_NO_PAD.encode(flipped),
        URL_SAFE_NO_PAD.encode(&bytes[..20]),
        String::new(),
        "x".repeat(100_000),
    ] {
        let words = desk.fails("mail_search", &json!({ "cursor": cursor })).await;
        assert!(words.contains("Begin again without cursor"), "{words}");
    }
    // Of another tool, and of another account.
    desk.fails("calendar_list", &json!({ "cursor": next })).await;
    let second = desk.world.connect_for(atthene_core::connections::Toolkit::Outlook, "grace", crate::OUTLOOK).await;
    desk.fails("mail_search", &json!({ "cursor": next, "connection": second.as_str() })).await;
    assert_eq!(desk.graph.asked().len(), asked);
    let first = json!({ "cursor": next, "connection": desk.outlook.as_str(), "limit": 25 });
    assert_eq!(desk.done("mail_search", &first).await["mails"].as_array().map(Vec::len), Some(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_one_chat_opens_no_other() {
    let desk = Desk::new().await;
    desk.graph.says(pages(&desk.graph.base, vec![30]));
    let next = desk.done("chat_read", &json!({ "chat": "a" })).await["next"].clone();
    assert!(desk.fails("chat_read", &json!({ "chat": "b", "cursor": next })).await.contains("Begin again"));
    desk.done("chat_read", &json!({ "chat": "a", "cursor": next })).await;
}
