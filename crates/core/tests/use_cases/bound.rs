//! A secret goes nowhere but where it belongs (S1), whatever becomes of rows and backups.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use atthene_core::connections::{Answer, ConnectionId, ConnectionState, Progress, ReturnPath, SignInRequest, Toolkit};
use atthene_core::integrations::{AuthorityDraft, Draft, Field, IntegrationId, StoredSecret};
use atthene_core::{Change, Code, Core, Error, SecretChange, Settings, UnixMs};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;
use tokio::sync::broadcast::Receiver;

use atthene_test_support::authority::{CLIENT_ID, ScriptedAuthority, TENANT, id_token, ok};
use atthene_test_support::machine::{Machine, START};
use atthene_test_support::raw_rows::RawRows;
use atthene_test_support::vaults::SharedVault;
use atthene_test_support::world::{PLANTED, World, confirmed, open, parameter, rotates, tokens};

const SECRET: &str = "planted~client.secret";
const OTHER_CLIENT: &str = "66666666-2222-3333-4444-555555555555";

fn forms(authority: &ScriptedAuthority) -> String {
    format!("{:?}", authority.calls())
}

#[tokio::test]
async fn s1_an_edited_authority_gets_neither_the_secret_nor_the_sign_in_of_the_one_before() {
    let world = World::new(SecretChange::Replace(SECRET.into())).await;
    let id = world.connect("ada").await;
    let second = ScriptedAuthority::start(|_| tokens("access-2", "rotated-2")).await;
    let elsewhere = |draft: &Draft| Draft {
        authority: AuthorityDraft::Custom { issuer: second.issuer.clone(), graph: "http://127.0.0.1:1".to_owned() },
        ..draft.clone()
    };
    let draft = elsewhere(&world.core.integrations.draft(&world.integration).expect("a form"));

    let report = world.core.integrations.report(&draft, &SecretChange::Keep).expect("reports");
    assert_eq!(report.signs_out, ["ada@contoso.com"], "whoever has to sign in again is named before");
    assert_eq!(report.problems[0].field, Field::Secret, "the secret is asked for anew: {:?}", report.problems);
    let kept = world.core.save_integration(draft.clone(), SecretChange::Keep).await.expect_err("refused");
    assert_eq!(kept.code(), Code::InvalidIntegration);
    let passed = world.core.integrations.preflight(draft.clone(), SecretChange::Keep, &mut |_| {}).await;
    assert!(passed.is_err(), "nothing is asked with a secret that belongs elsewhere");

    let typed = SecretChange::Replace("second~client.secret".into());
    world.core.save_integration(draft, typed).await.expect("saves");
    assert_eq!(world.only().state, ConnectionState::NeedsSignIn);
    assert!(world.only().problem.expect("a reason").contains("another authority"));
    let ended = world.core.connections.fresh(&id).await.map(drop).expect_err("ended, also what was at hand");
    assert_eq!(ended.code(), Code::NeedsSignIn);
    assert!(!world.vault.values().contains(&PLANTED.to_owned()), "what nobody may be sent is not kept");
    for planted in [SECRET, PLANTED] {
        assert!(!forms(&second).contains(planted), "{planted} went to {}", second.issuer);
    }
}

