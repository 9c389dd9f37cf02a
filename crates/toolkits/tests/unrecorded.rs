//! A call that was made is told as it ended, whatever becomes of its record.
#![allow(clippy::expect_used, reason = "tests")]

use atthene_core::activity::{ActivityFilter, Kind};
use atthene_core::{Error, SecretChange};
use atthene_store::DATABASE_FILE;
use atthene_test_support::world::World;
use atthene_toolkits::{GraphRequest, call_graph, hand_out};
use http::{Response, StatusCode};

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_was_sent_is_no_error_where_it_could_not_be_recorded() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect_with_leave("ada").await;
    let call = async || {
        let key = atthene_core::keys::KeyId("AAAAAAAAAA".into());
        let request = GraphRequest {
            method: http::Method::POST,
            path: "/v1.0/me/sendMail".into(),
            key,
            may_repeat: false,
            has_yes: false,
            by_tool: false,
        };
        let program = std::future::ready("a test".to_owned());
        call_graph(&world.core, &id, request, program, async |_| Ok::<_, Error>(Response::new(())))
            .await
            .map(|answer| answer.status())
    };
    let recorded = || {
        let filter = ActivityFilter { kinds: vec![Kind::GraphCall], ..ActivityFilter::default() };
        world.core.activity.page(&filter, None).expect("reads").rows.len()
    };
    assert_eq!(call().await.expect("sends"), StatusCode::OK);
    assert_eq!(recorded(), 1);
    // As on a full disk: nothing can be written down.
    rusqlite::Connection::open(world.machine.dir.path().join(DATABASE_FILE))
        .and_then(|db| {
            db.execute_batch("CREATE TRIGGER full BEFORE INSERT ON activity BEGIN SELECT RAISE(ABORT, 'full'); END")
        })
        .expect("breaks");
    assert_eq!(call().await.expect("it was sent"), StatusCode::OK);
    assert_eq!(recorded(), 1);
    // A token that is not on record is not handed out.
    assert!(hand_out(&world.core, &id, None, std::future::ready("a test".to_owned())).await.is_err());
}
