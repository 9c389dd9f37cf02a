//! A backup that comes from anybody (S2): it is refused, or what it holds is put back without a secret
//! leaving, a key coming back, or anything that is here ending.

use std::path::{Path, PathBuf};

use atthene_core::connections::{Answer, ConnectionState, Progress, SignInRequest};
use atthene_core::integrations::StoredSecret;
use atthene_core::keys::{KeyText, Verdict};
use atthene_core::oversight::Fix;
use atthene_core::{Code, SecretChange, Settings, Theme};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rusqlite::Connection;
use serde_json::json;

use atthene_store::DATABASE_FILE;
use atthene_test_support::authority::ScriptedAuthority;
use atthene_test_support::machine::{Machine, live, new_key};
use atthene_test_support::sqlite_only;
use atthene_test_support::vaults::SharedVault;
use atthene_test_support::world::{World, open, parameter, tokens};

const SECRET: &str = "planted~client.secret";

/// A profile with everything in it, a backup of it, and an authority of the one who tampers with that.
struct Target {
    world: World,
    evil: ScriptedAuthority,
    revoked: KeyText,
    live: KeyText,
    backup: PathBuf,
}

impl Target {
    async fn new() -> Self {
        let world = World::new(SecretChange::Replace(SECRET.into())).await;
        world.connect("ada").await;
        world.authority.says(|_| tokens("access", "rotated"));
        let evil = ScriptedAuthority::start(|_| tokens("evil-access", "evil-refresh")).await;
        let core = &world.core;
        let settings = Settings {
            runtime_url: Some("https://agents.example".into()),
            clipboard_seconds: 60,
            theme: Theme::Dark,
            ..Settings::default()
        };
        core.save_settings(settings, SecretChange::Replace("not-a-real-credential".into())).await.expect("saves");
        let (_, revoked) = core.keys.create(new_key("Revoked", 30, None)).expect("creates");
        let backup = world.machine.dir.path().join("taken.backup");
        core.back_up(&backup).expect("backs up");
        core.keys.revoke(&revoked.id(), None).expect("revokes");
        let (_, live) = core.keys.create(new_key("Live", 30, None)).expect("creates");
        Self { world, evil, revoked, live, backup }
    }

    /// The backup, changed.
    fn tampered(&self, change: impl FnOnce(&Connection)) -> PathBuf {
        let file = self.world.machine.dir.path().join("tampered.backup");
        std::fs::copy(&self.backup, &file).expect("copies");
        let db = Connection::open(&file).expect("opens");
        db.pragma_update(None, "foreign_keys", false).expect("set");
        change(&db);
        file
    }

    /// Puts it back, uses everything afterwards, and sees that nothing was lost, revived or sent away.
    async fn holds_against(&self, file: &Path, how: &str) {
        let core = &self.world.core;
        let integrations_before = core.integrations.list().expect("lists");
        let (entries, acts) = (sorted(self.world.vault.names()), core.activity.newest().expect("reads"));
        match core.restore(file).await {
            Ok(_) => assert_eq!(core.activity.newest().expect("reads"), acts + 1, "{how}: the record goes on"),
            Err(error) => assert!(matches!(error.code(), Code::BackupFailed | Code::DatabaseFailed), "{how}: {error}"),
        }
        core.reconcile_secrets().await.expect("settles");
        let again = open(&self.world.machine, &self.world.vault);
        again.reconcile_secrets().await.expect("settles");
        for core in [core, &again] {
            assert_eq!(live(core), Some(self.live.id()), "{how}");
            assert!(matches!(core.keys.verify(self.live.expose()).await, Verdict::Valid(_)), "{how}");
            assert!(
                !matches!(core.keys.verify(self.revoked.expose()).await, Verdict::Valid(_)),
                "{how}: a key came back"
            );
            assert_eq!(core.keys.list().expect("lists").len(), 2, "{how}");
            assert_eq!(core.settings.current().runtime_url.as_deref(), Some("https://agents.example"), "{how}");
            assert!(
                matches!(core.activity.verify().expect("walks"), atthene_core::activity::Chain::Sound { .. }),
                "{how}"
            );
        }
        for before in &integrations_before {
            let now = again.integrations.list().expect("lists").into_iter().find(|now| now.id == before.id);
            let now = now.unwrap_or_else(|| panic!("{how}: {} is gone", before.name));
            assert_eq!((&now.authority, &now.client_id), (&before.authority, &before.client_id), "{how}");
        }
        for connection in again.connections.list().expect("lists") {
            let _ = again.connections.fresh(&connection.id).await;
        }
        self.nothing_left(&entries, how);
    }

