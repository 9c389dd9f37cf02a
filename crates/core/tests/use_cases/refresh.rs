//! Access that is renewed: at once, by several processes, and when it fails or is cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use atthene_core::connections::{ConnectionId, ConnectionState, Progress};
use atthene_core::integrations::{AuthorityDraft, Draft, RedirectDraft};
use atthene_core::{Clock, Code, Core, SecretChange, UnixMs};
use secrecy::ExposeSecret;
use serde_json::json;

use atthene_test_support::authority::{CLIENT_ID, Form, Reply, ScriptedAuthority, TENANT, id_token, ok, refused};
use atthene_test_support::machine::START;
use atthene_test_support::raw_rows::RawRows;
use atthene_test_support::vaults::FolderVault;
use atthene_test_support::world::{PLANTED, World, open, parameter, rotates, tokens};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_ask_at_once_cause_one_refresh() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    let before = world.authority.calls().len();
    world.authority.says(|_| tokens("access-2", "rotated"));
    // Four minutes are left: too few.
    world.machine.step(56 * 60 * 1000);
    let asking: Vec<_> = (0..1000)
        .map(|_| {
            let (core, id) = (world.core.clone(), id.clone());
            tokio::spawn(async move { core.connections.fresh(&id).await.expect("access").token })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.expect("no panic").expose_secret(), "access-2");
    }
    assert_eq!(world.authority.calls().len() - before, 1);
    assert_eq!(world.vault.values(), ["rotated"]);
}

#[tokio::test]
async fn two_processes_never_spend_one_refresh_token() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    let other = open(&world.machine, &world.vault);
    rotates(&world.authority);
    for _ in 0..10 {
        world.machine.step(58 * 60 * 1000);
        let (one, two) = tokio::join!(world.core.connections.fresh(&id), other.connections.fresh(&id));
        one.expect("access");
        two.expect("access");
    }
    assert_eq!(world.only().state, ConnectionState::Connected);
    let locks = world.machine.dir.path().join("locks");
    assert!(locks.join(id.as_str()).exists());
    world.core.connections.disconnect(&id).await.expect("disconnects");
    assert_eq!(std::fs::read_dir(locks).expect("a folder").count(), 0, "nothing is left of it");
}

