//! Who shares a profile.

use std::time::Duration;

use atthene_core::activity::{ActOutcome, ActivityFilter, Chain, Entry, Kind};
use atthene_core::oversight::{Fix, FleetAct, Forgotten, Harm};
use atthene_core::port::backup::Backup;
use atthene_core::port::{ActivityRows, HostRow, HostRows, SecretRows, ServiceRows, Store};
use atthene_core::{Actor, Core, Host, UnixMs};
use atthene_store::Postgres;
use atthene_test_support::hosts::Hosts;
use atthene_test_support::{databases, needs_server};
use serde_json::json;

fn open(url: &str, name: &str) -> (tempfile::TempDir, Postgres) {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::of(folder.path(), name).expect("a host");
    let store = databases::open_as(url, folder.path(), &host).expect("opens");
    (folder, store)
}

fn said(kind: Kind) -> Entry<'static> {
    Entry { at: UnixMs(1), actor: Actor::Window, kind, subject: "", outcome: ActOutcome::Done, detail: json!({}) }
}

fn names(rows: &[HostRow]) -> Vec<(&str, bool)> {
    rows.iter().map(|row| (&*row.name, row.is_here)).collect()
}

#[test]
fn hosts_see_each_other_and_one_that_is_silent_is_told_as_last_seen() {
    if databases::server().is_none() {
        return;
    }
    let url = databases::empty();
    let ((_a, first), (_b, second)) = (open(&url, "first"), open(&url, "second"));
    let hosts = second.shared().expect("is shared").hosts().expect("reads");
    assert_eq!(names(&hosts), [("first", false), ("second", true)]);
    assert!(hosts.iter().all(|host| host.seen.is_none() && host.status.is_none()));

    let told = first.present().expect("reads").revisions;
    first.beat("1.2.3", "http://10.0.0.1:8765", UnixMs(4711)).expect("is there");
    assert_eq!(first.present().expect("reads").revisions, told, "nobody has to read anything again");
    first.save_service_status("{}").expect("tells");
    let seen = second.hosts().expect("reads").remove(0);
    assert_eq!(seen.status.as_deref(), Some("{}"));
    let seen = seen.seen.expect("was seen");
    assert_eq!((&*seen.version, &*seen.address, seen.started_at), ("1.2.3", "http://10.0.0.1:8765", UnixMs(4711)));
    assert!(seen.ago < Duration::from_mins(1), "{seen:?}");

    databases::run(&url, "UPDATE hosts SET seen_at = seen_at - interval '1 hour' WHERE name = 'first'");
    second.beat("1.2.4", "http://10.0.0.2:8765", UnixMs(4712)).expect("is there");
    let hosts = first.hosts().expect("reads");
    let later: Vec<_> = hosts.iter().map(|host| host.seen.clone().expect("was seen")).collect();
    assert!((3600..3660).contains(&later[0].ago.as_secs()) && later[1].ago.as_secs() < 60, "{later:?}");
    assert_eq!(later[0].at.0, seen.at.0 - UnixMs::HOUR);
}

