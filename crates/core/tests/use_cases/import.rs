//! A profile of one machine, copied to a database for many: all of it as it is, or nothing.

use std::sync::Arc;
use std::time::Duration;

use atthene_core::activity::{
    ActOutcome, ActivityFilter, ActivityRow, Call, CallOutcome, Caller, Chain, Entry, Kind, Trouble,
};
use atthene_core::approvals::{ActState, AskedAct, Editable, Shown, Yes, digest};
use atthene_core::connections::{Connection, Revision};
use atthene_core::identity::Profile;
use atthene_core::keys::{KeyId, KeyText, Verdict};
use atthene_core::permissions::{Act, Leave, Permissions};
use atthene_core::port::{
    ActivityRows, ApprovalRows, IntegrationRows, KeyRows, SealedRows, SettingRows, Store, UsageRows,
};
use atthene_core::problem::ProblemCode;
use atthene_core::{Actor, Core, Host, SecretChange, Settings, StoreError, Theme, UnixMs};
use atthene_store::{Postgres, Sqlite};
use atthene_test_support::machine::{Machine, START, live, new_key};
use atthene_test_support::world::World;
use atthene_test_support::{databases, environment_on};
use serde_json::json;

/// A profile in a file with everything in it.
struct Lived {
    world: World,
    live: KeyText,
    revoked: KeyText,
}

fn call(key: Option<&KeyId>, program: &str, outcome: CallOutcome) -> Call {
    Call {
        key: key.cloned(),
        caller: Caller { program: program.into(), user_agent: "curl/8.5.0".into() },
        outcome,
        bytes_in: 10,
        bytes_out: 20,
        gateway_time: Some(Duration::from_micros(80)),
        runtime_time: Some(Duration::from_millis(3)),
        trouble: match outcome {
            CallOutcome::Refused(code) => Some(Box::new(Trouble {
                request_id: format!("request-{program}").into(),
                method: "POST".into(),
                path: "/api/amas/conversations/execute".into(),
                code,
                check: code.check(),
                detail: "It was revoked.".into(),
            })),
            _ => None,
        },
    }
}

impl Lived {
    async fn new() -> Self {
        let world =
            World::on(Machine::with_file(), SecretChange::Replace("a~client.secret".into()), "http://127.0.0.1:1")
                .await;
        let core = &world.core;
        let settings = Settings { clipboard_seconds: 60, theme: Theme::Dark, ..Settings::default() };
        core.save_settings(settings, SecretChange::Keep).await.expect("saves");
        let (first, revoked) = core.keys.create(new_key("Ключ", 30, None)).expect("creates");
        core.usage.record(call(Some(&first.id), "node", CallOutcome::Answered));
        core.usage.flush().expect("counts");
        core.keys.revoke(&first.id, None).expect("revokes");
        // Hours of then become days.
        world.machine.step(200 * UnixMs::DAY);
        core.usage.roll_up().expect("rolls up");
        let (second, live) = core.keys.create(new_key("In use", 30, None)).expect("creates");
        core.keys.describe(&second.id, "In use", "ask Ada").expect("describes");
        core.usage.record(call(Some(&second.id), "python", CallOutcome::Answered));
        core.usage.record(call(Some(&first.id), "curl", CallOutcome::Refused(ProblemCode::RevokedKey)));
        core.usage.record(call(None, "", CallOutcome::Refused(ProblemCode::InvalidKey)));
        core.usage.flush().expect("counts");
        let lived = Self { world, live, revoked };
        assert_eq!(lived.file().claim_notices(&[("a notice", UnixMs(0))], UnixMs(START)).expect("claims"), [true]);
        lived
    }

    async fn with_connections() -> Self {
        let lived = Self::new().await;
        // The clock of its tokens is that of the start.
        lived.world.machine.step(-200 * UnixMs::DAY);
        let connection = lived.world.connect_with_leave("ada").await;
        lived.world.connect("grace").await;
        let act = |text: &str| AskedAct {
            digest: digest(&connection, "mail_send", &json!({ "body": text })),
            connection: connection.clone(),
            account: "ada@contoso.com".into(),
            act: Act::Send,
            tool: "mail_send".into(),
            program: "a test".into(),
            key: lived.live.id(),
            shown: Shown {
                recipients: vec!["grace@contoso.com".into()],
                are_addresses: true,
                body: text.to_owned(),
                editable: Editable { subject: None, body: Some(100) },
                ..Shown::default()
            },
        };
        let approvals = &lived.world.core.approvals;
        let waiting = |text: &str| match approvals.ask(&act(text), Leave::Asked).expect("asks") {
            ActState::Waiting(id) => id,
            other => panic!("{other:?}"),
        };
        let (hello, _) = (waiting("Hello"), waiting("Good bye"));
        approvals.approve(&hello, &Yes { recipients_too: true, ..Yes::default() }).expect("approves");
        lived
    }

