//! Integrations over real SQLite: rules, the order of secret and row, and what a crash leaves.

use std::sync::{Arc, Mutex};

use atthene_core::integrations::{
    AuthorityDraft, Draft, Field, Health, IntegrationId, IntegrationView, Platform, RedirectDraft, StepReport,
    StepState, StoredSecret,
};
use atthene_core::provider::Cloud;
use atthene_core::{Change, Code, Core, Error, MicrosoftPolicy, Policy, SecretChange, UnixMs};
use proptest::prelude::*;

use atthene_test_support::authority::ScriptedAuthority;
use atthene_test_support::machine::{Machine, START};
use atthene_test_support::vaults::SharedVault;

const CLIENT_ID: &str = "11111111-2222-3333-4444-555555555555";
const TENANT: &str = "99999999-2222-3333-4444-555555555555";
const PLANTED: &str = "planted~client.secret";

fn open(machine: &Machine, vault: &SharedVault) -> Arc<Core> {
    machine.open_with(vault.clone())
}

fn draft(core: &Core, name: &str) -> Draft {
    Draft {
        name: name.to_owned(),
        client_id: CLIENT_ID.to_owned(),
        authority: AuthorityDraft::Entra { cloud: Cloud::Global, tenant: TENANT.to_owned() },
        scopes: vec!["User.Read".to_owned(), "Mail.Read".to_owned()],
        ..core.integrations.fresh_draft()
    }
}

fn secret(text: &str) -> SecretChange {
    SecretChange::Replace(text.into())
}

fn custom(core: &Core) -> Vec<IntegrationView> {
    let all = core.integrations.list().expect("lists");
    all.into_iter().filter(|view| !view.id.is_built_in()).collect()
}

fn field(error: &Error) -> Option<Field> {
    match error {
        Error::Integration(problem) => Some(problem.field),
        _ => None,
    }
}

#[tokio::test]
async fn an_integration_is_added_edited_and_deleted_with_its_secret() {
    let (machine, vault) = (Machine::new(), SharedVault::default());
    let core = open(&machine, &vault);
    let mut changes = core.changes().subscribe();
    let form = draft(&core, " Contoso ");
    let added = core.save_integration(form.clone(), secret(&format!(" {PLANTED}\n"))).await.expect("saves");
    assert_eq!((added.name.as_str(), added.secret, added.platform), ("Contoso", StoredSecret::Stored, Platform::Web));
    assert_eq!(added.redirect_uri, format!("http://localhost/oauth/{}/callback", added.id.as_str()));
    assert_eq!(changes.recv().await, Ok(Change::Integrations));
    assert_eq!(vault.names(), [format!("Client secret of {}", added.id.as_str())]);

    let mut edited = core.integrations.draft(&added.id).expect("a form");
    edited.name = "Contoso Ltd".to_owned();
    let kept = core.save_integration(edited.clone(), SecretChange::Keep).await.expect("saves");
    assert_eq!((kept.secret, kept.redirect_uri), (StoredSecret::Stored, added.redirect_uri));
    core.save_integration(edited.clone(), secret("another~one")).await.expect("saves");
    assert_eq!(vault.values(), ["another~one"]);
    let public = core.save_integration(edited, SecretChange::Remove).await.expect("saves");
    assert_eq!((public.secret, public.platform), (StoredSecret::None, Platform::MobileAndDesktop));
    assert!(vault.names().is_empty());

    core.delete_integration(&added.id).await.expect("deletes");
    assert!(custom(&core).is_empty());
    let again = core.delete_integration(&added.id).await.expect_err("gone");
    assert_eq!(again.code(), Code::IntegrationNotFound);
    // The planted secret was never on the disk, in a row of the record or elsewhere.
    drop(core);
    for entry in std::fs::read_dir(machine.dir.path()).expect("reads") {
        // The log goes with the last connection, which the watching thread may still hold.
        let Ok(bytes) = std::fs::read(entry.expect("an entry").path()) else { continue };
        for planted in [PLANTED, "another~one"] {
            assert!(!bytes.windows(planted.len()).any(|part| part == planted.as_bytes()));
        }
    }
}