#[tokio::test]
async fn s1_every_part_of_where_an_integration_leads_ends_its_sign_ins() {
    type Edit = fn(&mut Draft);
    let changes: [(&str, Edit); 3] = [
        ("client ID", |draft| draft.client_id = OTHER_CLIENT.to_owned()),
        ("tenant", |draft| {
            draft.authority =
                AuthorityDraft::Entra { cloud: atthene_core::provider::Cloud::China, tenant: "contoso.com".to_owned() };
        }),
        // The same authority would give access, which would open another Graph.
        ("Graph", |draft| {
            if let AuthorityDraft::Custom { graph, .. } = &mut draft.authority {
                "http://127.0.0.1:2".clone_into(graph);
            }
        }),
    ];
    for (what, change) in changes {
        let world = World::new(SecretChange::Keep).await;
        let id = world.connect("ada").await;
        let mut draft = world.core.integrations.draft(&world.integration).expect("a form");
        change(&mut draft);
        world.core.save_integration(draft, SecretChange::Keep).await.expect("a public client has no secret to ask for");
        assert_eq!(world.only().state, ConnectionState::NeedsSignIn, "{what}");
        assert!(world.core.connections.fresh(&id).await.is_err(), "{what}");
        // The authority itself is the same one here: it works again, and asks who signed in.
        if what == "Graph" {
            let begun = world.begin(SignInRequest { again: Some(id.clone()), ..world.request() }).await;
            world.signs_in(&begun.link, "ada");
            let form = format!("code=c&state={}", parameter(&begun.link, "state"));
            let answer = Answer::from_form(&form).expect("an answer");
            let progress = world.core.connections.answer(answer, &world.door()).await.expect("is waited for");
            assert!(matches!(progress, Progress::Confirm { .. }), "{what}: {progress:?}");
            let done = world.core.connections.confirm(&begun.id).await.expect("confirms");
            assert!(matches!(done, Progress::Done { .. }), "{what}: {done:?}");
        }
    }
    // What leads nowhere else ends nothing: at most, access is had anew.
    let world = World::new(SecretChange::Replace(SECRET.into())).await;
    let id = world.connect("ada").await;
    rotates(&world.authority);
    let mut draft = world.core.integrations.draft(&world.integration).expect("a form");
    draft.name = "Another name".to_owned();
    draft.scopes.push("Calendars.Read".to_owned());
    world.core.save_integration(draft, SecretChange::Keep).await.expect("saves");
    assert!(world.core.connections.fresh(&id).await.is_ok());
}

#[tokio::test]
async fn s1_what_another_process_ends_is_ended_here() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    world.core.connections.fresh(&id).await.expect("at hand");
    let other = open(&world.machine, &world.vault);
    let mut heard = world.core.changes().subscribe();
    let mut draft = other.integrations.draft(&world.integration).expect("a form");
    draft.client_id = OTHER_CLIENT.to_owned();
    other.save_integration(draft, SecretChange::Keep).await.expect("saves");
    let ended = heard_to_end(&world.core, &id, &mut heard).await;
    assert_eq!(ended.code(), Code::NeedsSignIn);

    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    world.core.connections.fresh(&id).await.expect("at hand");
    let other = open(&world.machine, &world.vault);
    let mut heard = world.core.changes().subscribe();
    other.connections.disconnect(&id).await.expect("signs out");
    let gone = heard_to_end(&world.core, &id, &mut heard).await;
    assert_eq!(gone.code(), Code::ConnectionNotFound);
}