    fn file(&self) -> Sqlite {
        Sqlite::open(self.world.machine.dir.path()).expect("opens")
    }
}

/// A database that nobody has used, as one of its hosts.
struct Target {
    url: String,
    folder: tempfile::TempDir,
}

impl Target {
    /// `None`, and why: the tests have no server.
    fn new() -> Option<Self> {
        if databases::server().is_none() {
            eprintln!("not without {}", databases::SERVER);
            return None;
        }
        Some(Self { url: databases::empty(), folder: tempfile::tempdir().expect("a folder") })
    }

    fn open(&self) -> Postgres {
        let host = Host::of(self.folder.path(), "first").expect("a host");
        databases::open_as(&self.url, self.folder.path(), &host).expect("opens")
    }
}

fn all_rows(store: &dyn Store) -> Vec<ActivityRow> {
    store.activity_after(0, 10_000).expect("reads")
}

fn without_revisions(store: &dyn Store) -> Vec<Connection> {
    let rows = store.connections().expect("reads");
    rows.into_iter().map(|row| Connection { revision: Revision(0), ..row }).collect()
}

fn sorted<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort_unstable();
    all
}

/// All that the port tells of counters.
fn counted(store: &dyn Store) -> String {
    let view = store.usage().expect("a view");
    let mut hours = Vec::new();
    view.hours(UnixMs(0), &mut |row| {
        hours.push((
            row.hour,
            row.caller,
            row.outcome.to_owned(),
            row.requests,
            row.bytes_in,
            row.bytes_out,
            row.last_at,
        ));
    })
    .expect("reads");
    hours.sort_unstable();
    let names: Vec<_> = hours.iter().map(|row| view.caller(row.1).expect("is named")).collect();
    let mut exported = Vec::new();
    store
        .export_usage(UnixMs(0), &mut |row| {
            exported.push((row.hour, row.key_id, row.program, row.user_agent, row.outcome, row.requests));
            true
        })
        .expect("exports");
    format!(
        "{hours:?} {names:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        sorted(exported),
        sorted(store.all_time().expect("reads")),
        sorted(view.totals(UnixMs(0), UnixMs(i64::MAX)).expect("reads")),
        view.refusals(UnixMs(0)).expect("reads"),
        view.latency("gateway", UnixMs(0)).expect("reads"),
        view.latency("runtime", UnixMs(0)).expect("reads"),
        store.last_day(UnixMs(0), "answered").expect("reads"),
    )
}

fn assert_same(there: &Sqlite, here: &Postgres) {
    assert_eq!(there.profile_secret().bytes(), here.profile_secret().bytes());
    assert_eq!(there.keys().expect("reads"), here.keys().expect("reads"));
    assert_eq!(sorted(there.settings().expect("reads")), sorted(here.settings().expect("reads")));
    assert_eq!(there.integrations().expect("reads"), here.integrations().expect("reads"));
    assert_eq!(without_revisions(there), without_revisions(here));
    assert_eq!(there.approvals(100).expect("reads"), here.approvals(100).expect("reads"));
    assert_eq!(there.waiting_approvals(UnixMs(0)).expect("reads"), here.waiting_approvals(UnixMs(0)).expect("reads"));
    assert_eq!(there.troubled_calls(100).expect("reads"), here.troubled_calls(100).expect("reads"));
    assert_eq!(counted(there), counted(here));
    let record: Vec<_> = all_rows(here);
    assert!(record.iter().all(|row| row.host.as_deref() == Some("first")));
    let record: Vec<_> = record.into_iter().map(|row| ActivityRow { host: None, ..row }).collect();
    assert_eq!(all_rows(there), record);
    assert_eq!(there.verify_activity().expect("walks"), here.verify_activity().expect("walks"));
    assert!(matches!(here.verify_activity().expect("walks"), Chain::Sound { rows } if rows == record.len() as u64));
}

