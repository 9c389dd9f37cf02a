//! Every command over the real binary: what people read, what scripts read, how it ends.
#![allow(clippy::expect_used, reason = "tests")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use insta::assert_snapshot;

/// Windows can't be without one, and no variable leads away from it.
const HAS_ALWAYS_A_KEYCHAIN: bool = cfg!(windows);

/// A data folder of its own, without a keychain, a desktop or a passphrase.
struct Shell(tempfile::TempDir);

impl Shell {
    fn new() -> Self {
        let shell = Self(tempfile::tempdir().expect("a folder"));
        // A port that nothing else on this machine has.
        shell.run("config set gateway__port 8799");
        shell
    }

    /// Opens the encrypted file, once it is there.
    fn passphrase(&self) -> PathBuf {
        self.0.path().join("passphrase")
    }

    fn run(&self, line: &str) -> String {
        self.run_with(line, "")
    }

    /// The exit code, standard output and standard error, with what differs each time replaced.
    fn run_with(&self, line: &str, input: &str) -> String {
        let mut child = Command::new(env!("CARGO_BIN_EXE_atthene"))
            .args(line.split(' ').map(|word| word.replace('_', " ")).map(|word| word.replace("  ", "_")))
            .env_clear()
            .env("HOME", self.0.path())
            .env("ATTHENE_DATA_DIR", self.0.path().join("data"))
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
            .envs(
                Some(self.passphrase())
                    .filter(|path| path.exists())
                    .map(|path| ("ATTHENE_VAULT_PASSPHRASE_FILE", path)),
            )
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        // One that needs no input may have ended.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let done = child.wait_with_output().expect("ends");
        let mut told = format!("exit {}\n", done.status.code().expect("a code"));
        for (name, bytes) in [("out", done.stdout), ("err", done.stderr)] {
            for line in String::from_utf8(bytes).expect("text").lines() {
                let _ = writeln!(told, "{name}: {line}");
            }
        }
        told
    }
}

