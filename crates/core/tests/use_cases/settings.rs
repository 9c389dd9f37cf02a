//! Settings over real rows: what is stored, what is refused, what the machine's administrator has fixed.

use std::sync::Arc;

use atthene_core::activity::{ActivityFilter, Kind};
use atthene_core::{Core, Error, Settings, UnixMs};
use atthene_test_support::machine::Machine;
use atthene_test_support::raw_rows::RawRows;
use atthene_vault::MemoryVault;

fn open(machine: &Machine, policy: &str) -> Arc<Core> {
    machine.open_under(MemoryVault::default(), serde_json::from_str(policy).expect("a policy"))
}

fn rows(machine: &Machine) -> Vec<(String, String)> {
    RawRows::of(machine.dir.path()).pairs("SELECT name, value FROM settings")
}

#[test]
fn only_differences_are_stored_and_they_survive_a_restart() {
    let machine = Machine::new();
    let changed = Settings { gateway_port: 9000, ..Settings::default() };
    open(&machine, "{}").settings.save(changed.clone()).expect("saves");
    assert_eq!(rows(&machine), [("gateway_port".to_owned(), "9000".to_owned())]);
    let again = open(&machine, "{}");
    assert_eq!(*again.settings.current(), changed);
    again.settings.save(Settings::default()).expect("saves");
    assert_eq!(rows(&machine), []);
}

#[test]
fn values_that_can_not_work_are_refused_and_change_nothing() {
    let machine = Machine::new();
    let settings = &open(&machine, "{}").settings;
    for wrong in [
        Settings { gateway_port: 80, ..Settings::default() },
        Settings { largest_body_mib: 0, ..Settings::default() },
        Settings { clipboard_seconds: 0, ..Settings::default() },
    ] {
        assert!(settings.save(wrong).is_err());
    }
    assert_eq!(*settings.current(), Settings::default());
}

#[test]
fn a_fixed_value_is_compared_as_it_is_kept_not_as_it_was_written() {
    let machine = Machine::new();
    let core = open(&machine, r#"{"settings": {"runtime_url": "https://agents.example.com/"}}"#);
    let settings = &core.settings;
    let besides = Settings { clipboard_seconds: 60, ..Settings::clone(&settings.current()) };
    assert_eq!(settings.save(besides).expect("saves what is free").clipboard_seconds, 60);
    let other =
        Settings { runtime_url: Some("https://elsewhere.example.com".into()), ..Settings::clone(&settings.current()) };
    assert!(matches!(settings.save(other), Err(Error::FixedByPolicy(_))));
}

#[test]
fn what_the_policy_fixes_is_in_force_and_can_not_be_changed() {
    let machine = Machine::new();
    let policy = r#"{"settings": {"gateway_port": 9100, "theme": "no such theme", "later": 1}}"#;
    let core = open(&machine, policy);
    let settings = &core.settings;
    assert_eq!(settings.current().gateway_port, 9100);
    assert_eq!(settings.fixed(), ["gateway_port"]);
    let other = Settings { gateway_port: 9200, ..Settings::clone(&settings.current()) };
    assert!(matches!(settings.save(other), Err(Error::FixedByPolicy(_))));
    let besides = Settings { clipboard_seconds: 60, ..Settings::clone(&settings.current()) };
    assert_eq!(settings.save(besides).expect("saves").clipboard_seconds, 60);
    // Said once in the record, and again when it is gone.
    open(&machine, policy);
    let last = open(&machine, "{}");
    assert_eq!(last.settings.current().gateway_port, 8765);
    let filter = ActivityFilter { kinds: vec![Kind::PolicyApplied], ..ActivityFilter::default() };
    let recorded = last.activity.page(&filter, None).expect("reads").rows;
    assert_eq!(recorded.len(), 2);
    assert!(recorded.iter().all(|row| row.actor == "policy"), "{recorded:?}");
}

#[test]
fn stopped_stays_stopped_whatever_a_page_saves() {
    let machine = Machine::new();
    let core = open(&machine, "{}");
    core.settings.set_stopped(Some(UnixMs(5))).expect("stops");
    core.settings.save(Settings { clipboard_seconds: 60, ..Settings::default() }).expect("saves");
    assert_eq!(open(&machine, "{}").settings.stopped_at(), Some(UnixMs(5)));
    core.settings.set_stopped(None).expect("goes on");
    assert_eq!(open(&machine, "{}").settings.stopped_at(), None);
}