fn is_empty(url: &str) -> bool {
    let tables = [
        "api_keys",
        "key_uses",
        "settings",
        "integrations",
        "default_integrations",
        "connections",
        "approvals",
        "allowed_recipients",
        "callers",
        "usage_hours",
        "usage_days",
        "latency_hours",
        "latency_days",
        "troubled_calls",
        "notices",
        "activity",
        "activity_cuts",
    ];
    let any: Vec<_> = tables.iter().map(|table| format!("(SELECT count(*) FROM {table})")).collect();
    let sql = format!("SELECT {}, (SELECT secret FROM profile_secret)", any.join(" + "));
    databases::asked(url, async move |client| client.query_one(&sql, &[]).await.expect("asks").get::<_, i64>(0) == 0)
}

#[tokio::test]
async fn everything_of_a_profile_is_copied_as_it_is() {
    let Some(target) = Target::new() else { return };
    let lived = Lived::with_connections().await;
    let (there, here) = (lived.file(), target.open());
    let imported = here.import(&there).expect("copies");
    println!("{imported:?}");
    for (what, rows) in &imported.tables {
        assert!(*rows > 0, "the profile has none of these: {what}");
    }
    assert_same(&there, &here);
    let ada = without_revisions(&here).into_iter().find(|row| row.account.label.starts_with("ada")).expect("is there");
    assert_eq!(ada.permissions, Permissions::everything());
    let now = UnixMs(START);
    assert!(here.are_allowed(&ada.id, &["grace@contoso.com".into()], now).expect("reads"));
    assert!(!here.are_allowed(&ada.id, &["eve@contoso.com".into()], now).expect("reads"));

    // Opened anew, by whoever had the profile before.
    drop(here);
    let here = Arc::new(target.open());
    assert_same(&there, &here);
    let outside = environment_on(here.clone(), lived.world.machine.clock(), lived.world.vault.clone());
    let core = Core::open(&Profile::at(target.folder.path()), outside).expect("opens");
    assert!(matches!(core.keys.verify(lived.live.expose()).await, Verdict::Valid(id) if id == lived.live.id()));
    assert!(
        matches!(core.keys.verify(lived.revoked.expose()).await, Verdict::Refused(_, Some(id)) if id == lived.revoked.id())
    );
    core.usage.record(call(Some(&lived.live.id()), "a new program", CallOutcome::Answered));
    core.usage.flush().expect("counts on");
    let rows = imported.record;
    core.keys.revoke(&lived.live.id(), None).expect("revokes");
    let newest = core.activity.screen(&ActivityFilter::default(), None).expect("reads").rows.remove(0);
    assert_eq!((&*newest.kind, newest.host.as_deref()), ("key_revoked", Some("first")));
    assert!(matches!(core.activity.verify().expect("walks"), Chain::Sound { rows: now } if now > rows));
    // What comes along is seen to be as it was, too.
    databases::run(&target.url, "UPDATE activity SET subject = 'another' WHERE id = (SELECT min(id) FROM activity)");
    assert!(matches!(core.activity.verify().expect("walks"), Chain::Broken { .. }));
}

#[tokio::test]
async fn a_record_that_was_cut_goes_on_where_it_began() {
    let Some(target) = Target::new() else { return };
    let lived = Lived::new().await;
    let (there, here) = (lived.file(), target.open());
    let cut = there.cut_activity(UnixMs(START + 1), UnixMs(START + 300 * UnixMs::DAY), 2, &|_| Entry {
        at: UnixMs(START + 200 * UnixMs::DAY),
        actor: Actor::Window,
        kind: Kind::RecordCut,
        subject: "",
        outcome: ActOutcome::Done,
        detail: json!({}),
    });
    assert_eq!(cut.expect("cuts"), 2);
    here.import(&there).expect("copies");
    assert_same(&there, &here);
    // A hole at its beginning shows.
    databases::run(&target.url, "DELETE FROM activity WHERE id = (SELECT min(id) FROM activity)");
    assert!(matches!(here.verify_activity().expect("walks"), Chain::Broken { .. }));
}