#[test]
fn a_host_that_left_is_forgotten_but_not_what_it_did() {
    if databases::server().is_none() {
        return;
    }
    let url = databases::empty();
    let ((folder, first), (_b, second)) = (open(&url, "first"), open(&url, "second"));
    first.beat("1.2.3", "http://10.0.0.1:8765", UnixMs(4711)).expect("is there");
    first.append(&said(Kind::KeyCreated)).expect("records");
    second.append(&said(Kind::KeyRevoked)).expect("records");
    first.mark_unsettled("half-way").expect("is noted");
    let id = first.host().id().to_owned();
    let gone = said(Kind::HostForgotten);
    assert!(second.forget(&id, &gone).expect("forgets"));
    let again = |id: &str| second.forget(id, &gone).expect("looks");
    assert!(!again(&id) && !again("nobody"), "there is none, nor a word of it");
    assert_eq!(names(&second.hosts().expect("reads")), [("second", true)]);
    assert_eq!(second.claim_unsettled().expect("reads"), ["half-way"]);
    let rows = second.activity(&ActivityFilter::default(), None, 10).expect("reads");
    let by: Vec<_> = rows.iter().map(|row| (&*row.kind, row.host.as_deref())).collect();
    let second_did = |kind| (kind, Some("second"));
    assert_eq!(by, [second_did("host_forgotten"), second_did("key_revoked"), ("key_created", Some("first"))]);
    assert!(matches!(second.verify_activity().expect("walks"), Chain::Sound { rows: 3 }));

    // It was there after all.
    first.beat("1.2.3", "http://10.0.0.1:8765", UnixMs(4711)).expect("is there");
    assert_eq!(names(&second.hosts().expect("reads")), [("first", false), ("second", true)]);
    assert!(second.forget(&id, &gone).expect("forgets"));
    drop(first);
    let host = Host::of(folder.path(), "renamed").expect("a host");
    let first = databases::open_as(&url, folder.path(), &host).expect("opens");
    assert_eq!(names(&first.hosts().expect("reads")), [("renamed", true), ("second", false)]);
    assert!(first.hosts().expect("reads")[0].seen.is_none(), "it serves not yet");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_tells_that_nobody_serves_until_somebody_does() {
    needs_server!();
    let hosts = Hosts::new().await;
    let told = |core: &Core| core.attention().expect("looks").into_iter().find(|it| it.id == "no host");
    let window = hosts.place(1).open();
    assert_eq!(told(&window), None, "it is a window that follows a service");
    window.follow_service();
    let none = told(&window).expect("nobody serves");
    assert_eq!((none.harm, none.fix), (Harm::EverythingRefused, Fix::ShowHosts));
    hosts.world.core.beat(UnixMs(0)).expect("is there");
    assert_eq!(told(&window), None);
    databases::run(&hosts.url, "UPDATE hosts SET seen_at = seen_at - interval '1 minute'");
    assert!(told(&window).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_host_that_is_gone_is_taken_off_the_list_and_who_did_it_is_on_record() {
    needs_server!();
    let hosts = Hosts::new().await;
    let (here, other) = (hosts.place(1).open(), hosts.place(2).open());
    other.beat(UnixMs(0)).expect("is there");
    let of = |core: &Core| {
        let all = core.hosts().expect("reads").expect("is shared");
        all.into_iter().find(|host| host.is_here).expect("takes part")
    };
    let gone = of(&other);
    let name = gone.name.clone();
    assert_eq!(here.forget_host("nobody").expect("looks"), Forgotten::Unknown);
    assert_eq!(here.forget_host(&gone.id).expect("looks"), Forgotten::StillThere(name.clone()));
    assert_eq!(here.forget_host(&of(&here).id).expect("looks"), Forgotten::StillThere(of(&here).name));
    databases::run(&hosts.url, "UPDATE hosts SET seen_at = seen_at - interval '1 minute'");
    assert_eq!(here.forget_host(&gone.id).expect("forgets"), Forgotten::Done(name.clone()));
    assert_eq!(here.forget_host(&gone.id).expect("looks"), Forgotten::Unknown);
    let is_listed = |id: &str| here.hosts().expect("reads").into_iter().flatten().any(|host| host.id == id);
    assert!(!is_listed(&gone.id));

    // It was there after all, and leaves by itself.
    other.beat(UnixMs(0)).expect("is there");
    assert!(is_listed(&gone.id));
    other.record_fleet_act(FleetAct::Joined { is_renewed: true }).expect("records");
    other.record_fleet_act(FleetAct::Left).expect("records");
    assert!(!is_listed(&gone.id));
    let rows = here.activity.page(&ActivityFilter::default(), None).expect("reads").rows;
    let told: Vec<_> = rows.iter().map(|row| (&*row.kind, &*row.subject, row.detail["name"].as_str())).collect();
    let row = |kind| (kind, &*gone.id, Some(&*name));
    assert_eq!(told[..3], [row("host_left"), row("host_joined"), row("host_forgotten")]);
    assert_eq!(rows[1].detail["renewed"], true);
}
