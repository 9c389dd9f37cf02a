//! Backups, and what putting one back must not do; starting anew; stopping everything.

#[cfg(unix)]
use atthene_core::Code;
use atthene_core::keys::KeyState;
use atthene_core::{SecretChange, Settings, Theme};

use atthene_test_support::machine::{Machine, live, new_key};
use atthene_test_support::sqlite_only;

#[tokio::test]
async fn a_backup_brings_back_settings_but_no_key_that_was_ended() {
    sqlite_only!("it is copied and put back with its own tools");
    let machine = Machine::new();
    let core = machine.open();
    let (_, text) = core.keys.create(new_key("CI", 30, None)).expect("creates");
    core.settings.save(Settings { theme: Theme::Dark, ..Settings::default() }).expect("saves");
    let file = machine.dir.path().join("copy.backup");
    core.back_up(&file).expect("backs up");

    core.settings.save(Settings::default()).expect("saves");
    core.restore(&file).await.expect("restores");
    assert_eq!(core.settings.current().theme, Theme::Dark);
    assert_eq!(live(&core), Some(text.id()), "it was live all along");

    core.keys.revoke(&text.id(), None).expect("revokes");
    let other = machine.open();
    core.restore(&file).await.expect("restores");
    assert_eq!(live(&core), None);
    assert_eq!(core.keys.list().expect("lists")[0].state, KeyState::Revoked);
    assert!(!matches!(core.keys.verify(text.expose()).await, atthene_core::keys::Verdict::Valid(_)));
    // The other process hears of it.
    for _ in 0..200 {
        if other.settings.current().theme == Theme::Dark {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(other.settings.current().theme, Theme::Dark);
}

#[cfg(unix)]
#[tokio::test]
async fn a_backup_is_its_owners_only_and_the_database_itself_is_none() {
    use std::os::unix::fs::PermissionsExt;
    sqlite_only!("it is copied and put back with its own tools");
    let machine = Machine::new();
    let core = machine.open();
    let file = machine.dir.path().join("copy.backup");
    core.back_up(&file).expect("backs up");
    assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    for text in ["no database at all", ""] {
        let wrong = machine.dir.path().join("wrong");
        std::fs::write(&wrong, text).expect("written");
        assert_eq!(core.restore(&wrong).await.expect_err("refused").code(), Code::BackupFailed);
    }
    assert_eq!(
        core.restore(&machine.dir.path().join("missing")).await.expect_err("refused").code(),
        Code::BackupFailed
    );
    let newer = rusqlite::Connection::open(&file).expect("opens");
    newer.pragma_update(None, "user_version", 99).expect("set");
    drop(newer);
    assert_eq!(core.restore(&file).await.expect_err("refused").code(), Code::BackupFailed);
}

#[tokio::test]
async fn a_reset_leaves_the_record_and_nothing_else() {
    let machine = Machine::new();
    let core = machine.open();
    core.keys.create(new_key("CI", 30, None)).expect("creates");
    let settings = Settings { runtime_url: Some("http://127.0.0.1:9".into()), ..Settings::default() };
    core.save_settings(settings, SecretChange::Replace("not-a-real-credential".into())).await.expect("saves");
    let acts = core.activity.newest().expect("reads");
    core.reset().await.expect("resets");
    assert!(core.keys.list().expect("lists").is_empty());
    assert_eq!(*core.settings.current(), Settings::default());
    assert_eq!(core.runtime_credential().await.expect("asks").map(drop), None);
    assert!(core.activity.newest().expect("reads") > acts);
    core.activity.verify().expect("walks");
}

#[tokio::test]
async fn diagnostics_hold_no_secret_and_no_address() {
    let machine = Machine::new();
    let core = machine.open();
    let (_, text) = core.keys.create(new_key("Key of Contoso", 30, None)).expect("creates");
    let settings = Settings { runtime_url: Some("https://agents.contoso.example".into()), ..Settings::default() };
    core.save_settings(settings, SecretChange::Replace("not-a-real-credential".into())).await.expect("saves");
    core.signals.runtime_seen(Err("connection refused".into()));
    let diagnostics = core.diagnostics().expect("tells");
    for planted in [text.expose(), &text.expose()[15..], "not-a-real-credential", "contoso", "Contoso"] {
        assert!(!diagnostics.contains(planted), "{planted} is in:\n{diagnostics}");
    }
    assert!(diagnostics.contains("connection refused"), "{diagnostics}");
}

#[test]
fn what_was_stopped_stays_stopped_until_somebody_lets_it_go_on() {
    let machine = Machine::new();
    let core = machine.open();
    let stopped_at = core.stop_everything().expect("stops");
    assert_eq!(core.stop_everything().expect("stops"), stopped_at, "once");
    assert_eq!(machine.open().settings.stopped_at(), Some(stopped_at));
    assert_eq!(core.attention().expect("looks")[0].title, "Everything is stopped");
    core.resume().expect("goes on");
    assert_eq!(machine.open().settings.stopped_at(), None);
}

#[tokio::test]
async fn a_backup_makes_nothing_undone_and_sends_no_credential_elsewhere() {
    sqlite_only!("it is copied and put back with its own tools");
    let machine = Machine::new();
    let core = machine.open();
    let at = |url: &str| Settings { runtime_url: Some(url.into()), ..Settings::default() };
    let credential = || SecretChange::Replace("not-a-real-credential".into());
    core.save_settings(at("http://127.0.0.1:1"), credential()).await.expect("saves");
    let file = machine.dir.path().join("copy.backup");
    core.back_up(&file).expect("backs up");

    core.save_settings(at("http://127.0.0.1:2"), credential()).await.expect("saves");
    core.stop_everything().expect("stops");
    let acts = core.activity.newest().expect("reads");
    let report = core.restore(&file).await.expect("restores");
    assert!(core.settings.stopped_at().is_some(), "only a person lets it go on");
    assert_eq!(core.settings.current().runtime_url.as_deref(), Some("http://127.0.0.1:2"), "calls go where they went");
    assert!(report.left.iter().any(|left| left.what.contains("http://127.0.0.1:1")), "{report:?}");
    assert!(core.settings.has_runtime_credential());
    assert_eq!(core.activity.newest().expect("reads"), acts + 1, "the record goes on");
    assert!(matches!(core.activity.verify().expect("walks"), atthene_core::activity::Chain::Sound { .. }));
}

#[tokio::test]
async fn another_credential_is_told_though_no_setting_changed() {
    let machine = Machine::new();
    let core = machine.open();
    let settings = Settings { runtime_url: Some("http://127.0.0.1:1".into()), ..Settings::default() };
    let replace = || core.save_settings(settings.clone(), SecretChange::Replace("not-a-real-credential".into()));
    replace().await.expect("saves");
    let (mut heard, acts) = (core.changes().subscribe(), core.activity.newest().expect("reads"));
    replace().await.expect("saves");
    let told = std::iter::from_fn(|| heard.try_recv().ok()).any(|change| change == atthene_core::Change::Settings);
    assert!(told, "the gateway goes on with the old one");
    assert_eq!(core.activity.newest().expect("reads"), acts + 1);
}

#[cfg(unix)]
#[tokio::test]
async fn s13_a_data_folder_that_others_may_enter_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let machine = Machine::new();
    let folder = machine.dir.path();
    let state = async || {
        let findings = machine.open().self_check().await.expect("looks");
        findings.into_iter().find(|finding| finding.id == "folder").expect("is looked at").state
    };
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("set");
    assert_eq!(state().await, atthene_core::oversight::FindingState::Warning);
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).expect("set");
    assert_eq!(state().await, atthene_core::oversight::FindingState::Good);
}