#[tokio::test]
async fn every_field_is_checked_and_nothing_half_made_stays() {
    let (machine, vault) = (Machine::new(), SharedVault::default());
    let core = open(&machine, &vault);
    let form = draft(&core, "Contoso");
    let changed = |change: fn(&mut Draft)| {
        let mut form = form.clone();
        change(&mut form);
        form
    };
    for (wrong, expected) in [
        (changed(|form| form.name = "x".repeat(10_000)), Field::Name),
        (changed(|form| form.name = "evil\u{202e}".into()), Field::Name),
        (changed(|form| form.client_id = "11111111 2222".into()), Field::ClientId),
        (changed(|form| form.scopes = (0..400).map(|at| format!("Thing.{at}")).collect()), Field::Scopes),
        (changed(|form| form.scopes.clear()), Field::Scopes),
        (changed(|form| form.redirect = RedirectDraft::DeepLink), Field::Redirect),
        (changed(|form| form.redirect = RedirectDraft::Page { url: "http://a.example".into() }), Field::Page),
        (changed(|form| form.secret_expires_at = Some(UnixMs(i64::MAX))), Field::SecretExpiry),
        (
            changed(|form| form.authority = AuthorityDraft::Entra { cloud: Cloud::China, tenant: "consumer".into() }),
            Field::Tenant,
        ),
        (
            changed(|form| {
                form.authority = AuthorityDraft::Custom { issuer: "http://evil.example".into(), graph: String::new() };
            }),
            Field::Issuer,
        ),
    ] {
        let report = core.integrations.report(&wrong, &secret(PLANTED)).expect("reports");
        assert_eq!(report.problems.first().map(|problem| problem.field), Some(expected));
        let error = core.save_integration(wrong, secret(PLANTED)).await.expect_err("refused");
        assert_eq!(field(&error), Some(expected), "{error}");
    }
    let error = core.save_integration(form.clone(), secret(CLIENT_ID)).await.expect_err("a Secret ID");
    assert_eq!(field(&error), Some(Field::Secret));
    assert!(vault.names().is_empty() && custom(&core).is_empty());

    core.save_integration(form, secret(PLANTED)).await.expect("saves");
    let twin = core.save_integration(draft(&core, "CONTOSO"), secret("x~y")).await.expect_err("a duplicate name");
    assert_eq!(field(&twin), Some(Field::Name));
    assert_eq!(vault.names().len(), 1);
}

#[tokio::test]
async fn a_keychain_that_refuses_is_named_and_nothing_is_saved() {
    let (machine, vault) = (Machine::new(), SharedVault::default());
    let core = open(&machine, &vault);
    *vault.refuses.lock().expect("not poisoned") = true;
    let error = core.save_integration(draft(&core, "Contoso"), secret(PLANTED)).await.expect_err("locked");
    assert_eq!(error.code(), Code::KeychainLocked);
    assert!(custom(&core).is_empty());
    // A public client needs no keychain.
    core.save_integration(draft(&core, "Public"), SecretChange::Keep).await.expect("saves");
}

#[tokio::test]
async fn the_default_is_one_and_falls_back_to_the_built_in_one() {
    let (machine, vault) = (Machine::new(), SharedVault::default());
    let policy = Policy {
        microsoft: MicrosoftPolicy { client_id: Some(TENANT.into()), ..MicrosoftPolicy::default() },
        ..Policy::default()
    };
    let core = machine.open_under(vault, policy);
    let default = || {
        let all = core.integrations.list().expect("lists");
        let mut defaults = all.iter().filter(|view| view.is_default);
        let only = defaults.next().map(|view| view.id.clone());
        assert!(defaults.next().is_none(), "two defaults");
        only
    };
    assert_eq!(default(), Some(IntegrationId::built_in()));
    let one = core.save_integration(draft(&core, "One"), SecretChange::Keep).await.expect("saves").id;
    let two = core.save_integration(draft(&core, "Two"), SecretChange::Keep).await.expect("saves").id;
    core.integrations.set_default(&one).expect("sets");
    core.integrations.set_default(&two).expect("sets");
    assert_eq!(default(), Some(two.clone()));
    core.delete_integration(&two).await.expect("deletes");
    assert_eq!(default(), Some(IntegrationId::built_in()));
    core.integrations.set_default(&one).expect("sets");
    core.integrations.set_default(&IntegrationId::built_in()).expect("sets");
    assert_eq!(default(), Some(IntegrationId::built_in()));
    assert_eq!(
        core.delete_integration(&IntegrationId::built_in()).await.expect_err("fixed").code(),
        Code::BuiltInIsFixed
    );
}