    /// Every secret is where it was, and nowhere else.
    fn nothing_left(&self, entries: &[String], how: &str) {
        assert_eq!(sorted(self.world.vault.names()), entries, "{how}: an entry was deleted");
        let sent = format!("{:?}", self.evil.calls());
        for planted in [SECRET, atthene_test_support::world::PLANTED, "rotated", "not-a-real"] {
            assert!(!sent.contains(planted), "{how}: {planted} was sent away");
        }
    }
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names
}

fn batch(db: &Connection, sql: &str) {
    db.execute_batch(sql).expect("tampers");
}

#[tokio::test]
async fn s2_the_four_ways_of_the_audit_lead_nowhere() {
    sqlite_only!("it is copied and put back with its own tools");
    let target = Target::new().await;
    let evil = json!({ "kind": "custom", "issuer": target.evil.issuer, "graph": "http://127.0.0.1:1" }).to_string();
    let a = target.tampered(|db| drop(db.execute("UPDATE integrations SET authority = ?1", [&evil])));
    target.holds_against(&a, "(a) an integration that leads elsewhere").await;
    let report = target.world.core.restore(&a).await.expect("puts back the rest");
    assert!(
        report.left.iter().any(|left| left.what.contains("Contoso") && left.why.contains("elsewhere")),
        "{report:?}"
    );

    let b = target.tampered(|db| {
        batch(db, "DROP TRIGGER ended_for_good");
        db.execute(
            "UPDATE api_keys SET id = ?1, hash = (SELECT hash FROM api_keys WHERE id = ?2), ended_at = NULL, ended_as = NULL
             WHERE id = ?2",
            [&*target.live.id().0, &*target.revoked.id().0],
        )
        .expect("plants");
    });
    target.holds_against(&b, "(b) a hash under the live key's id").await;

    let c = target.tampered(|db| {
        batch(
            db,
            "CREATE TRIGGER a AFTER INSERT ON integrations BEGIN UPDATE api_keys SET ended_at = NULL, ended_as = NULL; END;
             CREATE TRIGGER b AFTER UPDATE ON revisions BEGIN UPDATE api_keys SET ended_at = NULL, ended_as = NULL; END;
             CREATE TRIGGER c AFTER INSERT ON activity BEGIN DELETE FROM activity; END;
             DROP TRIGGER ended_for_good; DROP INDEX one_live_key;
             UPDATE api_keys SET ended_at = NULL, ended_as = NULL;",
        );
    });
    target.holds_against(&c, "(c) triggers that bring a key back").await;

    let d = target.tampered(|db| {
        for entry in target.world.vault.names() {
            db.execute("INSERT INTO unsettled_secrets (entry) VALUES (?1)", [entry]).expect("names");
        }
        batch(db, "DELETE FROM connections; DELETE FROM integrations;");
    });
    target.holds_against(&d, "(d) entries of the keychain to delete").await;
}