#[tokio::test]
async fn each_failure_ends_in_the_state_that_it_calls_for() {
    use ConnectionState::{Connected, Failing, NeedsSignIn};
    let no_header = "";
    let cases: Vec<(Reply, ConnectionState, Code, bool)> = vec![
        (refused(400, "invalid_grant", "basic_action", 50076), NeedsSignIn, Code::NeedsSignIn, true),
        (refused(400, "interaction_required", "basic_action", 50076), NeedsSignIn, Code::NeedsSignIn, true),
        (refused(400, "invalid_grant", "additional_action", 50097), NeedsSignIn, Code::NeedsSignIn, true),
        (refused(400, "invalid_grant", "consent_required", 65001), NeedsSignIn, Code::NeedsSignIn, true),
        (refused(400, "invalid_grant", "user_password_expired", 50055), NeedsSignIn, Code::NeedsSignIn, true),
        (refused(400, "invalid_grant", "bad_token", 50173), NeedsSignIn, Code::NeedsSignIn, false),
        (refused(400, "invalid_grant", "token_expired", 700_082), NeedsSignIn, Code::NeedsSignIn, false),
        (refused(400, "invalid_grant", "message_only", 53003), Failing, Code::ConnectionFailing, true),
        (refused(400, "interaction_required", "message_only", 53003), Failing, Code::ConnectionFailing, true),
        (refused(400, "invalid_grant", "client_mismatch", 0), Failing, Code::ConnectionFailing, true),
        (refused(400, "invalid_grant", "device_authentication_failed", 50155), Failing, Code::ConnectionFailing, true),
        // The integration is to blame: no token is forgotten.
        (refused(401, "invalid_client", "", 7_000_222), Failing, Code::ConnectionFailing, true),
        (refused(401, "invalid_client", "", 7_000_215), Failing, Code::ConnectionFailing, true),
        (refused(400, "invalid_client", "", 7_000_218), Failing, Code::ConnectionFailing, true),
        (refused(400, "invalid_request", "", 9_002_326), Failing, Code::ConnectionFailing, true),
        (refused(400, "invalid_request", "", 9_002_327), Failing, Code::ConnectionFailing, true),
        (refused(400, "unauthorized_client", "", 700_016), Failing, Code::ConnectionFailing, true),
        // These say nothing about the sign-in.
        (refused(400, "invalid_grant", "", 50196), Connected, Code::ConnectionWaiting, true),
        (refused(400, "temporarily_unavailable", "", 90033), Connected, Code::ConnectionWaiting, true),
        ((429, "retry-after: 7\r\n", String::new()), Connected, Code::ConnectionWaiting, true),
        ((503, no_header, "<html>".to_owned()), Connected, Code::ConnectionWaiting, true),
        ((200, no_header, "<html>a login page</html>".to_owned()), Connected, Code::ConnectionWaiting, true),
    ];
    for (reply, state, code, kept) in cases {
        let world = World::new(SecretChange::Replace("planted~client.secret".into())).await;
        let id = world.connect("ada").await;
        world.machine.step(2 * UnixMs::HOUR);
        let (before, told) = (world.authority.calls().len(), format!("{reply:?}"));
        let again = reply.clone();
        world.authority.says(move |_| again.clone());
        let error = world.core.connections.fresh(&id).await.map(drop).expect_err(&told);
        assert_eq!(error.code(), code, "{told}");
        let view = world.only();
        assert_eq!(view.state, state, "{told}");
        assert!(!view.problem.unwrap_or_default().is_empty(), "{told}");
        let secrets = world.vault.names();
        assert_eq!(secrets.iter().any(|name| name.starts_with("Sign-in")), kept, "{told}");
        // Asked again at once, nobody calls: a loop is what the authority punishes.
        let calls = world.authority.calls().len();
        let most = if reply.0 >= 500 { 2 } else { 1 };
        assert!(calls - before <= most, "{told}: {} calls", calls - before);
        assert!(world.core.connections.fresh(&id).await.is_err(), "{told}");
        assert_eq!(world.authority.calls().len(), calls, "{told}");
        // What passes by itself heals by itself.
        if state != NeedsSignIn {
            world.authority.says(|_| tokens("access-2", "rotated"));
            world.machine.step(6 * 60 * 1000);
            let fresh = world.core.connections.fresh(&id).await;
            assert_eq!(
                fresh.map(|fresh| fresh.token.expose_secret().to_owned()).ok().as_deref(),
                Some("access-2"),
                "{told}"
            );
            assert_eq!(world.only().state, Connected, "{told}");
        }
    }
}

#[tokio::test]
async fn a_network_that_is_away_loses_nothing() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    // Nothing listens where the token endpoint was.
    let issuer = world.authority.issuer.clone();
    world.authority.says(|_| (200, "connection: close\r\n", String::new()));
    world.machine.step(57 * 60 * 1000);
    // Three minutes are left: enough while the authority can't be asked.
    let fresh = world.core.connections.fresh(&id).await.expect("what is at hand");
    assert_eq!(fresh.token.expose_secret(), "access-1");
    world.machine.step(10 * 60 * 1000);
    let error = world.core.connections.fresh(&id).await.map(drop).expect_err(&issuer);
    assert_eq!(error.code(), Code::ConnectionWaiting);
    assert_eq!(world.only().state, ConnectionState::Connected);
    assert_eq!(world.vault.values(), [PLANTED]);
}

