//! A long record goes to another database in pieces. A process of its own: its memory is measured.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

use std::time::Instant;

use atthene_core::activity::{ActOutcome, Chain, Entry, Kind};
use atthene_core::port::{ActivityRows, UsageBatch, UsageRows};
use atthene_core::{Actor, Host, UnixMs};
use atthene_store::Sqlite;
use atthene_test_support::databases;
use serde_json::json;

/// Another number of rows than the one that is measured each time.
const ROWS: &str = "ATTHENE_TEST_ROWS";
const AT_ONCE: usize = 10_000;
/// What copying may take beyond what the process had, in KiB: a fraction of the rows.
const MOST: u64 = 24 * 1024;

/// A value of the process in KiB.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("reads");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("is there");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}

#[test]
fn a_long_record_is_copied_in_bounded_memory() {
    if databases::server().is_none() {
        eprintln!("not without {}", databases::SERVER);
        return;
    }
    let rows: usize = std::env::var(ROWS).map_or(100_000, |rows| rows.parse().expect("a number"));
    let (from, to) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let file = Sqlite::open(from.path()).expect("opens");
    for _ in 0..rows / AT_ONCE {
        let entry = || Entry {
            at: UnixMs(1),
            actor: Actor::Window,
            kind: Kind::GraphCall,
            subject: "outlook-abcdefgh",
            outcome: ActOutcome::Done,
            detail: json!({ "account": "ada@contoso.com", "path": "x".repeat(500) }),
        };
        let entries = std::iter::repeat_with(entry).take(AT_ONCE).collect();
        file.count(&UsageBatch { entries, ..UsageBatch::default() }).expect("records");
    }
    let host = Host::of(to.path(), "first").expect("a host");
    let here = databases::open_as(&databases::empty(), to.path(), &host).expect("opens");

    // From here on the highest there was is the highest since here.
    std::fs::write("/proc/self/clear_refs", "5").expect("forgets");
    let (before, began) = (status("VmRSS:"), Instant::now());
    let imported = here.import(&file).expect("copies");
    let (took, more) = (began.elapsed(), status("VmHWM:").saturating_sub(before));
    println!("{rows} rows in {took:?}, {more} KiB more than the {before} KiB before");
    assert_eq!(imported.record, rows as u64);
    assert!(more < MOST, "{more} KiB");
    assert_eq!(here.verify_activity().expect("walks"), Chain::Sound { rows: rows as u64 });
}