#[tokio::test]
async fn s2_other_ways_lead_nowhere_either() {
    sqlite_only!("it is copied and put back with its own tools");
    let target = Target::new().await;
    let evil = json!({ "kind": "custom", "issuer": target.evil.issuer, "graph": "http://127.0.0.1:1" }).to_string();
    for (how, sql) in [
        ("a runtime of the thief", "UPDATE settings SET value = '\"https://evil.example\"' WHERE name = 'runtime_url'".to_owned()),
        ("secrets in a file", "INSERT INTO settings VALUES ('vault', '\"file\"')".to_owned()),
        ("a proxy that is trusted", "INSERT INTO settings VALUES ('trust_front_proxy', 'true')".to_owned()),
        ("another port", "INSERT OR REPLACE INTO settings VALUES ('gateway_port', '9999')".to_owned()),
        ("a gateway that is off", "INSERT OR REPLACE INTO settings VALUES ('gateway_on', 'false')".to_owned()),
        ("no alarm", "INSERT OR REPLACE INTO settings VALUES ('notifications', 'false')".to_owned()),
        ("everything goes on", "INSERT OR REPLACE INTO settings VALUES ('stopped_at', '1')".to_owned()),
        (
            "a connection of another account under this one's name",
            "UPDATE connections SET oid = 'mallory', account = 'ada@contoso.com'".to_owned(),
        ),
        (
            "a connection through an integration of the thief",
            format!(
                "INSERT INTO integrations SELECT 'microsoft-evil00', provider, 'Evil', 'evil', client_id, '{evil}', scopes, way_back,
                   'stored', NULL, 0, NULL, NULL FROM integrations;
                 UPDATE connections SET integration_id = 'microsoft-evil00'; INSERT INTO default_integrations VALUES ('microsoft', 'microsoft-evil00')
                   ON CONFLICT DO UPDATE SET integration_id = excluded.integration_id"
            ),
        ),
        ("the present integration's name", format!("UPDATE integrations SET id = 'microsoft-abcdef', authority = '{evil}'")),
        ("a view in the place of a table", "DROP TABLE settings; CREATE VIEW settings AS SELECT 'theme' AS name, '\"light\"' AS value".to_owned()),
        ("another profile's secret", "UPDATE profile_secret SET secret = zeroblob(32)".to_owned()),
        ("a name that a terminal would obey", "UPDATE connections SET account = char(27) || '[31m'".to_owned()),
    ] {
        let file = target.tampered(|db| batch(db, &sql));
        target.holds_against(&file, how).await;
        let settings = target.world.core.settings.current();
        assert!(settings.gateway_on && settings.gateway_port == 8765 && settings.notifications, "{how}");
        assert!(!settings.trust_front_proxy && settings.vault == atthene_core::vault::VaultKind::Keychain, "{how}");
        assert!(target.world.core.settings.stopped_at().is_none(), "{how}");
        assert_eq!(settings.theme, Theme::Dark, "{how}");
        let all = target.world.core.integrations.list().expect("lists");
        assert!(!all.iter().any(|view| view.name == "Evil" && view.is_default), "{how}: a person decides about it");
    }
    let core = &target.world.core;
    let added =
        core.integrations.list().expect("lists").into_iter().find(|view| view.name == "Evil").expect("it is told");
    assert!(added.secret == StoredSecret::Missing && !added.is_default, "a person decides about it: {added:?}");
}

/// 200 random changes of bytes and of rows.
#[tokio::test]
async fn s2_two_hundred_random_mutations_lead_nowhere() {
    sqlite_only!("it is copied and put back with its own tools");
    let target = Target::new().await;
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let size = std::fs::metadata(&target.backup).expect("there").len();
    let flips = prop::collection::vec((0..size, any::<u8>()), 1..40);
    let evil = json!({ "kind": "custom", "issuer": target.evil.issuer, "graph": "http://127.0.0.1:1" }).to_string();
    let values: Vec<String> = [
        "NULL",
        "''",
        "'x'",
        "-1",
        "9223372036854775807",
        "x'00ff'",
        "'stored'",
        "'connected'",
        "'built-in'",
        "'teams'",
        "'null'",
        "'microsoft-aaaaaa'",
        "'outlook-aaaaaaaa'",
        "'../../x'",
        "char(8238) || 'x'",
        "randomblob(2000000)",
        "'{}'",
    ]
    .map(str::to_owned)
    .into_iter()
    // What is worth the most to a thief, as often as all the rest together.
    .chain(std::iter::repeat_n(format!("'{evil}'"), 9))
    .chain(std::iter::repeat_n(format!("'{}'", target.live.id().0), 4))
    .chain(target.world.vault.names().into_iter().map(|name| format!("'{name}'")))
    .collect();
    let tables: &[(&str, &[&str])] = &[
        ("settings", &["name", "value"]),
        ("integrations", &["id", "name", "client_id", "authority", "scopes", "way_back", "secret", "created_at"]),
        (
            "connections",
            &["id", "integration_id", "toolkit", "oid", "tid", "account", "granted", "state", "signed_in_at"],
        ),
        ("api_keys", &["id", "hash", "ended_at", "ended_as", "form"]),
        ("unsettled_secrets", &["entry", "swept"]),
        ("revisions", &["n"]),
        ("usage_hours", &["hour", "requests", "outcome"]),
    ];
    let changes = prop::collection::vec((0..tables.len(), 0..9_usize, 0..values.len()), 1..6);
    let mut put_back = 0;
    for round in 0..200 {
        let (file, how) = if round % 2 == 0 {
            let flips = flips.new_tree(&mut runner).expect("bytes").current();
            let mut bytes = std::fs::read(&target.backup).expect("reads");
            for (at, byte) in &flips {
                bytes[usize::try_from(*at).expect("small")] = *byte;
            }
            let file = target.world.machine.dir.path().join("tampered.backup");
            std::fs::write(&file, bytes).expect("writes");
            (file, format!("bytes {flips:?}"))
        } else {
            let changes = changes.new_tree(&mut runner).expect("rows").current();
            let mut done = String::new();
            let file = target.tampered(|db| {
                // Without the schema that would refuse the worst of it.
                batch(db, "PRAGMA writable_schema = on; PRAGMA ignore_check_constraints = on; DROP TRIGGER ended_for_good");
                batch(db, "UPDATE sqlite_schema SET sql = replace(sql, 'STRICT', '') WHERE type = 'table' AND sql NOT LIKE '%WITHOUT%'");
                for (table, column, value) in changes {
                    let (table, columns) = tables[table];
                    let sql = format!("UPDATE OR IGNORE {table} SET {} = {}", columns[column % columns.len()], values[value]);
                    let _ = db.execute(&sql, []);
                    done.push_str(&sql);
                    done.push_str("; ");
                }
            });
            (file, done)
        };
        target.holds_against(&file, &how).await;
        // And where the database was lost, so that nothing stands in the way of what the backup says.
        let machine = Machine::new();
        let entries = sorted(target.world.vault.names());
        let core = open(&machine, &target.world.vault);
        put_back += usize::from(core.restore(&file).await.is_ok());
        for connection in core.connections.list().expect("lists") {
            let _ = core.connections.fresh(&connection.id).await;
        }
        assert!(core.keys.list().expect("lists").is_empty(), "{how}: a key came back");
        assert_eq!(core.settings.current().runtime_url, None, "{how}");
        target.nothing_left(&entries, &how);
    }
    assert!(put_back > 50, "hardly any of these was put back: {put_back}");
}