#[tokio::test]
async fn a_secret_that_a_public_client_may_not_send_is_left_out_once_and_for_all() {
    let world = World::new(SecretChange::Replace("planted~client.secret".into())).await;
    let begun = world.begin(world.request()).await;
    let claims = json!({
        "iss": world.authority.issuer, "aud": CLIENT_ID, "exp": START / 1000 + 86_400 * 90,
        "nonce": parameter(&begun.link, "nonce"), "sub": "s", "oid": "ada", "tid": TENANT,
    });
    let answer = move |form: &Form| {
        if form.contains_key("client_secret") {
            return refused(401, "invalid_client", "", 700_025);
        }
        ok(&json!({
            "token_type": "Bearer", "access_token": "access-1", "refresh_token": PLANTED, "id_token": id_token(&claims),
        }))
    };
    world.authority.says(answer);
    let progress = world.answer(&format!("code=c&state={}", parameter(&begun.link, "state"))).await;
    let Progress::Done { connection, .. } = progress else { panic!("{progress:?}") };
    assert_eq!(world.authority.calls().len(), 2);
    world.machine.step(2 * UnixMs::HOUR);
    world.authority.says(|form| {
        assert!(!form.contains_key("client_secret"), "the refresh inherits the client type");
        tokens("access-2", "rotated")
    });
    world.core.connections.fresh(&connection).await.expect("access");
    assert_eq!(world.authority.calls().len(), 3);
}

#[tokio::test]
async fn k4_a_refresh_that_nobody_waits_for_any_more_is_kept() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    world.machine.step(2 * UnixMs::HOUR);
    world.authority.says(|_| tokens("access-2", "rotated"));
    let (halted, go_on) = world.vault.halt_at_next_change();
    let refreshing = tokio::spawn({
        let (core, id) = (world.core.clone(), id.clone());
        async move { core.connections.fresh(&id).await.map(drop) }
    });
    // The old token is spent and nothing is written yet: here the caller hangs up.
    tokio::task::spawn_blocking(move || halted.recv()).await.expect("no panic").expect("halts");
    refreshing.abort();
    assert!(refreshing.await.is_err());
    go_on.send(()).expect("it goes on without its caller");
    world.core.finish_begun().await;
    let filter = atthene_core::activity::ActivityFilter::default();
    let rows = world.core.activity.page(&filter, None).expect("reads").rows;
    assert!(rows.iter().any(|row| row.kind == "refresh" && row.outcome == "done"), "it was not written down");
    let World { machine, vault, authority, core, .. } = world;
    drop(core);
    let core = open(&machine, &vault);
    core.reconcile_secrets().await.expect("settles");
    authority.says(|form| {
        assert_eq!(form["refresh_token"], "rotated", "the older one may be spent");
        tokens("access-3", "rotated-again")
    });
    assert_eq!(core.connections.fresh(&id).await.expect("access").token.expose_secret(), "access-3");
}

const CHILD: &str = "ATTHENE_TEST_REFRESHES";

/// The profile of a killed process: its folder, its keychain, and a clock that runs so fast that
/// every look at access finds it ended.
fn open_in(folder: &std::path::Path) -> Arc<Core> {
    let now = AtomicI64::new(START);
    let clock = Clock::from_fn(move || UnixMs(now.fetch_add(UnixMs::HOUR, Ordering::Relaxed)));
    let vault = FolderVault(folder.join("vault"));
    atthene_test_support::open(&folder.join("data"), clock, vault).expect("opens")
}

