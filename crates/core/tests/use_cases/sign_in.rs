//! Signing in, and what ends a connection.

use atthene_core::connections::{Answer, ConnectionState, Progress, ReturnPath, SignInRequest, return_page};
use atthene_core::integrations::{Draft, IntegrationId, RedirectDraft};
use atthene_core::{Code, Core, SecretChange};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::json;

use atthene_test_support::authority::{CLIENT_ID, TENANT, id_token, ok, refused};
use atthene_test_support::machine::START;
use atthene_test_support::world::{PLANTED, World, confirmed, open, parameter};

#[tokio::test]
async fn a_sign_in_asks_for_what_is_needed_and_ends_in_a_connection() {
    let world = World::new(SecretChange::Keep).await;
    let begun = world.begin(world.request()).await;
    let asked = |name: &str| parameter(&begun.link, name);
    assert_eq!(asked("response_type"), "code");
    assert_eq!(asked("response_mode"), "form_post");
    assert_eq!(asked("code_challenge_method"), "S256");
    assert_eq!(asked("scope"), "openid profile offline_access User.Read Mail.Read", "Teams' scopes are not asked for");
    assert_eq!(asked("redirect_uri"), format!("http://localhost:4711/oauth/{}/callback", world.integration.as_str()));
    assert!(asked("state").len() >= 40 && asked("nonce").len() >= 30 && asked("client_secret").is_empty());

    let id = world.connect("ada").await;
    let view = world.only();
    assert_eq!((view.account.as_str(), view.state), ("ada@contoso.com", ConnectionState::Connected));
    assert_eq!(view.granted, ["Mail.Read", "User.Read"]);
    assert!(view.refused.is_empty());
    let sent = world.authority.calls().pop().expect("a call");
    assert_eq!(sent.get("client_secret"), None);
    assert_eq!(sent["redirect_uri"], asked("redirect_uri"));

    // Access is at hand: nobody is asked again.
    let calls = world.authority.calls().len();
    let fresh = world.core.connections.fresh(&id).await.expect("access");
    assert_eq!(fresh.token.expose_secret(), "access-1");
    world.core.connections.hand_over(&id, &fresh, "curl", None).expect("records");
    assert_eq!(world.authority.calls().len(), calls);

    // The refresh token lies in the keychain and nowhere else.
    assert_eq!(world.vault.names(), [format!("Sign-in of {}", id.as_str())]);
    for entry in std::fs::read_dir(world.machine.dir.path()).expect("reads").flatten() {
        // The locks of turns are empty.
        if entry.file_name() == "locks" {
            continue;
        }
        let bytes = std::fs::read(entry.path()).expect("reads");
        for planted in [PLANTED, "access-1"] {
            assert!(!bytes.windows(planted.len()).any(|part| part == planted.as_bytes()), "{planted} is on the disk");
        }
    }
    // The same account again is the same connection.
    assert_eq!(world.connect("ada").await, id);
    world.core.connections.disconnect(&id).await.expect("signs out");
    assert!(world.vault.names().is_empty() && world.core.connections.list().expect("lists").is_empty());
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_changes_nothing() {
    let world = World::new(SecretChange::Keep).await;
    let begun = world.begin(world.request()).await;
    world.signs_in(&begun.link, "ada");
    let state = parameter(&begun.link, "state");
    let core = &world.core;
    let refuse = async |form: String, door: ReturnPath| {
        let answer = Answer::from_form(&form).expect("an answer");
        let error = core.connections.answer(answer, &door).await.expect_err("refused");
        assert_eq!(error.code(), Code::UnknownSignIn);
    };
    refuse(format!("code=c&state={state}x"), world.door()).await;
    // Through another door: the deep link, or the path of another integration.
    refuse(format!("code=c&state={state}"), ReturnPath::Link(world.integration.clone())).await;
    refuse(format!("code=c&state={state}"), ReturnPath::Loopback(IntegrationId::built_in())).await;
    assert!(core.connections.list().expect("lists").is_empty() && world.authority.calls().is_empty());
    assert!(matches!(core.connections.sign_in(&begun.id).expect("known").progress, Progress::Waiting));

    assert!(matches!(world.answer(&format!("code=c&state={state}")).await, Progress::Done { .. }));
    refuse(format!("code=c&state={state}"), world.door()).await;

    let late = world.begin(world.request()).await;
    world.machine.step(10 * 60 * 1000 + 1);
    refuse(format!("code=c&state={}", parameter(&late.link, "state")), world.door()).await;
    assert!(matches!(core.connections.sign_in(&late.id).expect("known").progress, Progress::Failed { .. }));
    let cancelled = world.begin(world.request()).await;
    core.connections.cancel(&cancelled.id).await.expect("cancels");
    refuse(format!("code=c&state={}", parameter(&cancelled.link, "state")), world.door()).await;
}

#[tokio::test]
async fn the_listener_stays_until_the_browser_was_told_what_came_of_it() {
    let world = World::new(SecretChange::Keep).await;
    let begun = world.begin(world.request()).await;
    world.signs_in(&begun.link, "ada");
    let held = world.authority.hold().await;
    let answer = Answer::from_form(&format!("code=c&state={}", parameter(&begun.link, "state"))).expect("an answer");
    let answered = tokio::spawn({
        let (core, door) = (world.core.clone(), world.door());
        async move { core.connections.answer(answer, &door).await }
    });
    while world.core.connections.sign_in(&begun.id).expect("known").progress == Progress::Waiting {
        tokio::task::yield_now().await;
    }
    assert!(world.core.connections.waits_on_loopback(&begun.id), "the browser waits for the authority");
    drop(held);
    assert!(matches!(answered.await.expect("ends"), Ok(Progress::Confirm { .. })));
    assert!(!world.core.connections.waits_on_loopback(&begun.id));
}

#[tokio::test]
async fn a_link_that_starts_the_app_anew_finds_its_sign_in() {
    let world = World::new(SecretChange::Keep).await;
    let mut draft = world.core.integrations.draft(&world.integration).expect("a form");
    draft.redirect = RedirectDraft::DeepLink;
    world.core.save_integration(draft, SecretChange::Keep).await.expect("saves");
    let begin = async |core: &Core| core.connections.begin(world.request(), None).await.expect("begins");
    let (begun, late) = (begin(&world.core).await, begin(&world.core).await);
    world.signs_in(&begun.link, "ada");
    let entries = world.vault.names();
    assert_eq!(entries.len(), 2, "{entries:?}");

    // Another process, on the same data: it began none of these.
    let other = open(&world.machine, &world.vault);
    other.reconcile_secrets().await.expect("settles");
    let answer = |link: &str| Answer::from_form(&format!("code=c&state={}", parameter(link, "state"))).expect("one");
    let progress = other
        .connections
        .answer(answer(&begun.link), &ReturnPath::Link(world.integration.clone()))
        .await
        .expect("is waited for");
    let progress = confirmed(&other, progress).await;
    assert!(matches!(progress, Progress::Done { .. }), "{progress:?}");
    let replayed = other
        .connections
        .answer(answer(&begun.link), &ReturnPath::Link(world.integration.clone()))
        .await
        .expect_err("used");
    assert_eq!(replayed.code(), Code::UnknownSignIn);
    world.machine.step(11 * 60 * 1000);
    let too_late = other
        .connections
        .answer(answer(&late.link), &ReturnPath::Link(world.integration.clone()))
        .await
        .expect_err("too late");
    assert_eq!(too_late.code(), Code::UnknownSignIn);
    // Nothing of either is left but the connection's own token.
    assert_eq!(world.vault.values(), [PLANTED]);
}

#[tokio::test]
async fn several_sign_ins_run_at_once_and_each_finds_its_own() {
    let world = World::new(SecretChange::Keep).await;
    let (one, two) = (world.begin(world.request()).await, world.begin(world.request()).await);
    world.signs_in(&two.link, "grace");
    assert!(matches!(
        world.answer(&format!("code=c&state={}", parameter(&two.link, "state"))).await,
        Progress::Done { .. }
    ));
    world.signs_in(&one.link, "ada");
    assert!(matches!(
        world.answer(&format!("code=c&state={}", parameter(&one.link, "state"))).await,
        Progress::Done { .. }
    ));
    assert_eq!(world.core.connections.list().expect("lists").len(), 2);
}

#[tokio::test]
async fn the_answers_of_microsoft_and_of_others_are_told_in_words() {
    let world = World::new(SecretChange::Keep).await;
    for (answer, what) in [
        ("error=access_denied&error_description=AADSTS65004%3A+declined", "declined"),
        ("error=invalid_client&error_description=AADSTS650053%3A+x", "does not exist in Microsoft Graph"),
        ("code=c&iss=https%3A%2F%2Fevil.example", "another authority"),
    ] {
        let begun = world.begin(world.request()).await;
        match world.answer(&format!("{answer}&state={}", parameter(&begun.link, "state"))).await {
            Progress::Failed { failure } => assert!(failure.what.contains(what), "{failure:?}"),
            other => panic!("{other:?}"),
        }
    }
    // A nonce of another attempt.
    let (one, other) = (world.begin(world.request()).await, world.begin(world.request()).await);
    world.signs_in(&other.link, "ada");
    let progress = world.answer(&format!("code=c&state={}", parameter(&one.link, "state"))).await;
    assert!(matches!(progress, Progress::Failed { .. }), "{progress:?}");
    assert!(world.core.connections.list().expect("lists").is_empty() && world.vault.names().is_empty());
}

#[tokio::test]
async fn signing_in_again_keeps_the_account_unless_it_is_switched() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    let again = SignInRequest { again: Some(id.clone()), ..world.request() };
    let begun = world.begin(again.clone()).await;
    assert_eq!(parameter(&begun.link, "login_hint"), "ada@contoso.com");
    assert_eq!(parameter(&begun.link, "domain_hint"), "contoso.com");
    world.signs_in(&begun.link, "grace");
    match world.answer(&format!("code=c&state={}", parameter(&begun.link, "state"))).await {
        Progress::Failed { failure } => {
            assert!(failure.what.contains("grace@contoso.com") && failure.what.contains("ada@contoso.com"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.only().account, "ada@contoso.com");
    let switched = world.begin(SignInRequest { switch_account: true, ..again }).await;
    assert_eq!(parameter(&switched.link, "prompt"), "select_account");
    world.signs_in(&switched.link, "grace");
    let progress = world.answer(&format!("code=c&state={}", parameter(&switched.link, "state"))).await;
    assert!(matches!(&progress, Progress::Done { connection, .. } if *connection == id), "{progress:?}");
    assert_eq!(world.only().account, "grace@contoso.com");

    // Through another integration, the connection moves there with its token.
    let mut other = world.core.integrations.draft(&world.integration).expect("a form");
    other.id = world.core.integrations.fresh_draft().id;
    other.name = "Fabrikam".to_owned();
    let other = world.core.save_integration(other, SecretChange::Keep).await.expect("saves").id;
    let request = SignInRequest { integration: other.clone(), again: Some(id.clone()), ..world.request() };
    let moved = world.begin(request).await;
    world.signs_in(&moved.link, "grace");
    let answer = Answer::from_form(&format!("code=c&state={}", parameter(&moved.link, "state"))).expect("an answer");
    world.core.connections.answer(answer, &ReturnPath::Loopback(other.clone())).await.expect("is waited for");
    assert_eq!((world.only().id, world.only().integration), (id, other));
}

#[tokio::test]
async fn a_code_signs_in_on_another_machine() {
    let world = World::new(SecretChange::Keep).await;
    let connections = &world.core.connections;
    let begin = async || connections.begin_device_sign_in(world.request()).await.expect("begins");
    let claims = json!({
        "iss": world.authority.issuer, "aud": CLIENT_ID, "exp": START / 1000 + 86_400, "sub": "s", "oid": "ada",
        "tid": TENANT, "preferred_username": "ada@contoso.com",
    });
    let (view, begun) = begin().await;
    let device = view.device.expect("a code");
    assert_eq!((device.code.as_str(), device.page.as_str()), ("ABCD-EFGH", "https://microsoft.com/devicelogin"));
    let mut pending = true;
    world.authority.says(move |form| {
        assert_eq!(form["device_code"], "device");
        if std::mem::take(&mut pending) {
            return refused(400, "authorization_pending", "", 70016);
        }
        ok(&json!({
            "token_type": "Bearer", "access_token": "access-1", "refresh_token": PLANTED, "id_token": id_token(&claims),
        }))
    });
    connections.finish_device_sign_in(begun).await;
    let asked = connections.sign_in(&view.id).expect("known").progress;
    let ended = confirmed(&world.core, asked).await;
    assert!(matches!(&ended, Progress::Done { account, .. } if account == "ada@contoso.com"), "{ended:?}");
    assert_eq!(world.only().state, ConnectionState::Connected);

    let (view, begun) = begin().await;
    world.authority.says(|_| refused(400, "authorization_declined", "", 0));
    connections.finish_device_sign_in(begun).await;
    let ended = connections.sign_in(&view.id).expect("known").progress;
    assert!(matches!(&ended, Progress::Failed { failure } if failure.what.contains("declined")), "{ended:?}");

    // Given up, nobody asks any more.
    let (view, begun) = begin().await;
    world.authority.says(|_| refused(400, "authorization_pending", "", 70016));
    connections.cancel(&view.id).await.expect("cancels");
    connections.finish_device_sign_in(begun).await;
    assert!(connections.sign_in(&view.id).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever comes through a door, without a live state nothing changes.
    #[test]
    fn without_a_live_state_nothing_changes(state in "[ -~]{1,64}", code in "[ -~]{0,64}", link in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let world = World::new(SecretChange::Keep).await;
            let begun = world.begin(world.request()).await;
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("state", &state)
                .append_pair("code", &code)
                .finish();
            if let Ok(answer) = Answer::from_form(&form) {
                let door = if link { ReturnPath::Link(world.integration.clone()) } else { world.door() };
                let error = world.core.connections.answer(answer, &door).await.expect_err("refused");
                assert_eq!(error.code(), Code::UnknownSignIn);
            }
            assert!(world.core.connections.list().expect("lists").is_empty());
            assert!(world.authority.calls().is_empty() && world.vault.names().is_empty());
            let waiting = world.core.connections.sign_in(&begun.id).expect("known").progress;
            assert_eq!(waiting, Progress::Waiting);
        });
    }
}

#[tokio::test]
async fn deleting_an_integration_signs_its_connections_out() {
    let world = World::new(SecretChange::Replace("planted~client.secret".into())).await;
    world.connect("ada").await;
    world.connect("grace").await;
    assert_eq!(world.core.connections.list().expect("lists").len(), 2);
    world.core.delete_integration(&world.integration).await.expect("deletes");
    assert!(world.core.connections.list().expect("lists").is_empty());
    assert!(world.vault.names().is_empty());
}

#[tokio::test]
async fn s11_agents_get_nothing_until_a_person_says_who_signed_in() {
    let world = World::new(SecretChange::Keep).await;
    let sign_in = async |oid: &str, request: SignInRequest| {
        let begun = world.begin(request).await;
        world.signs_in(&begun.link, oid);
        let form = format!("code=c&state={}", parameter(&begun.link, "state"));
        let answer = Answer::from_form(&form).expect("an answer");
        (begun.id, world.core.connections.answer(answer, &world.door()).await.expect("is waited for"))
    };
    // Another account of this machine read the page's address, and signed in with an account of its own.
    let (id, progress) = sign_in("mallory", world.request()).await;
    assert_eq!(progress, Progress::Confirm { account: "mallory@contoso.com".into() });
    assert!(world.core.connections.list().expect("lists").is_empty() && world.vault.names().is_empty());
    world.core.connections.cancel(&id).await.expect("not this account");
    assert!(world.core.connections.unconfirmed().is_empty());
    assert_eq!(world.core.connections.confirm(&id).await.expect_err("gone").code(), Code::UnknownSignIn);
    assert!(world.core.connections.list().expect("lists").is_empty() && world.vault.names().is_empty());

    let (id, _) = sign_in("ada", world.request()).await;
    assert!(matches!(world.core.connections.confirm(&id).await.expect("confirms"), Progress::Done { .. }));
    assert_eq!(world.core.connections.confirm(&id).await.expect_err("once").code(), Code::UnknownSignIn);
    // Who was confirmed once, and who is signed in again as the same, is not asked about.
    let (_, again) = sign_in("ada", world.request()).await;
    assert!(matches!(again, Progress::Done { .. }), "{again:?}");
    let connection = world.only().id;
    let (_, again) = sign_in("ada", SignInRequest { again: Some(connection.clone()), ..world.request() }).await;
    assert!(matches!(again, Progress::Done { .. }), "{again:?}");
    // Another account in its place is.
    let switched = SignInRequest { again: Some(connection), switch_account: true, ..world.request() };
    let (id, progress) = sign_in("mallory", switched).await;
    assert!(matches!(progress, Progress::Confirm { .. }));
    assert_eq!(world.only().account, "ada@contoso.com");
    // Nobody answers: nothing is kept for later.
    world.machine.step(10 * 60 * 1000 + 1);
    assert_eq!(world.core.connections.confirm(&id).await.expect_err("too late").code(), Code::UnknownSignIn);
    assert!(matches!(world.core.connections.sign_in(&id).expect("known").progress, Progress::Failed { .. }));
}

#[tokio::test]
async fn s12_an_answer_at_another_integrations_link_is_refused() {
    let world = World::new(SecretChange::Keep).await;
    let mut draft = world.core.integrations.draft(&world.integration).expect("a form");
    draft.redirect = RedirectDraft::DeepLink;
    world.core.save_integration(draft.clone(), SecretChange::Keep).await.expect("saves");
    let other = Draft { name: "Of a thief".into(), id: world.core.integrations.fresh_draft().id, ..draft };
    let other = world.core.save_integration(other, SecretChange::Keep).await.expect("saves");
    let own = world.core.integrations.list().expect("lists").into_iter().find(|view| view.id == world.integration);
    assert_ne!(own.expect("there").redirect_uri, other.redirect_uri, "a redirect URI for each integration");

    // The thief's authority relays the person to another authority, whose answer comes to its own link.
    let begun = world.core.connections.begin(world.request(), None).await.expect("begins");
    world.signs_in(&begun.link, "ada");
    let calls = world.authority.calls().len();
    for core in [&world.core, &open(&world.machine, &world.vault)] {
        let answer = Answer::from_form(&format!("code=c&state={}", parameter(&begun.link, "state"))).expect("one");
        let refused = core.connections.answer(answer, &ReturnPath::Link(other.id.clone())).await.expect_err("refused");
        assert_eq!(refused.code(), Code::UnknownSignIn);
    }
    assert_eq!(world.authority.calls().len(), calls, "the code went nowhere");
    let answer = Answer::from_form(&format!("code=c&state={}", parameter(&begun.link, "state"))).expect("one");
    let progress = world.core.connections.answer(answer, &ReturnPath::Link(world.integration.clone())).await;
    assert!(matches!(progress.expect("its own link"), Progress::Confirm { .. }));

    // Two integrations can't share a page that passes answers on.
    let page = |name: &str| Draft {
        name: name.into(),
        id: world.core.integrations.fresh_draft().id,
        redirect: RedirectDraft::Page { url: "https://apps.example.com/cb.html".into() },
        ..world.core.integrations.draft(&world.integration).expect("a form")
    };
    let secret = || SecretChange::Replace("planted~client.secret".into());
    let first = world.core.save_integration(page("One"), secret()).await.expect("saves");
    let shared = world.core.save_integration(page("Two"), secret()).await.expect_err("taken");
    assert!(shared.to_string().contains("page belongs to another"), "{shared}");
    let html = return_page(&first.id);
    assert!(html.contains("'iss'") && html.contains(first.id.as_str()), "the page passes on who answers, and for whom");
}

#[tokio::test]
async fn s15_a_device_answer_that_can_not_be_shown_safely_is_not_shown() {
    for (page, code) in [
        ("file:///etc/passwd", "ABCD-EFGH"),
        ("http://microsoft.com/devicelogin", "ABCD-EFGH"),
        ("javascript:alert(1)", "ABCD-EFGH"),
        ("https://user@microsoft.com/devicelogin", "ABCD-EFGH"),
        ("https://microsoft.com/devicelogin", "\u{1b}[31mABCD"),
        ("https://microsoft.com/devicelogin", "ABCD\nrm -rf"),
        ("https://microsoft.com/devicelogin", "\u{202e}ABCD"),
        ("https://microsoft.com/devicelogin", ""),
        ("https://microsoft.com/devicelogin", &"A".repeat(65)),
    ] {
        let world = World::new(SecretChange::Keep).await;
        world.authority.hands_out(page, code);
        let begun = world.core.connections.begin_device_sign_in(world.request()).await;
        let error = begun.map(|_| ()).expect_err(page);
        assert_eq!(error.code(), Code::AuthorityRefused, "{page} {code:?}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
    let world = World::new(SecretChange::Keep).await;
    world.authority.hands_out("http://localhost:4005/device", "abcd efgh");
    assert!(world.core.connections.begin_device_sign_in(world.request()).await.is_ok(), "on this machine it is fine");
}