/// A small file that would take days, or all of the memory, to be read as it asks.
#[tokio::test]
async fn s2_a_backup_made_to_be_heavy_is_read_within_bounds() {
    sqlite_only!("it is copied and put back with its own tools");
    let target = Target::new().await;
    let file = target.tampered(|db| {
        batch(
            db,
            "DROP TABLE usage_hours; DROP TABLE callers;
             CREATE TABLE callers (id INTEGER, program TEXT, user_agent TEXT);
             CREATE TABLE usage_hours (hour INTEGER, key_id TEXT, caller_id INTEGER, outcome TEXT, requests INTEGER,
               bytes_in INTEGER, bytes_out INTEGER, last_at INTEGER);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
             INSERT INTO callers SELECT 1, 'p', 'u' FROM n;
             INSERT INTO callers VALUES (1, '', hex(zeroblob(500000)));
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
             INSERT INTO usage_hours SELECT 0, '', 1, 'answered', 1, 0, 0, 0 FROM n;",
        );
    });
    // 400 million rows, one in 20,000 of them with a megabyte: it ends, either way.
    target.holds_against(&file, "rows without end").await;
}

/// Whoever wrote the backup wrote down, too, who is to be taken for known.
#[tokio::test]
async fn s2_an_account_that_only_a_backup_knows_is_asked_about() {
    sqlite_only!("it is copied and put back with its own tools");
    let target = Target::new().await;
    let world = &target.world;
    let file = target.tampered(|db| {
        batch(db, "UPDATE connections SET id = 'outlook-zzzzzzzz', oid = 'mallory', account = 'grace@contoso.com'");
    });
    world.core.restore(&file).await.expect("puts back");
    let planted = world.core.connections.list().expect("lists");
    let planted = planted.into_iter().find(|it| it.id.as_str() == "outlook-zzzzzzzz").expect("put back");
    assert_eq!(planted.state, ConnectionState::NeedsSignIn);
    let begun = world.begin(SignInRequest { again: Some(planted.id), ..world.request() }).await;
    world.signs_in(&begun.link, "mallory");
    let answer = Answer::from_form(&format!("code=c&state={}", parameter(&begun.link, "state"))).expect("an answer");
    let progress = world.core.connections.answer(answer, &world.door()).await.expect("is waited for");
    assert!(matches!(progress, Progress::Confirm { .. }), "{progress:?}");
}

