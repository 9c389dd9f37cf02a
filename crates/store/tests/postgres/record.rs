//! The record of several hosts.

use std::sync::atomic::{AtomicBool, Ordering};

use atthene_core::UnixMs;
use atthene_core::activity::{ActOutcome, Actor, Chain, Entry, Kind};
use atthene_core::port::ActivityRows;
use atthene_store::Postgres;
use atthene_test_support::postgres_only;
use serde_json::json;

use crate::fleet::Fleet;

fn entry(at: i64, subject: &str) -> Entry<'_> {
    Entry {
        at: UnixMs(at),
        actor: Actor::Gateway,
        kind: Kind::TokenHanded,
        subject,
        outcome: ActOutcome::Done,
        detail: json!({ "at": at }),
    }
}

/// Hosts that appended one after another, for a while.
fn lived_in(fleet: &Fleet) -> Vec<Postgres> {
    let hosts: Vec<Postgres> = (0..3).map(|at| fleet.open(at)).collect();
    for at in 0..60 {
        for host in &hosts {
            host.append(&entry(at * 10_000, "x")).expect("appends");
        }
    }
    hosts
}

#[test]
fn each_host_has_a_chain_and_they_are_sound_together() {
    postgres_only!();
    let fleet = Fleet::new(3);
    let hosts = lived_in(&fleet);
    assert_eq!(hosts[0].verify_activity().expect("walks"), Chain::Sound { rows: 180 });
    let linked = fleet.number("SELECT count(*) FROM activity WHERE links IS NOT NULL");
    assert!((20..60).contains(&linked), "{linked} rows carry the ends of the others along");
    assert_eq!(fleet.number("SELECT count(DISTINCT host) FROM activity"), 3);
}

#[test]
fn a_chain_that_was_rewritten_as_a_whole_is_told_by_the_others() {
    postgres_only!();
    let fleet = Fleet::new(3);
    let hosts = lived_in(&fleet);
    let first = fleet.host(0);
    let its = format!("host = '{}'", first.id());
    // As if its newest rows had never been: the chain alone would be sound.
    fleet.run(&format!(
        "DELETE FROM activity WHERE {its} AND id > 60;
         UPDATE chains SET (id, hash) = (SELECT id, hash FROM activity WHERE {its} ORDER BY id DESC LIMIT 1) WHERE {its}"
    ));
    let found = hosts[1].verify_activity().expect("walks");
    assert!(matches!(found, Chain::CutOff { missing_after, .. } if missing_after <= 60), "{found:?}");

    // All of it, with its head.
    fleet.run(&format!("DELETE FROM activity WHERE {its}; DELETE FROM chains WHERE {its}"));
    let found = hosts[1].verify_activity().expect("walks");
    assert!(matches!(found, Chain::CutOff { .. }), "{found:?}");
}

#[test]
fn what_a_row_carries_along_can_not_be_changed() {
    postgres_only!();
    let fleet = Fleet::new(3);
    let hosts = lived_in(&fleet);
    let linked = fleet.number("SELECT min(id) FROM activity WHERE links IS NOT NULL");
    fleet.run(&format!("UPDATE activity SET links = NULL WHERE id = {linked}"));
    let found = hosts[0].verify_activity().expect("walks");
    assert!(matches!(found, Chain::Broken { id, .. } if id == linked), "{found:?}");
}

#[test]
fn a_record_that_was_cut_still_proves_itself() {
    postgres_only!();
    let fleet = Fleet::new(3);
    let hosts = lived_in(&fleet);
    let said = |last: i64| Entry { subject: "record", kind: Kind::RecordCut, ..entry(600_000, "x") }.tap(last);
    let cut = hosts[1].cut_activity(UnixMs(300_000), UnixMs(600_000), 5000, &said).expect("cuts");
    assert_eq!(cut, 90);
    assert_eq!(hosts[0].verify_activity().expect("walks"), Chain::Sound { rows: 91 });
    fleet.run("DELETE FROM activity WHERE id = (SELECT min(id) FROM activity)");
    assert!(matches!(hosts[0].verify_activity().expect("walks"), Chain::Broken { .. }));
}

trait Tap {
    fn tap(self, last: i64) -> Self;
}

impl Tap for Entry<'_> {
    fn tap(mut self, last: i64) -> Self {
        self.detail = json!({ "up_to": last });
        self
    }
}

#[test]
fn whoever_reads_on_misses_no_row() {
    postgres_only!();
    let fleet = Fleet::new(4);
    let hosts: Vec<Postgres> = (0..4).map(|at| fleet.open(at)).collect();
    let (reader, writers) = hosts.split_first().expect("some");
    let is_done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let writing: Vec<_> = writers
            .iter()
            .map(|writer| scope.spawn(|| (0..80).for_each(|at| writer.append(&entry(at, "x")).expect("appends"))))
            .collect();
        let reading = scope.spawn(|| {
            let (mut after, mut seen) = (0, 0);
            loop {
                let ends = is_done.load(Ordering::SeqCst);
                let rows = reader.activity_after(after, 1000).expect("reads");
                seen += rows.len();
                after = rows.last().map_or(after, |row| row.id);
                if ends && rows.is_empty() {
                    return seen;
                }
            }
        });
        for one in writing {
            one.join().expect("ends");
        }
        is_done.store(true, Ordering::SeqCst);
        reading.join().expect("ends")
    });
    assert_eq!(seen, 240);
    assert_eq!(reader.verify_activity().expect("walks"), Chain::Sound { rows: 240 });
}
