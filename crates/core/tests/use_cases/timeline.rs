//! Who read Grace's mail: one account's part of the record, handed to somebody else.

use std::time::Duration;

use atthene_core::activity::{ActivityFilter, TimelineFilter, TimelineForm};
use atthene_core::connections::GraphCall;
use atthene_core::{Code, SecretChange, UnixMs};

use atthene_test_support::machine::Machine;
use atthene_test_support::raw_rows::RawRows;
use atthene_test_support::world::{World, open, rotates};

fn of(account: &str) -> TimelineFilter {
    TimelineFilter { account: account.into(), since: None, until: None }
}

/// Two people are connected; one had access, was read, was renewed and is gone.
async fn lived_in() -> World {
    let world = World::new(SecretChange::Keep).await;
    let ada = world.connect("ada").await;
    let grace = world.connect("grace").await;
    let core = &world.core;
    rotates(&world.authority);
    world.machine.step(58 * 60 * 1000);
    let fresh = core.connections.fresh(&grace).await.expect("access");
    core.connections.hand_over(&grace, &fresh, "order-bot", None).expect("records");
    for (id, status) in [(&grace, 200), (&grace, 404), (&ada, 200)] {
        let time = Duration::from_millis(12);
        let call =
            GraphCall { key: None, method: "GET", path: "/v1.0/me/messages", status, program: "order-bot", time };
        core.connections.graph_called(id, &call).expect("records");
    }
    core.connections.disconnect(&grace).await.expect("signs out");
    world
}

#[tokio::test]
async fn all_that_was_done_as_one_account_is_found_also_when_it_is_gone() {
    let world = lived_in().await;
    let core = &world.core;
    let account = "grace@contoso.com";
    for asked in [account, "GRACE@Contoso.COM"] {
        let timeline = core.activity.timeline(&of(asked), UnixMs(0)).expect("reads");
        let kinds: Vec<&str> = timeline.rows.iter().map(|row| row.kind.as_str()).collect();
        assert_eq!(kinds, ["sign_in", "refresh", "token_handed", "graph_call", "graph_call", "disconnected"]);
        assert!(timeline.record_sound && timeline.rows.iter().all(|row| row.detail["account"] == account));
    }
    let filter = |account: &str| ActivityFilter { account: Some(account.into()), ..ActivityFilter::default() };
    for nobody in ["grace", "%@contoso.com", "grace_contoso.com", "\"", ""] {
        assert_eq!(core.activity.page(&filter(nobody), None).expect("reads").rows.len(), 0, "{nobody:?}");
    }
    let early = TimelineFilter { until: Some(UnixMs(atthene_test_support::machine::START + 1)), ..of(account) };
    assert_eq!(core.activity.timeline(&early, UnixMs(0)).expect("reads").rows.len(), 1, "the sign-in");
}

#[tokio::test]
async fn a_signed_timeline_says_who_signed_it_and_bears_no_change() {
    let world = lived_in().await;
    let activity = &world.core.activity;
    let path = world.machine.dir.path().join("grace.json");
    let rows = activity.write_timeline(&of("grace@contoso.com"), TimelineForm::Signed, UnixMs(0), &path);
    assert_eq!(rows.expect("writes"), 6);
    let checked = activity.check_timeline(&path).expect("it is unchanged");
    assert!(checked.from_here && checked.timeline.rows.len() == 6);
    let another = Machine::new();
    let elsewhere = another.open().activity.check_timeline(&path).expect("it is unchanged there, too");
    assert!(!elsewhere.from_here && elsewhere.signed_by == checked.signed_by);
    // The same profile in another process signs alike.
    assert!(open(&world.machine, &world.vault).activity.check_timeline(&path).expect("unchanged").from_here);

    let text = std::fs::read_to_string(&path).expect("a file");
    let shorter = text.replacen("\"payload\":\"", "\"payload\":\"e30", 1);
    for bad in [shorter.as_str(), "{}", "", "no JSON"] {
        std::fs::write(&path, bad).expect("writes");
        assert_eq!(activity.check_timeline(&path).expect_err("refused").code(), Code::TimelineRefused, "{bad}");
    }
}

#[tokio::test]
async fn a_timeline_of_an_altered_record_says_so() {
    let world = lived_in().await;
    RawRows::of(world.machine.dir.path()).run("UPDATE activity SET detail = replace(detail, '404', '200')");
    let page = world.machine.dir.path().join("grace.html");
    let activity = &world.core.activity;
    activity.write_timeline(&of("grace@contoso.com"), TimelineForm::Page, UnixMs(0), &page).expect("writes");
    let page = std::fs::read_to_string(page).expect("a file");
    assert!(page.contains("The chain of hashes is broken") && page.contains("order-bot 2 (1 failed)"), "{page}");
}