#[tokio::test]
async fn the_first_one_is_the_default_where_there_is_no_built_in_one() {
    let (machine, vault) = (Machine::new(), SharedVault::default());
    let policy = Policy {
        microsoft: MicrosoftPolicy { hide_built_in: true, ..MicrosoftPolicy::default() },
        ..Policy::default()
    };
    let core = machine.open_under(vault, policy);
    for (name, is_default) in [("One", true), ("Two", false)] {
        let view = core.save_integration(draft(&core, name), SecretChange::Keep).await.expect("saves");
        assert_eq!(view.is_default, is_default, "{name}");
    }
}

#[tokio::test]
async fn a_secret_without_a_row_is_swept_at_the_next_start() {
    let (machine, vault) = (Machine::new(), SharedVault::default());
    let core = open(&machine, &vault);
    let (halted, go_on) = vault.halt_at_next_change();
    let form = draft(&core, "Contoso");
    let saving = tokio::spawn({
        let core = core.clone();
        async move { core.save_integration(form, secret(PLANTED)).await }
    });
    // The secret is in the keychain, the row is not written: here the process ends.
    tokio::task::spawn_blocking(move || halted.recv()).await.expect("no panic").expect("halts");
    saving.abort();
    assert!(saving.await.is_err());
    drop(go_on);
    drop(core);
    assert_eq!(vault.names().len(), 1);

    let core = open(&machine, &vault);
    assert!(custom(&core).is_empty(), "something half-made is shown");
    core.reconcile_secrets().await.expect("sweeps");
    assert!(vault.names().is_empty(), "an orphan stays");
}

#[tokio::test]
async fn a_row_that_is_gone_takes_its_secret_along_at_the_next_start() {
    let (machine, vault) = (Machine::new(), SharedVault::default());
    let core = open(&machine, &vault);
    let id = core.save_integration(draft(&core, "Contoso"), secret(PLANTED)).await.expect("saves").id;
    let (halted, go_on) = vault.halt_at_next_change();
    let deleting = tokio::spawn({
        let core = core.clone();
        async move { core.delete_integration(&id).await }
    });
    tokio::task::spawn_blocking(move || halted.recv()).await.expect("no panic").expect("halts");
    deleting.abort();
    assert!(deleting.await.is_err());
    // The process ended before the keychain did its part: put back what the thread removes.
    let left = vault.entries.lock().expect("not poisoned").clone();
    drop(go_on);
    drop(core);
    let after = SharedVault { entries: Arc::new(Mutex::new(left)), ..SharedVault::default() };
    assert_eq!(after.names().len(), 1);

    let core = open(&machine, &after);
    assert!(custom(&core).is_empty());
    core.reconcile_secrets().await.expect("sweeps");
    assert!(after.names().is_empty(), "an orphan stays");
}

#[tokio::test]
async fn a_row_whose_secret_is_gone_says_so() {
    let (machine, vault) = (Machine::new(), SharedVault::default());
    let core = open(&machine, &vault);
    let id = core.save_integration(draft(&core, "Contoso"), secret(PLANTED)).await.expect("saves").id;
    core.reconcile_secrets().await.expect("settles");
    assert_eq!(custom(&core)[0].secret, StoredSecret::Stored);
    vault.entries.lock().expect("not poisoned").clear();
    core.reconcile_secrets().await.expect("settles");
    assert_eq!((custom(&core)[0].secret, custom(&core)[0].health), (StoredSecret::Missing, Health::SecretMissing));
    let form = core.integrations.draft(&id).expect("a form");
    let restored = core.save_integration(form, secret(PLANTED)).await.expect("saves");
    assert_eq!(restored.secret, StoredSecret::Stored);
}

#[tokio::test]
async fn a_secret_warns_before_its_day_and_after_it() {
    let (machine, vault) = (Machine::new(), SharedVault::default());
    let core = open(&machine, &vault);
    let form = Draft { secret_expires_at: Some(UnixMs(START + 31 * UnixMs::DAY)), ..draft(&core, "Contoso") };
    core.save_integration(form, secret(PLANTED)).await.expect("saves");
    for (step, health) in
        [(0, Health::Unchecked), (UnixMs::DAY, Health::SecretExpiring), (30 * UnixMs::DAY, Health::SecretExpired)]
    {
        machine.step(step);
        assert_eq!(custom(&core)[0].health, health);
    }
}