#[tokio::test]
async fn s2_more_access_than_the_integration_asks_for_is_not_taken_from_a_backup() {
    sqlite_only!("it is copied and put back with its own tools");
    let target = Target::new().await;
    let file = target.tampered(|db| batch(db, "UPDATE connections SET granted = granted || ' Sites.FullControl.All'"));
    let machine = Machine::new();
    let core = open(&machine, &target.world.vault);
    core.restore(&file).await.expect("puts back");
    assert_eq!(core.connections.list().expect("lists")[0].state, ConnectionState::NeedsSignIn);
}

/// With it, whoever reads a backup could pass for the gateway (S4) and make texts that reach argon2 (S3).
#[tokio::test]
async fn s4_a_backup_does_not_hold_the_profiles_secret() {
    sqlite_only!("it is copied and put back with its own tools");
    let target = Target::new().await;
    let here = Connection::open(target.world.machine.dir.path().join(DATABASE_FILE)).expect("opens");
    let secret: Vec<u8> = here.query_row("SELECT secret FROM profile_secret", [], |row| row.get(0)).expect("there");
    let backup = std::fs::read(&target.backup).expect("reads");
    assert!(secret.len() >= 32 && !backup.windows(secret.len()).any(|window| window == secret));
}

#[tokio::test]
async fn an_honest_backup_brings_a_lost_profile_back_with_what_is_left_to_do() {
    sqlite_only!("it is copied and put back with its own tools");
    let target = Target::new().await;
    let vault = target.world.vault.clone();
    let id = target.world.only().id;
    // The database is lost, and the keychain still holds what it held.
    let machine = Machine::new();
    let core = open(&machine, &vault);
    let report = core.restore(&target.backup).await.expect("puts back");
    assert_eq!(core.settings.current().theme, Theme::Dark);
    assert!(
        report.left.iter().any(|left| left.what.starts_with("Setting clipboard_seconds") && left.what.contains("60")),
        "{report:?}"
    );
    let views = core.integrations.list().expect("lists");
    assert_eq!(views.iter().find(|view| view.name == "Contoso").expect("back").secret, StoredSecret::Stored);
    assert_eq!(core.connections.list().expect("lists")[0].state, ConnectionState::Connected);
    let fixes: Vec<_> = report.to_do.iter().map(|to_do| to_do.fix.clone()).collect();
    assert_eq!(fixes, [Fix::ShowPreferences, Fix::CreateKey], "{report:?}");
    assert!(report.left.iter().any(|left| left.what.contains("agents.example")), "{report:?}");

    // The keychain is another one, too: each secret and account is named, with what fixes it.
    let (machine, vault) = (Machine::new(), SharedVault::default());
    let core = open(&machine, &vault);
    let report = core.restore(&target.backup).await.expect("puts back");
    let wanted = [
        Fix::ShowPreferences,
        Fix::EditIntegration { id: target.world.integration.clone() },
        Fix::SignInAgain { id: id.clone() },
        Fix::CreateKey,
    ];
    assert_eq!(report.to_do.iter().map(|to_do| to_do.fix.clone()).collect::<Vec<_>>(), wanted, "{report:?}");
    assert_eq!(core.connections.list().expect("lists")[0].state, ConnectionState::NeedsSignIn);
    // Once more changes nothing.
    let again = core.restore(&target.backup).await.expect("puts back");
    assert!(again.taken.is_empty(), "{again:?}");
    assert!(machine.dir.path().join(DATABASE_FILE).with_extension("before-restore.backup").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn s13_what_a_restore_sets_aside_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    sqlite_only!("it is copied and put back with its own tools");
    let target = Target::new().await;
    // One that an earlier version left, as open as was usual then.
    let left = target.world.machine.dir.path().join(DATABASE_FILE).with_extension("before-restore.backup");
    std::fs::write(&left, "").expect("writes");
    std::fs::set_permissions(&left, std::fs::Permissions::from_mode(0o644)).expect("sets");
    target.world.core.restore(&target.backup).await.expect("puts back");
    let folder = std::fs::read_dir(target.world.machine.dir.path()).expect("reads");
    for entry in
        folder.map(|entry| entry.expect("an entry")).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
    {
        let mode = entry.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
}