/// Waits for the change that ends access at hand. What is heard first may still be this process's own.
async fn heard_to_end(core: &Core, id: &ConnectionId, heard: &mut Receiver<Change>) -> Error {
    let ended = async {
        loop {
            while heard.recv().await.expect("hears") != Change::Connections {}
            if let Err(error) = core.connections.fresh(id).await {
                return error;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), ended).await.expect("access outlived its sign-in")
}

#[tokio::test]
async fn s1_a_sign_in_under_way_is_not_finished_at_another_authority() {
    let world = World::new(SecretChange::Keep).await;
    let begun = world.begin(world.request()).await;
    let second = ScriptedAuthority::start(|_| tokens("access-2", "rotated-2")).await;
    let mut draft = world.core.integrations.draft(&world.integration).expect("a form");
    draft.authority = AuthorityDraft::Custom { issuer: second.issuer.clone(), graph: "http://127.0.0.1:1".to_owned() };
    world.core.save_integration(draft, SecretChange::Keep).await.expect("saves");
    let progress = world.answer(&format!("code=planted-code&state={}", parameter(&begun.link, "state"))).await;
    assert!(matches!(&progress, Progress::Failed { failure } if failure.what.contains("changed")), "{progress:?}");
    assert!(second.calls().is_empty(), "code and verifier went to another authority");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn s1_a_refresh_that_is_overtaken_by_an_edit_revives_nothing() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    world.machine.step(2 * UnixMs::HOUR);
    let (asked, was_asked) = std::sync::mpsc::channel();
    let (go_on, told) = std::sync::mpsc::channel::<()>();
    world.authority.says(move |_| {
        asked.send(()).expect("heard");
        tokio::task::block_in_place(|| told.recv()).expect("told");
        tokens("access-2", "rotated-2")
    });
    let refreshing = tokio::spawn({
        let (core, id) = (world.core.clone(), id.clone());
        async move { core.connections.fresh(&id).await.map(drop) }
    });
    tokio::task::spawn_blocking(move || was_asked.recv().expect("asks")).await.expect("no panic");
    let mut draft = world.core.integrations.draft(&world.integration).expect("a form");
    draft.client_id = OTHER_CLIENT.to_owned();
    world.core.save_integration(draft, SecretChange::Keep).await.expect("saves");
    go_on.send(()).expect("waits");
    assert!(refreshing.await.expect("no panic").is_err());
    assert_eq!(world.only().state, ConnectionState::NeedsSignIn);
    assert!(world.core.connections.fresh(&id).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn s1_a_sign_in_that_is_overtaken_by_an_edit_connects_nobody() {
    let world = World::new(SecretChange::Keep).await;
    let begun = world.begin(world.request()).await;
    let (asked, was_asked) = std::sync::mpsc::channel();
    let (go_on, told) = std::sync::mpsc::channel::<()>();
    let reply = world.sign_in_reply(&begun.link, "ada");
    world.authority.says(move |_| {
        asked.send(()).expect("heard");
        tokio::task::block_in_place(|| told.recv()).expect("told");
        reply.clone()
    });
    let (core, state) = (world.core.clone(), parameter(&begun.link, "state"));
    let path = world.door();
    let answering = tokio::spawn(async move {
        let answer = Answer::from_form(&format!("code=c&state={state}")).expect("an answer");
        let progress = core.connections.answer(answer, &path).await.expect("is waited for");
        match core.connections.unconfirmed().pop() {
            Some(asked) => core.connections.confirm(&asked.id).await.expect("confirms"),
            None => progress,
        }
    });
    tokio::task::spawn_blocking(move || was_asked.recv().expect("asks")).await.expect("no panic");
    let mut draft = world.core.integrations.draft(&world.integration).expect("a form");
    draft.client_id = OTHER_CLIENT.to_owned();
    world.core.save_integration(draft, SecretChange::Keep).await.expect("saves");
    go_on.send(()).expect("waits");
    let progress = answering.await.expect("no panic");
    assert!(matches!(progress, Progress::Failed { .. }), "{progress:?}");
    assert!(world.core.connections.list().expect("lists").is_empty());
}

#[tokio::test]
async fn s1_the_runtimes_credential_is_for_its_url() {
    let machine = Machine::new();
    let core = machine.open();
    let at = |url: &str| Settings { runtime_url: Some(url.into()), ..Settings::default() };
    core.save_settings(at("https://one.example"), SecretChange::Replace("not-a-real-credential".into()))
        .await
        .expect("saves");
    assert!(core.runtime_credential().await.expect("asks").is_some());
    // A row that was changed by somebody who can write the database.
    RawRows::of(machine.dir.path())
        .run("UPDATE settings SET value = '\"https://two.example\"' WHERE name = 'runtime_url'");
    core.read_again().expect("reads");
    assert_eq!(core.settings.current().runtime_url.as_deref(), Some("https://two.example"));
    let refused = core.runtime_credential().await.map(drop).expect_err("kept for another runtime");
    assert_eq!(refused.code(), Code::CredentialGone);
}

#[tokio::test]
async fn s9_a_credential_is_sent_over_https_or_not_at_all() {
    let machine = Machine::new();
    let core = machine.open();
    let at = |url: &str| Settings { runtime_url: Some(url.into()), ..Settings::default() };
    let credential = || SecretChange::Replace("not-a-real-credential".into());
    for url in
        ["http://192.0.2.7:8000", "http://agents.example", "http://127.0.0.1.evil.example", "http://[2001:db8::1]"]
    {
        let refused = core.save_settings(at(url), credential()).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidSetting, "{url}");
        assert!(refused.to_string().contains("https://"), "{refused}");
        assert!(core.runtime_credential().await.expect("asks").is_none(), "nothing is kept of what was refused");
        core.save_settings(at(url), SecretChange::Keep).await.expect("without a credential it is fine");
        core.save_settings(Settings::default(), SecretChange::Keep).await.expect("saves");
    }
    for url in ["https://agents.example", "http://127.0.0.1:8000", "http://[::1]:8000", "http://localhost"] {
        core.save_settings(at(url), credential()).await.expect("fine");
        assert!(core.runtime_credential().await.expect("asks").is_some(), "{url}");
    }
}

/// What an admin, a thief at the database, or time does.
#[derive(Debug, Clone)]
enum Act {
    Edit {
        authority: usize,
        secret: u8,
    },
    EditClient(bool),
    /// Somebody who can write the database changes the row alone.
    ForgeRow(usize),
    BackUp,
    Restore,
    SignIn,
    Refresh,
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..2_usize, 0..3_u8).prop_map(|(authority, secret)| Act::Edit { authority, secret }),
        1 => any::<bool>().prop_map(Act::EditClient),
        2 => (0..2_usize).prop_map(Act::ForgeRow),
        1 => Just(Act::BackUp),
        2 => Just(Act::Restore),
        4 => Just(Act::SignIn),
        4 => Just(Act::Refresh),
        1 => Just(Act::Restart),
    ]
}