#[tokio::test]
async fn what_another_process_adds_is_heard() {
    let (machine, vault) = (Machine::new(), SharedVault::default());
    let (one, other) = (open(&machine, &vault), open(&machine, &vault));
    let mut changes = other.changes().subscribe();
    one.save_integration(draft(&one, "Contoso"), SecretChange::Keep).await.expect("saves");
    assert_eq!(changes.recv().await, Ok(Change::Integrations));
    assert_eq!(custom(&other).len(), 1);
}

async fn preflight(core: &Core, form: &Draft, change: SecretChange) -> (bool, Vec<String>) {
    let mut steps: Vec<(String, String)> = Vec::new();
    let mut tell = |report: StepReport| {
        let step = format!("{:?}", report.step);
        let state = match report.state {
            StepState::Running => "running".to_owned(),
            StepState::Passed { .. } => "passed".to_owned(),
            StepState::Warned { .. } => "warned".to_owned(),
            StepState::Skipped { .. } => "skipped".to_owned(),
            StepState::Failed { failure } => format!("failed {:?}", failure.aadsts),
        };
        steps.retain(|(known, _)| *known != step);
        steps.push((step, state));
    };
    let passed = core.integrations.preflight(form.clone(), change, &mut tell).await.expect("asks");
    (passed, steps.into_iter().map(|(step, state)| format!("{step} {state}")).collect())
}

#[tokio::test]
async fn a_preflight_names_the_step_that_fails() {
    let (machine, vault) = (Machine::new(), SharedVault::default());
    let core = open(&machine, &vault);
    // {"roles":["Mail.ReadWrite"]}
    let mighty =
        r#"{"token_type":"Bearer","expires_in":3599,"access_token":"e30.eyJyb2xlcyI6WyJNYWlsLlJlYWRXcml0ZSJdfQ.x"}"#;
    let cases = [
        (r#"{"token_type":"Bearer","expires_in":3599,"access_token":"opaque"}"#, 200, ["passed", "passed"]),
        (mighty, 200, ["passed", "warned"]),
        (
            r#"{"error":"unauthorized_client","error_description":"AADSTS700016: x","error_codes":[700016]}"#,
            400,
            ["failed Some(700016)", "skipped"],
        ),
        (
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: planted~client.secret","error_codes":[7000215]}"#,
            401,
            ["passed", "failed Some(7000215)"],
        ),
        (r#"{"error":"invalid_client","error_codes":[7000222]}"#, 401, ["passed", "failed Some(7000222)"]),
        (r#"{"error":"invalid_client"}"#, 401, ["skipped", "failed None"]),
        ("<html>a login page</html>", 200, ["skipped", "failed None"]),
    ];
    for (token, status, [client, answer]) in cases {
        let issuer = ScriptedAuthority::start(move |_| (status, "", token.to_owned())).await.issuer;
        let form = Draft {
            authority: AuthorityDraft::Custom { issuer, graph: "http://127.0.0.1:1".to_owned() },
            ..draft(&core, "Contoso")
        };
        let (passed, steps) = preflight(&core, &form, secret(PLANTED)).await;
        let expected = [
            "Authority passed".to_owned(),
            format!("ClientId {client}"),
            format!("Secret {answer}"),
            "Scopes passed".to_owned(),
            "RedirectUri skipped".to_owned(),
        ];
        assert_eq!(steps, expected, "{token}");
        assert_eq!(passed, !answer.starts_with("failed") && !client.starts_with("failed"));
        // Saved as it was asked about, the outcome is kept; the secret is not.
        let view = core.save_integration(form, secret(PLANTED)).await.expect("saves");
        let check = view.check.expect("was checked");
        assert_eq!(check.problem.is_none(), passed);
        assert!(!check.problem.unwrap_or_default().contains(PLANTED));
        core.delete_integration(&view.id).await.expect("deletes");
    }
}

#[tokio::test]
async fn an_authority_that_is_none_is_said() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (machine, vault) = (Machine::new(), SharedVault::default());
    let core = open(&machine, &vault);
    for body in ["<html>a login page</html>", "{}", "[1, 2", ""] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a call");
            let _ = stream.read(&mut [0; 4096]).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await;
        });
        let form =
            Draft { authority: AuthorityDraft::Custom { issuer, graph: String::new() }, ..draft(&core, "Contoso") };
        let (passed, steps) = preflight(&core, &form, secret(PLANTED)).await;
        assert!(!passed && steps[0] == "Authority failed None", "{body}: {steps:?}");
        assert_eq!(steps[2], "Secret skipped", "the secret was sent to what is no authority");
    }
}

