//! While everything is stopped, no access leaves, whoever asks for it.
#![allow(clippy::expect_used, reason = "tests")]

use atthene_core::activity::{ActivityFilter, Kind};
use atthene_core::{Code, SecretChange};
use atthene_test_support::world::World;
use atthene_toolkits::{hand_out, probe};

#[tokio::test(flavor = "multi_thread")]
async fn while_everything_is_stopped_no_access_leaves_and_there_is_no_receipt() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect_with_leave("ada").await;
    let core = &world.core;
    let program = || std::future::ready("a test".to_owned());
    let receipts = || {
        let filter = ActivityFilter { kinds: vec![Kind::TokenHanded], ..ActivityFilter::default() };
        core.activity.page(&filter, None).expect("reads").rows.len()
    };
    hand_out(core, &id, None, program()).await.map(drop).expect("access");
    assert_eq!(receipts(), 1);
    core.stop_everything().expect("stops");
    assert_eq!(hand_out(core, &id, None, program()).await.map(drop).expect_err("stopped").code(), Code::Stopped);
    assert_eq!(probe(core, &id).await.expect_err("stopped").code(), Code::Stopped);
    assert_eq!(receipts(), 1);
    core.resume().expect("goes on");
    hand_out(core, &id, None, program()).await.map(drop).expect("access");
    assert_eq!(receipts(), 2);
}