/// One profile at two authorities; every secret says whose it is.
struct Two {
    machine: Machine,
    vault: SharedVault,
    core: Arc<Core>,
    authorities: [ScriptedAuthority; 2],
    integration: IntegrationId,
    typed: AtomicU32,
}

impl Two {
    async fn new() -> Self {
        let (machine, vault) = (Machine::new(), SharedVault::default());
        let start = async |which: usize| {
            let issued = AtomicU32::new(0);
            let authority = ScriptedAuthority::start(move |form| {
                let n = issued.fetch_add(1, Ordering::Relaxed);
                if form["grant_type"] == "refresh_token" {
                    return tokens("access", &format!("refresh-of-{which}-{n}"));
                }
                // Echoes the code, which holds the nonce of its attempt.
                let (issuer, nonce) = form["code"].split_once(' ').expect("a code of this test");
                let claims = json!({
                    "iss": issuer, "aud": form["client_id"], "exp": START / 1000 + 86_400 * 3650, "nonce": nonce,
                    "sub": "s", "oid": "ada", "tid": TENANT, "preferred_username": "ada@contoso.com",
                });
                ok(&json!({
                            "token_type": "Bearer", "access_token": "access", "expires_in": 3600,
                            "refresh_token": format!("refresh-of-{which}-{n}"), "id_token": id_token(&claims),
                }))
            })
            .await;
            authority.hurry();
            authority
        };
        let authorities = [start(0).await, start(1).await];
        let core = open(&machine, &vault);
        let draft = Draft {
            name: "Contoso".to_owned(),
            client_id: CLIENT_ID.to_owned(),
            authority: Self::authority(&authorities[0]),
            scopes: vec!["Mail.Read".to_owned()],
            ..core.integrations.fresh_draft()
        };
        let secret = SecretChange::Replace("secret-of-0-first".into());
        let integration = core.save_integration(draft, secret).await.expect("saves").id;
        Self { machine, vault, core, authorities, integration, typed: AtomicU32::new(0) }
    }

    fn authority(authority: &ScriptedAuthority) -> AuthorityDraft {
        AuthorityDraft::Custom { issuer: authority.issuer.clone(), graph: "http://127.0.0.1:1".to_owned() }
    }

    fn backup(&self) -> std::path::PathBuf {
        self.machine.dir.path().join("copy.backup")
    }