#[tokio::test]
async fn what_was_changed_after_a_preflight_counts_as_unchecked() {
    let (machine, vault) = (Machine::new(), SharedVault::default());
    let core = open(&machine, &vault);
    let token = r#"{"token_type":"Bearer","access_token":"opaque"}"#;
    let issuer = ScriptedAuthority::start(move |_| (200, "", token.to_owned())).await.issuer;
    let form = Draft {
        authority: AuthorityDraft::Custom { issuer, graph: "http://127.0.0.1:1".to_owned() },
        ..draft(&core, "Contoso")
    };
    assert!(preflight(&core, &form, secret(PLANTED)).await.0);
    let other_secret = core.save_integration(form.clone(), secret("another~one")).await.expect("saves");
    assert_eq!(other_secret.health, Health::Unchecked);
    // Asked again as it is saved, with the secret from the keychain.
    assert!(preflight(&core, &form, SecretChange::Keep).await.0);
    assert_eq!(custom(&core)[0].health, Health::Passed);
    let renamed = Draft { name: "Renamed".to_owned(), ..form };
    let renamed = core.save_integration(renamed, SecretChange::Keep).await.expect("saves");
    assert_eq!(renamed.health, Health::Unchecked);
}

#[tokio::test]
async fn d11_a_check_that_reached_nobody_leaves_what_was_found_before() {
    let (machine, vault) = (Machine::new(), SharedVault::default());
    let core = open(&machine, &vault);
    let token = r#"{"token_type":"Bearer","access_token":"opaque"}"#;
    let authority = ScriptedAuthority::start(move |_| (200, "", token.to_owned())).await;
    let form = Draft {
        authority: AuthorityDraft::Custom { issuer: authority.issuer.clone(), graph: "http://127.0.0.1:1".to_owned() },
        ..draft(&core, "Contoso")
    };
    core.save_integration(form.clone(), secret(PLANTED)).await.expect("saves");
    assert!(preflight(&core, &form, SecretChange::Keep).await.0);
    let found = custom(&core)[0].check.clone().expect("was checked");
    authority.says(|_| (503, "", String::new()));
    machine.step(60_000);
    assert!(!preflight(&core, &form, SecretChange::Keep).await.0);
    assert_eq!((custom(&core)[0].health, custom(&core)[0].check.clone()), (Health::Passed, Some(found)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is typed, the form answers; what it lets through is saved and reads back alike.
    #[test]
    fn a_form_never_breaks(name in "\\PC{0,90}", client in "\\PC{0,40}", tenant in "\\PC{0,30}", scope in "\\PC{0,30}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (machine, vault) = (Machine::new(), SharedVault::default());
            let core = open(&machine, &vault);
            let form = Draft {
                name,
                client_id: client,
                authority: AuthorityDraft::Entra { cloud: Cloud::Global, tenant },
                scopes: vec![scope],
                ..core.integrations.fresh_draft()
            };
            let problems = core.integrations.report(&form, &SecretChange::Keep).expect("reports").problems;
            let saved = core.save_integration(form.clone(), SecretChange::Keep).await;
            assert_eq!(problems.is_empty(), saved.is_ok());
            if let Ok(view) = saved {
                let again = core.integrations.draft(&view.id).expect("a form");
                assert!(core.integrations.report(&again, &SecretChange::Keep).expect("reports").problems.is_empty());
            }
        });
    }
}

#[test]
fn the_policy_sets_the_built_in_one_up_and_hides_it() {
    let shown = |policy: MicrosoftPolicy| {
        let policy = Policy { microsoft: policy, ..Policy::default() };
        Machine::new().open_under(SharedVault::default(), policy).integrations.list().expect("lists").pop()
    };
    let policy =
        MicrosoftPolicy { client_id: Some(CLIENT_ID.into()), tenant: Some("contoso.com".into()), hide_built_in: false };
    let view = shown(policy.clone()).expect("shown");
    assert_eq!(view.client_id.as_deref(), Some(CLIENT_ID));
    assert_eq!(view.authority, "login.microsoftonline.com/contoso.com");
    assert!(view.is_default && view.health == Health::Unchecked);
    assert!(shown(MicrosoftPolicy { hide_built_in: true, ..policy }).is_none());
    // Without a client ID, as in a build that brings none, it says so and is no default.
    let unusable = MicrosoftPolicy { client_id: Some("no client ID".into()), ..MicrosoftPolicy::default() };
    let view = shown(unusable).expect("shown");
    assert!(!view.is_default && view.health == Health::NotSetUp);
}