/// Snapshots hold no key, not even one that opens nothing.
fn steady<T>(check: impl FnOnce() -> T) -> T {
    insta::with_settings!({
        filters => vec![
            (r"atk_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}", "[KEY]"),
            (r#""id": "[0-9A-Za-z]{10}""#, r#""id": "[ID]""#),
            (r"\b[0-9A-Za-z]{10}\t", "[ID]\t"),
            (r#""last_four": "[0-9A-Za-z]{4}""#, r#""last_four": "[FOUR]""#),
            (r#""subject":"[0-9A-Za-z]{10}""#, r#""subject":"[ID]""#),
            (r#""replaces":"[0-9A-Za-z]{10}""#, r#""replaces":"[ID]""#),
            (r#""os_user":"[^"]+""#, r#""os_user":"[USER]""#),
            // As the program is called on Windows.
            (r"atthene\.exe", "atthene"),
            (r"microsoft-[a-z0-9]{6}", "microsoft-[ID]"),
            (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "[TIME]"),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d", "[TIME]"),
            (r"\b1[78]\d{11}\b", "[MS]"),
        ],
    }, { check() })
}

#[test]
fn keys() {
    let shell = Shell::new();
    steady(|| {
        assert_snapshot!("key_create", shell.run("key create --name Build_server --expires 30d"));
        assert_snapshot!("key_create_json", shell.run("--json key create --name Next --expires never"));
        assert_snapshot!("key_list", shell.run("key list"));
        assert_snapshot!("key_list_json", shell.run("--json key list"));
        assert_snapshot!("key_describe", shell.run("key describe --name Build_server__2 --note Ask_Grace_first."));
        assert_snapshot!("key_describe_json", shell.run("--json key describe --note Ask_Ada."));
        assert_snapshot!("key_describe_nothing", shell.run("key describe"));
        assert_snapshot!("key_revoke_unasked", shell.run("key revoke"));
        assert_snapshot!("key_revoke", shell.run("key revoke --yes --reason leaked"));
        assert_snapshot!("key_revoke_none", shell.run("--json key revoke --yes"));
        assert_snapshot!("key_usage", shell.run("key usage --days 7"));
        assert_snapshot!("key_usage_csv", shell.run("key usage --csv"));
    });
    shell.run("key create --name Last --expires 1d");
    steady(|| {
        assert_snapshot!("key_revoke_json", shell.run("--json key revoke --yes"));
        assert_snapshot!("key_usage_json", shell.run("--json key usage"));
    });
}

#[test]
fn wrong_use_is_said_and_ends_with_2() {
    let shell = Shell::new();
    steady(|| {
        assert_snapshot!("wrong_expiry", shell.run("key create --name x --expires soon"));
        assert_snapshot!("wrong_name", shell.run("key create --name \u{202e} --expires 1d"));
        assert_snapshot!("wrong_setting", shell.run("config set no__such 1"));
        assert_snapshot!("wrong_value", shell.run("config set gateway__port 80"));
        assert_snapshot!("wrong_type", shell.run("config set gateway__on maybe"));
        assert_snapshot!("wrong_use_json", shell.run("--json key create --expires 1d"));
        assert_snapshot!("wrong_formats", shell.run("--json key usage --csv"));
        assert_snapshot!("wrong_port", shell.run("serve --port 80"));
        assert_snapshot!("wrong_connection", shell.run("connection token nonsense"));
    });
}

#[test]
fn integrations() {
    let shell = Shell::new();
    let add = "integration add --name Contoso --client-id 11111111-2222-3333-4444-555555555555 --tenant contoso.com \
               --scopes User.Read_Mail.Read";
    steady(|| {
        assert_snapshot!("integration_add", shell.run(add));
        assert_snapshot!("integration_add_twice", shell.run(add));
        assert_snapshot!("integration_add_bad", shell.run(&add.replace("11111111-", "")));
        assert_snapshot!("integration_list", shell.run("integration list"));
        assert_snapshot!("integration_list_json", shell.run("--json integration list"));
        if !HAS_ALWAYS_A_KEYCHAIN {
            assert_snapshot!(
                "integration_secret",
                shell.run_with(&format!("{} --secret-stdin", add.replace("Contoso", "With")), "not~a~real~secret\n")
            );
        }
    });
    let listed = shell.run("integration list");
    let id = listed.lines().find_map(|line| line.strip_prefix("out: microsoft-")).expect("an id");
    let id = format!("microsoft-{}", &id[..6]);
    steady(|| {
        assert_snapshot!(
            "integration_edit",
            shell.run(&format!("integration edit {id} --name Fabrikam --way-back deep-link"))
        );
        assert_snapshot!("integration_default", shell.run(&format!("integration default {id}")));
        assert_snapshot!("connection_add_link", shell.run(&format!("connection add outlook --yes --integration {id}")));
        assert_snapshot!(
            "integration_edit_json",
            shell.run(&format!("--json integration edit {id} --way-back loopback"))
        );
        assert_snapshot!("integration_default_json", shell.run(&format!("--json integration default {id}")));
        assert_snapshot!("integration_add_json", shell.run(&format!("--json {}", add.replace("Contoso", "Third"))));
        assert_snapshot!("integration_remove", shell.run(&format!("integration remove {id}")));
        let third = shell.run("integration list");
        let third = third.lines().find(|line| line.contains("Third")).and_then(|line| line.get(5..21)).expect("an id");
        assert_snapshot!("integration_remove_json", shell.run(&format!("--json integration remove {third}")));
        assert_snapshot!("integration_gone", shell.run(&format!("integration check {id}")));
        assert_snapshot!("integration_gone_json", shell.run(&format!("--json integration default {id}")));
    });
}

#[test]
fn connections_without_any() {
    let shell = Shell::new();
    steady(|| {
        assert_snapshot!("connection_list", shell.run("connection list"));
        assert_snapshot!("connection_list_json", shell.run("--json connection list"));
        assert_snapshot!("connection_add_none", shell.run("connection add teams --yes"));
        assert_snapshot!("connection_add_nobody_to_ask", shell.run("connection add teams"));
        assert_snapshot!("connection_gone", shell.run("connection token outlook-aaaaaaaa"));
        assert_snapshot!("connection_test_gone", shell.run("connection test outlook-aaaaaaaa"));
        assert_snapshot!("connection_remove_gone", shell.run("--json connection remove outlook-aaaaaaaa"));
    });
}

#[test]
fn settings_the_record_and_health() {
    let shell = Shell::new();
    steady(|| {
        assert_snapshot!("config_set", shell.run("config set clipboard__seconds 60"));
        assert_snapshot!("config_get", shell.run("config get clipboard__seconds"));
        assert_snapshot!("config_set_json", shell.run("--json config set clipboard__seconds 60"));
        assert_snapshot!("config_list", shell.run("config list"));
        assert_snapshot!("config_list_json", shell.run("--json config list"));
        if !HAS_ALWAYS_A_KEYCHAIN {
            assert_snapshot!("config_credential", shell.run("config set runtime__credential planted"));
            assert_snapshot!("vault_without_passphrase", shell.run("config set vault file"));
        }
        assert_snapshot!("stop", shell.run("stop"));
        assert_snapshot!("stop_json", shell.run("--json stop"));
        assert_snapshot!("token_stopped", shell.run("connection token outlook-aaaaaaaa"));
        assert_snapshot!("status", shell.run("status"));
        assert_snapshot!("status_json", shell.run("--json status"));
        assert_snapshot!("serve_off", {
            shell.run("config set gateway__on false");
            shell.run("serve")
        });
        assert_snapshot!("resume", shell.run("resume"));
        assert_snapshot!("resume_json", shell.run("--json resume"));
        // What follows depends on the desktop of this machine.
        let doctor = shell.run("doctor");
        let before_desktop = doctor.find("out: warn  Links").or(doctor.find("out: -     Links")).unwrap_or_default();
        if !HAS_ALWAYS_A_KEYCHAIN {
            assert_snapshot!("doctor_server", &doctor[..before_desktop]);
        }
        assert_snapshot!("activity", shell.run("activity"));
        assert_snapshot!("activity_json", shell.run("--json activity --since 1h"));
        assert_snapshot!("activity_account", shell.run("activity --account nobody@contoso.example"));
        assert_snapshot!("activity_timeline_form", shell.run("activity --account nobody@contoso.example --to it.txt"));
        assert_snapshot!("activity_check_none", shell.run("activity --check no-such-file.json"));
        assert_snapshot!("activity_verify", shell.run("activity --verify"));
        assert_snapshot!("activity_verify_json", shell.run("--json activity --verify"));
        assert_snapshot!("config_get_json", shell.run("--json config get clipboard__seconds"));
        assert_snapshot!("explain_unknown_json", shell.run("--json explain nothing"));
        let doctor = shell.run("--json doctor");
        if !HAS_ALWAYS_A_KEYCHAIN {
            assert_snapshot!("doctor_server_json", doctor.split(r#""id": "deep_link""#).next().unwrap_or_default());
        }
        assert_snapshot!("explain_unknown", shell.run("explain nothing"));
    });
}

// The passphrase is kept from other accounts as Unix does it.
#[cfg(unix)]
#[test]
fn a_secret_has_a_last_day_and_the_next_one_another() {
    use std::os::unix::fs::OpenOptionsExt;
    let shell = Shell::new();
    let private = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(shell.passphrase());
    private.expect("made").write_all(b"a passphrase of the test").expect("written");
    assert!(shell.run("config set vault file").starts_with("exit 0"));
    let add = "--json integration add --name Contoso --client-id 11111111-2222-3333-4444-555555555555 \
               --tenant contoso.com --scopes User.Read --secret-stdin --secret-ends 2027-01-31";
    let added = shell.run_with(add, "not~a~real~secret\n");
    assert!(added.contains(r#""secret_expires_at": "2027-0"#), "{added}");
    let at = added.find("microsoft-").expect("an id");
    let id = &added[at..at + "microsoft-".len() + 6];
    let renamed = shell.run(&format!("--json integration edit {id} --name Fabrikam"));
    assert!(renamed.contains(r#""secret_expires_at": "2027-0"#), "{renamed}");
    let replaced = shell.run_with(&format!("--json integration edit {id} --secret-stdin"), "another~one~of~none\n");
    assert!(replaced.contains(r#""secret_expires_at": null"#), "{replaced}");
}

#[test]
fn completions_and_the_manual_name_every_command() {
    let shell = Shell::new();
    let (bash, man) = (shell.run("completions bash"), shell.run("man"));
    for command in ["key", "integration", "connection", "activity", "serve", "status", "doctor", "config", "stop"] {
        assert!(bash.contains(command), "{command} can't be completed");
        assert!(man.contains(command), "{command} is not in the manual");
    }
}

#[test]
fn each_command_has_a_manual_page() {
    let shell = Shell::new();
    let dir = shell.0.path().join("man");
    std::fs::create_dir(&dir).expect("a folder");
    assert!(shell.run(&format!("man --dir {}", dir.display())).starts_with("exit 0"));
    let page = std::fs::read_to_string(dir.join("atthene-key-create.1")).expect("a page");
    assert!(page.contains("expires"), "{page}");
    let page = std::fs::read_to_string(dir.join("atthene.1")).expect("a page");
    assert!(page.contains("Exit codes"), "{page}");
}

#[test]
fn what_is_added_is_followed_line_by_line() {
    use std::io::BufRead;
    let shell = Shell::new();
    let mut following = Command::new(env!("CARGO_BIN_EXE_atthene"))
        .args(["--json", "activity", "--follow"])
        .env("ATTHENE_DATA_DIR", shell.0.path().join("data"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let (tell, told) = std::sync::mpsc::channel();
    let stdout = following.stdout.take().expect("a pipe");
    std::thread::spawn(move || {
        std::io::BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| drop(tell.send(line)));
    });
    // It follows from the moment it is ready, which nobody is told: so something is done until it is heard.
    let heard = (0..100).find_map(|n| {
        shell.run(&format!("config set clipboard__seconds {}", 10 + n));
        told.recv_timeout(std::time::Duration::from_millis(300)).ok()
    });
    following.kill().expect("ends");
    following.wait().expect("ends");
    let heard: serde_json::Value = serde_json::from_str(&heard.expect("a line")).expect("JSON");
    assert_eq!(heard["kind"], "settings_changed");
}