/// Not a test of its own: the process that the next test kills.
#[tokio::test]
async fn child_that_refreshes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let core = open_in(folder.as_ref());
    let id = core.connections.list().expect("lists").remove(0).id;
    loop {
        core.connections.fresh(&id).await.expect("access");
        println!("\nrefreshed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_any_moment_of_a_refresh_leaves_a_connection_that_works() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("vault")).expect("made");
    // As at Entra, an older refresh token stays good.
    let count = AtomicU32::new(0);
    let authority = ScriptedAuthority::start(|_| (500, "", String::new())).await;
    let core = open_in(folder.path());
    let draft = Draft {
        name: "Contoso".to_owned(),
        client_id: CLIENT_ID.to_owned(),
        authority: AuthorityDraft::Custom { issuer: authority.issuer.clone(), graph: "http://127.0.0.1:1".to_owned() },
        scopes: vec!["Mail.Read".to_owned()],
        redirect: RedirectDraft::DeepLink,
        ..core.integrations.fresh_draft()
    };
    let integration = core.save_integration(draft, SecretChange::Keep).await.expect("saves").id;
    // No clock can run that fast through a sign-in, so its row is written as one leaves it.
    drop(core);
    let id = "outlook-aaaaaaaa";
    RawRows::of(&folder.path().join("data")).run(&format!(
        "INSERT INTO connections (id, integration_id, toolkit, oid, tid, account, asked, granted, confidential, state,
                                  signed_in_at, refreshed_at, may_read, may_draft, may_send, may_delete, graph_reach,
                                  may_have_token)
         VALUES ('{id}', '{}', 'outlook', 'o', 't', 'ada', 'Mail.Read', 'Mail.Read', false, 'connected', 0, 0,
                 'allow', 'allow', 'allow', 'allow', 'granted', true)",
        integration.as_str()
    ));
    let kept = json!({
        "for": { "kind": "app", "issuer": authority.issuer, "client_id": CLIENT_ID, "graph": "http://127.0.0.1:1" },
        "account": "t o",
        "secret": "refresh-0",
    });
    std::fs::write(folder.path().join("vault").join(format!("Sign-in-of-{id}")), kept.to_string()).expect("written");
    authority.says(move |form| {
        assert!(form["refresh_token"].starts_with("refresh-"));
        let next = count.fetch_add(1, Ordering::Relaxed) + 1;
        tokens(&format!("access-{next}"), &format!("refresh-{next}"))
    });

    for round in 0..12 {
        let mut child = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["refresh::child_that_refreshes_until_it_is_killed", "--nocapture", "--exact"])
            .env(CHILD, folder.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("starts");
        // Kept open: a child that can't print any more would end by itself.
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        lines.by_ref().filter(|line| line == "refreshed").nth(1).expect("it refreshes");
        // Somewhere inside the next one: the call takes 20 ms, what is written after it a few more.
        std::thread::sleep(std::time::Duration::from_millis(3 * round));
        child.kill().expect("kills");
        child.wait().expect("ends");
        let core = open_in(folder.path());
        core.reconcile_secrets().await.expect("settles");
        let id = ConnectionId::try_from(id).expect("an id");
        assert!(core.connections.fresh(&id).await.is_ok(), "round {round}");
        assert_eq!(core.connections.list().expect("lists")[0].state, ConnectionState::Connected, "round {round}");
    }
}

#[tokio::test]
async fn what_lies_idle_is_renewed_once_a_week_and_what_is_used_before_it_ends() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    let asked = Arc::new(AtomicU32::new(0));
    world.authority.says({
        let asked = asked.clone();
        move |_| {
            asked.fetch_add(1, Ordering::Relaxed);
            tokens("access", "rotated")
        }
    });
    let renewed = async |step: i64| {
        world.machine.step(step);
        world.core.connections.renew().await.expect("renews");
        asked.swap(0, Ordering::Relaxed)
    };
    assert_eq!(renewed(30 * 60 * 1000).await, 0, "half an hour is left");
    assert_eq!(renewed(25 * 60 * 1000).await, 1, "five minutes are left");
    assert_eq!(renewed(3 * UnixMs::DAY).await, 0, "nobody uses it");
    assert_eq!(renewed(4 * UnixMs::DAY).await, 1, "a week has passed");
    let fresh = world.core.connections.fresh(&id).await.expect("access");
    world.core.connections.hand_over(&id, &fresh, "curl", None).expect("records");
    assert_eq!(renewed(55 * 60 * 1000).await, 1, "it is used again");
}

#[tokio::test]
async fn a_sign_in_that_is_gone_from_the_keychain_is_asked_for_again() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    world.vault.clear();
    world.core.reconcile_secrets().await.expect("settles");
    assert_eq!(world.only().state, ConnectionState::NeedsSignIn);
    world.machine.step(2 * UnixMs::HOUR);
    assert_eq!(world.core.connections.fresh(&id).await.map(drop).expect_err("gone").code(), Code::NeedsSignIn);
    assert_eq!(world.connect("ada").await, id);
    assert_eq!(world.only().state, ConnectionState::Connected);
}