    async fn run(&mut self, act: &Act) {
        match act {
            Act::Edit { authority, secret } => {
                let Ok(mut draft) = self.core.integrations.draft(&self.integration) else { return };
                draft.authority = Self::authority(&self.authorities[*authority]);
                let n = self.typed.fetch_add(1, Ordering::Relaxed);
                let secret = match secret {
                    0 => SecretChange::Keep,
                    1 => SecretChange::Remove,
                    _ => SecretChange::Replace(format!("secret-of-{authority}-{n}").into()),
                };
                let _ = self.core.save_integration(draft, secret).await;
            }
            Act::EditClient(other) => {
                let Ok(mut draft) = self.core.integrations.draft(&self.integration) else { return };
                if *other { OTHER_CLIENT } else { CLIENT_ID }.clone_into(&mut draft.client_id);
                let _ = self.core.save_integration(draft, SecretChange::Keep).await;
            }
            Act::ForgeRow(authority) => {
                let forged = json!({
                    "kind": "custom", "issuer": self.authorities[*authority].issuer, "graph": "http://127.0.0.1:1",
                });
                let rows = RawRows::of(self.machine.dir.path());
                rows.run(&format!("UPDATE integrations SET authority = '{forged}', secret = 'stored'"));
                rows.run("UPDATE connections SET state = 'connected', confidential = true");
            }
            // PostgreSQL is copied and put back with its own tools.
            Act::BackUp | Act::Restore if atthene_test_support::databases::server().is_some() => {}
            Act::BackUp => self.core.back_up(&self.backup()).expect("backs up"),
            Act::Restore => drop(self.core.restore(&self.backup()).await),
            Act::SignIn => {
                let request = SignInRequest {
                    toolkit: Toolkit::Outlook,
                    integration: self.integration.clone(),
                    again: None,
                    switch_account: false,
                };
                let Ok(begun) = self.core.connections.begin(request, Some(4711)).await else { return };
                let issuer = begun.link.split("/authorize").next().expect("a link").to_owned();
                let issuer = format!("{issuer}/{TENANT}/v2.0");
                let code = format!("{issuer} {}", parameter(&begun.link, "nonce"));
                let form = url::form_urlencoded::Serializer::new(String::new())
                    .append_pair("state", &parameter(&begun.link, "state"))
                    .append_pair("code", &code)
                    .finish();
                let answer = Answer::from_form(&form).expect("an answer");
                let door = ReturnPath::Loopback(self.integration.clone());
                if let Ok(progress) = self.core.connections.answer(answer, &door).await {
                    confirmed(&self.core, progress).await;
                }
            }
            Act::Refresh => {
                self.machine.step(2 * UnixMs::HOUR);
                for connection in self.core.connections.list().expect("lists") {
                    let _ = self.core.connections.fresh(&connection.id).await;
                }
            }
            Act::Restart => {
                self.core = open(&self.machine, &self.vault);
                let _ = self.core.reconcile_secrets().await;
            }
        }
    }
}

/// No sequence of edits, forged rows, restores, refreshes and sign-ins sends a secret of one authority to
/// the other.
#[tokio::test]
async fn s1_in_a_thousand_sequences_no_secret_reaches_another_authority() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[42; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = prop::collection::vec(act(), 4..10);
    let mut two = Two::new().await;
    let (mut sent, mut acts) = ([0, 0], Vec::new());
    // Each act waits for a disk on PostgreSQL: fewer are enough where the rules are the same ones.
    let sequences = if atthene_test_support::databases::server().is_some() { 100 } else { 1000 };
    for _ in 0..sequences {
        let sequence = strategy.new_tree(&mut runner).expect("a sequence").current();
        for act in &sequence {
            two.run(act).await;
        }
        for (which, authority) in two.authorities.iter().enumerate() {
            let calls = authority.calls();
            for form in &calls[sent[which]..] {
                let other = 1 - which;
                let text = format!("{form:?}");
                for planted in [format!("secret-of-{other}"), format!("refresh-of-{other}")] {
                    assert!(!text.contains(&planted), "{planted} reached {which} in {sequence:?} after {acts:?}");
                }
            }
            sent[which] = calls.len();
        }
        acts = sequence;
    }
    let refreshed = |authority: &ScriptedAuthority| {
        authority.calls().iter().filter(|form| form.contains_key("refresh_token")).count()
    };
    let counts = [0, 1].map(|which| (sent[which], refreshed(&two.authorities[which])));
    println!("calls and refreshes at the two authorities: {counts:?}");
    assert!(
        counts.iter().all(|(calls, refreshes)| *calls > sequences / 10 && *refreshes > sequences / 20),
        "the sequences did nothing: {counts:?}"
    );
    let kept = two.core.integrations.list().expect("lists");
    assert!(kept.iter().all(|view| view.secret != StoredSecret::Stored || !two.vault.names().is_empty()));
}