#[tokio::test]
async fn a_database_that_is_used_is_left_as_it_is() {
    let Some(target) = Target::new() else { return };
    let lived = Lived::new().await;
    let here = target.open();
    here.import(&lived.file()).expect("copies");
    here.finish_import().expect("takes part");
    let before = (counted(&here), all_rows(&here));
    assert!(matches!(here.import(&lived.file()), Err(StoreError::NotEmpty { .. })));
    let other = Lived::new().await;
    assert!(matches!(here.import(&other.file()), Err(StoreError::NotEmpty { .. })));
    assert_eq!(before, (counted(&here), all_rows(&here)));
    assert_eq!(here.profile_secret().bytes(), lived.file().profile_secret().bytes());
    assert_same(&lived.file(), &target.open());

    // One thing is enough, whichever it is.
    let Some(target) = Target::new() else { return };
    let here = target.open();
    for (one, and_back) in [
        ("INSERT INTO settings VALUES ('theme', 'dark')", "DELETE FROM settings"),
        ("INSERT INTO notices VALUES ('a', 1)", "DELETE FROM notices"),
        ("INSERT INTO callers (program, user_agent) VALUES ('a', 'b')", "DELETE FROM callers"),
        ("INSERT INTO hosts (id, name) VALUES ('abcdefghij', 'b')", "DELETE FROM hosts WHERE id = 'abcdefghij'"),
        (
            "UPDATE chains SET id = 1, hash = decode(repeat('00', 32), 'hex')",
            "UPDATE chains SET id = NULL, hash = NULL",
        ),
    ] {
        databases::run(&target.url, one);
        let refused = here.import(&lived.file()).expect_err(one);
        assert!(matches!(refused, StoreError::NotEmpty { .. }), "{one}: {refused}");
        databases::run(&target.url, and_back);
    }
    here.import(&lived.file()).expect("copies");
}

#[tokio::test]
async fn what_was_copied_and_not_taken_part_in_is_copied_anew_as_it_is_by_then() {
    let Some(target) = Target::new() else { return };
    let lived = Lived::with_connections().await;
    let here = target.open();
    here.import(&lived.file()).expect("copies");
    databases::run(&target.url, "INSERT INTO secrets VALUES ('of the first try', 'sealed')");
    // Meanwhile the file is in use as before.
    lived.world.core.keys.create(new_key("Later", 30, live(&lived.world.core))).expect("creates");
    let again = target.open();
    again.import(&lived.file()).expect("copies");
    assert_same(&lived.file(), &again);
    assert_eq!(again.all().expect("reads"), [], "no secret of the first try");
    again.finish_import().expect("takes part");
    again.finish_import().expect("does already");
    assert!(matches!(again.import(&lived.file()), Err(StoreError::NotEmpty { .. })));

    // It is nobody else's to delete.
    let Some(target) = Target::new() else { return };
    target.open().import(&lived.file()).expect("copies");
    databases::run(&target.url, "UPDATE hosts SET left_at = now()");
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::of(folder.path(), "another").expect("a host");
    let other = databases::open_as(&target.url, folder.path(), &host).expect("opens");
    assert!(matches!(other.import(&lived.file()), Err(StoreError::NotEmpty { .. })));
}

#[tokio::test]
async fn what_fails_in_the_midst_leaves_nothing() {
    let Some(target) = Target::new() else { return };
    let lived = Lived::with_connections().await;
    let here = target.open();
    let born_with = *here.profile_secret().bytes();
    databases::run(
        &target.url,
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a fault'; END $$",
    );
    for table in ["settings", "connections", "usage_days", "notices", "activity"] {
        databases::run(
            &target.url,
            &format!("CREATE TRIGGER fails BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION fail()"),
        );
        let failed = here.import(&lived.file()).expect_err(table).to_string();
        assert!(failed.starts_with("Nothing was copied") && failed.contains("a fault"), "{failed}");
        assert!(is_empty(&target.url), "{table}");
        databases::run(&target.url, &format!("DROP TRIGGER fails ON {table}"));
    }
    // A value that is none here, and a record that is not as it was written.
    let raw = rusqlite::Connection::open(lived.world.machine.dir.path().join("atthene.db")).expect("opens");
    raw.execute("UPDATE notices SET id = id || char(0)", []).expect("spoils");
    let failed = here.import(&lived.file()).expect_err("no text here").to_string();
    assert!(failed.contains("notices"), "{failed}");
    raw.execute("UPDATE notices SET id = 'a notice'", []).expect("mends");
    raw.execute("UPDATE activity SET subject = subject || '!' WHERE id = 2", []).expect("spoils");
    let failed = here.import(&lived.file()).expect_err("broken").to_string();
    assert!(failed.contains("the record of this profile can't be taken over"), "{failed}");
    raw.execute("UPDATE activity SET subject = rtrim(subject, '!') WHERE id = 2", []).expect("mends");
    raw.execute("DELETE FROM activity WHERE id = (SELECT max(id) FROM activity)", []).expect("cuts off");
    here.import(&lived.file()).expect_err("cut off at its end");
    assert!(is_empty(&target.url));
    assert_eq!((here.profile_secret().bytes(), target.open().profile_secret().bytes()), (&born_with, &born_with));
}
