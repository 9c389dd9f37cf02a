//! What an update of the app does to data of an earlier version.

use atthene_core::activity::{ActOutcome, ActivityFilter, Chain};
use atthene_core::keys::{KeyState, Verdict};
use atthene_core::oversight::Fix;

use rusqlite::Connection;

use atthene_store::DATABASE_FILE;
#[cfg(unix)]
use atthene_store::DATABASE_FORMAT;
use atthene_test_support::machine::{Machine, live, new_key};
use atthene_test_support::sqlite_only;

/// Makes the database as the version before keys had a MAC would have it.
fn as_before(machine: &Machine) {
    let db = Connection::open(machine.dir.path().join(DATABASE_FILE)).expect("opens");
    db.execute_batch(
        "DROP TABLE approvals;
         DROP TABLE allowed_recipients;
         DELETE FROM revisions WHERE topic = 'approvals';
         DROP TRIGGER connections_permitted;
         ALTER TABLE connections DROP COLUMN may_read;
         ALTER TABLE connections DROP COLUMN may_draft;
         ALTER TABLE connections DROP COLUMN may_send;
         ALTER TABLE connections DROP COLUMN may_delete;
         ALTER TABLE connections DROP COLUMN graph_reach;
         ALTER TABLE connections DROP COLUMN may_have_token;
         DROP TABLE service;
         DELETE FROM revisions WHERE topic IN ('service', 'usage');
         DROP TRIGGER keys_changed;
         CREATE TRIGGER keys_changed AFTER UPDATE OF name ON api_keys BEGIN SELECT 1; END;
         ALTER TABLE api_keys DROP COLUMN note;
         DROP TABLE profile_secret;
         ALTER TABLE api_keys DROP COLUMN ended_by_update;
         ALTER TABLE api_keys DROP COLUMN form;
         DROP INDEX troubled_by_kind;
         ALTER TABLE troubled_calls DROP COLUMN failed_check;
         ALTER TABLE troubled_calls DROP COLUMN is_refused;
         DROP TRIGGER connections_inserted;
         DROP TRIGGER connections_changed;
         DROP TRIGGER integrations_lead_elsewhere;
         DROP TRIGGER connections_refreshed;
         CREATE TRIGGER connections_inserted AFTER INSERT ON connections BEGIN SELECT 1; END;
         CREATE TRIGGER connections_changed AFTER UPDATE ON connections BEGIN SELECT 1; END;
         ALTER TABLE connections DROP COLUMN revision;
         ALTER TABLE connections DROP COLUMN challenge;
         DROP TABLE activity_cut;
         DROP INDEX activity_by_time;
         PRAGMA user_version = 4;",
    )
    .expect("goes back");
}

#[tokio::test]
async fn s3_a_live_key_of_the_old_form_ends_and_everybody_is_told() {
    sqlite_only!("no earlier version lies there, and no copy is made beside it");
    let machine = Machine::new();
    let (_, ended) = machine.open().keys.create(new_key("Old", 30, None)).expect("creates");
    let (_, text) = machine.open().keys.create(new_key("CI", 30, Some(ended.id()))).expect("creates");
    as_before(&machine);
    let core = machine.open();
    assert_eq!(live(&core), None);
    assert!(!matches!(core.keys.verify(text.expose()).await, Verdict::Valid(_)));
    let keys = core.keys.list().expect("lists");
    assert_eq!((keys[0].state, keys[0].ended_by_update), (KeyState::Revoked, true));
    assert_eq!((keys[1].state, keys[1].ended_by_update), (KeyState::Replaced, false), "it had ended before");
    let told = core.attention().expect("looks").remove(0);
    assert!(told.title.contains("ended with the update") && told.fix == Fix::CreateKey, "{told:?}");
    assert_eq!(core.due_notices().expect("looks").len(), 1, "the desktop is told");
    let row = core.activity.page(&ActivityFilter::default(), None).expect("reads").rows.remove(0);
    assert_eq!((row.kind.as_str(), row.subject.as_str()), ("key_ended_by_update", &*text.id().0));

    let (_, new) = core.keys.create(new_key("CI", 30, None)).expect("creates");
    assert!(matches!(core.keys.verify(new.expose()).await, Verdict::Valid(_)));
    assert!(core.attention().expect("looks").is_empty(), "it is done with a new key");
    assert_eq!(live(&machine.open()), Some(new.id()), "once");
}

#[cfg(unix)]
#[test]
fn s13_the_copy_before_an_update_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    sqlite_only!("no earlier version lies there, and no copy is made beside it");
    let machine = Machine::new();
    machine.open().keys.create(new_key("CI", 30, None)).expect("creates");
    as_before(&machine);
    machine.open();
    let copy = machine.dir.path().join(format!("{DATABASE_FILE}.4.backup"));
    assert_eq!(copy.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    assert!(DATABASE_FORMAT > 4 && copy.metadata().expect("there").len() > 0);
}

#[test]
fn a_record_from_before_admits_what_ended_nobody_knows_how() {
    sqlite_only!("no earlier version lies there");
    let machine = Machine::new();
    machine.open().keys.create(new_key("CI", 30, None)).expect("creates");
    let db = Connection::open(machine.dir.path().join(DATABASE_FILE)).expect("opens");
    db.execute_batch(
        "DROP INDEX approvals_running;
         PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, ', ''unknown''', '') WHERE name = 'activity';
         PRAGMA writable_schema = RESET;
         INSERT INTO approvals (id, connection_id, account, act, tool, program, key_id, digest, state, asked_at)
           VALUES ('aaaaaaaaaa', 'outlook-aaaaaaaa', 'ada@contoso.com', 'send', 'mail_send', 'a test', 'AAAAAAAAAA',
                   zeroblob(32), 'running', 1);
         PRAGMA user_version = 11;",
    )
    .expect("goes back");
    let insert = |db: &Connection, outcome: &str| {
        db.execute("INSERT INTO activity VALUES (9, 0, '', '', '', ?1, '{}', zeroblob(32))", [outcome])
    };
    assert!(insert(&db, "unknown").is_err(), "as before");
    drop(db);
    let core = machine.open();
    core.approvals.give_up_left_over().expect("puts it on record");
    let filter = ActivityFilter { outcome: Some(ActOutcome::Unknown), ..ActivityFilter::default() };
    assert_eq!(core.activity.page(&filter, None).expect("reads").rows.len(), 1);
    assert!(matches!(core.activity.verify().expect("reads"), Chain::Sound { .. }));
    core.look_through().expect("sound");
    let db = Connection::open(machine.dir.path().join(DATABASE_FILE)).expect("opens");
    assert!(insert(&db, "perhaps").is_err(), "and no other word");
}
