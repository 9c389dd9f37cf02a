//! Connections against an authority that answers in recorded shapes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use atthene_core::connections::{
    Answer, ConnectionId, ConnectionState, ConnectionView, Progress, ReturnPath, SignInRequest, SignInView, Toolkit,
};
use atthene_core::identity::Profile;
use atthene_core::integrations::{AuthorityDraft, Draft, IntegrationId, WayBackDraft};
use atthene_core::vault::Vault;
use atthene_core::{Clock, Code, Core, Outside, SecretChange, UnixMs};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::authority::{Authority, CLIENT_ID, Form, Reply, TENANT, id_token, ok, refused};
use crate::common::{Machine, START};
use crate::vaults::{FolderVault, SharedVault};

const PLANTED: &str = "planted-refresh-token";

/// An authority that signs everybody in, and a profile with an integration at it.
struct World {
    machine: Machine,
    vault: SharedVault,
    authority: Authority,
    core: Arc<Core>,
    integration: IntegrationId,
}

fn open(machine: &Machine, vault: &SharedVault) -> Arc<Core> {
    machine.open_with(Outside::new(machine.clock(), Vault::new(vault.clone()).expect("a thread")))
}

impl World {
    async fn new(secret: SecretChange) -> Self {
        let (machine, vault) = (Machine::new(), SharedVault::default());
        let authority = Authority::start(|_| (500, "", String::new())).await;
        let core = open(&machine, &vault);
        let draft = Draft {
            name: "Contoso".to_owned(),
            client_id: CLIENT_ID.to_owned(),
            authority: AuthorityDraft::Custom {
                issuer: authority.issuer.clone(),
                graph: "http://127.0.0.1:1".to_owned(),
            },
            scopes: ["User.Read", "Mail.Read", "Chat.Read"].map(str::to_owned).to_vec(),
            ..core.integrations.fresh_draft()
        };
        let integration = core.integrations.save(draft, secret).await.expect("saves").id;
        Self { machine, vault, authority, core, integration }
    }

    fn request(&self) -> SignInRequest {
        SignInRequest {
            toolkit: Toolkit::Outlook,
            integration: self.integration.clone(),
            again: None,
            switch_account: false,
        }
    }

    fn door(&self) -> ReturnPath {
        ReturnPath::Loopback(self.integration.clone())
    }

    async fn begin(&self, request: SignInRequest) -> SignInView {
        self.core.connections.begin(request, Some(4711)).await.expect("begins")
    }

    /// Lets the token endpoint sign `oid` in for the attempt with this nonce.
    fn signs_in(&self, link: &str, oid: &str) {
        let claims = json!({
            "iss": self.authority.issuer, "aud": CLIENT_ID, "exp": START / 1000 + 86_400 * 90, "nonce": parameter(link, "nonce"),
            "sub": "s", "oid": oid, "tid": TENANT, "preferred_username": format!("{oid}@contoso.com"),
        });
        self.authority.says(move |form| {
            assert!(form.contains_key("code_verifier"), "no PKCE: {:?}", form.keys());
            ok(&json!({
                "token_type": "Bearer", "expires_in": "3599", "access_token": "access-1", "refresh_token": PLANTED,
                "scope": "https://graph.microsoft.com/Mail.Read User.Read openid profile", "id_token": id_token(&claims),
            }))
        });
    }

    async fn connect(&self, oid: &str) -> ConnectionId {
        let begun = self.begin(self.request()).await;
        self.signs_in(&begun.link, oid);
        match self.answer(&format!("code=c&state={}", parameter(&begun.link, "state"))).await {
            Progress::Done { connection, .. } => connection,
            other => panic!("{other:?}"),
        }
    }

    async fn answer(&self, form: &str) -> Progress {
        let answer = Answer::from_form(form).expect("an answer");
        self.core.connections.answer(answer, &self.door()).await.expect("is waited for")
    }

    fn only(&self) -> ConnectionView {
        let mut all = self.core.connections.list().expect("lists");
        assert_eq!(all.len(), 1);
        all.remove(0)
    }
}

fn parameter(link: &str, name: &str) -> String {
    let link = url::Url::parse(link).expect("a link");
    link.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn tokens(access: &str, refresh: &str) -> Reply {
    ok(&json!({ "token_type": "Bearer", "expires_in": 3600, "access_token": access, "refresh_token": refresh }))
}

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
    world.core.connections.hand_over(&id, &fresh, "curl").expect("records");
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
    refuse(format!("code=c&state={state}"), ReturnPath::Link).await;
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
async fn a_link_that_starts_the_app_anew_finds_its_sign_in() {
    let world = World::new(SecretChange::Keep).await;
    let mut draft = world.core.integrations.draft(&world.integration).expect("a form");
    draft.way_back = WayBackDraft::DeepLink;
    world.core.integrations.save(draft, SecretChange::Keep).await.expect("saves");
    let begin = async |core: &Core| core.connections.begin(world.request(), None).await.expect("begins");
    let (begun, late) = (begin(&world.core).await, begin(&world.core).await);
    world.signs_in(&begun.link, "ada");
    let entries = world.vault.names();
    assert_eq!(entries.len(), 2, "{entries:?}");

    // Another process, on the same data: it began none of these.
    let other = open(&world.machine, &world.vault);
    other.settle_secrets().await.expect("settles");
    let answer = |link: &str| Answer::from_form(&format!("code=c&state={}", parameter(link, "state"))).expect("one");
    let progress = other.connections.answer(answer(&begun.link), &ReturnPath::Link).await.expect("is waited for");
    assert!(matches!(progress, Progress::Done { .. }), "{progress:?}");
    let replayed = other.connections.answer(answer(&begun.link), &ReturnPath::Link).await.expect_err("used");
    assert_eq!(replayed.code(), Code::UnknownSignIn);
    world.machine.step(11 * 60 * 1000);
    let too_late = other.connections.answer(answer(&late.link), &ReturnPath::Link).await.expect_err("too late");
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
    let other = world.core.integrations.save(other, SecretChange::Keep).await.expect("saves").id;
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
    let ended = connections.sign_in(&view.id).expect("known").progress;
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
    // As strict authorities do: a token that was spent is taken for a stolen one.
    let mut valid = PLANTED.to_owned();
    let mut n = 1;
    world.authority.says(move |form| {
        if form["refresh_token"] != valid {
            return refused(400, "invalid_grant", "bad_token", 50173);
        }
        n += 1;
        valid = format!("rotated-{n}");
        tokens(&format!("access-{n}"), &valid)
    });
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
async fn a_refresh_that_dies_leaves_a_connection_that_works() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    world.machine.step(2 * UnixMs::HOUR);
    world.authority.says(|_| tokens("access-2", "rotated"));
    let (halted, go_on) = world.vault.halt_at_next_change();
    let refreshing = tokio::spawn({
        let (core, id) = (world.core.clone(), id.clone());
        async move { core.connections.fresh(&id).await.map(drop) }
    });
    // The rotated token is in the keychain, its row is not written: here the process ends.
    tokio::task::spawn_blocking(move || halted.recv()).await.expect("no panic").expect("halts");
    refreshing.abort();
    assert!(refreshing.await.is_err());
    drop(go_on);
    let World { machine, vault, authority, core, .. } = world;
    drop(core);
    let core = open(&machine, &vault);
    core.settle_secrets().await.expect("settles");
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
    let vault = Vault::new(FolderVault(folder.join("vault"))).expect("a thread");
    Core::open_with(&Profile::at(folder.join("data")), Outside::new(clock, vault)).expect("opens")
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
    let authority = Authority::start(|_| (500, "", String::new())).await;
    let core = open_in(folder.path());
    let draft = Draft {
        name: "Contoso".to_owned(),
        client_id: CLIENT_ID.to_owned(),
        authority: AuthorityDraft::Custom { issuer: authority.issuer.clone(), graph: "http://127.0.0.1:1".to_owned() },
        scopes: vec!["Mail.Read".to_owned()],
        way_back: WayBackDraft::DeepLink,
        ..core.integrations.fresh_draft()
    };
    let integration = core.integrations.save(draft, SecretChange::Keep).await.expect("saves").id;
    // No clock can run that fast through a sign-in, so its row is written as one leaves it.
    drop(core);
    let id = "outlook-aaaaaaaa";
    rusqlite::Connection::open(folder.path().join("data").join(atthene_core::DATABASE_FILE))
        .and_then(|db| {
            db.execute(
                "INSERT INTO connections VALUES (?1, ?2, 'outlook', 'o', 't', 'ada', 'Mail.Read', 'Mail.Read', 0, 'connected',
                                                 NULL, 0, 0, NULL)",
                [id, integration.as_str()],
            )
        })
        .expect("a row");
    std::fs::write(folder.path().join("vault").join(format!("Sign-in-of-{id}")), "refresh-0").expect("written");
    authority.says(move |form| {
        assert!(form["refresh_token"].starts_with("refresh-"));
        let next = count.fetch_add(1, Ordering::Relaxed) + 1;
        tokens(&format!("access-{next}"), &format!("refresh-{next}"))
    });

    for round in 0..12 {
        let mut child = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["connections::child_that_refreshes_until_it_is_killed", "--nocapture", "--exact"])
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
        core.settle_secrets().await.expect("settles");
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
    world.core.connections.hand_over(&id, &fresh, "curl").expect("records");
    assert_eq!(renewed(55 * 60 * 1000).await, 1, "it is used again");
}

#[tokio::test]
async fn a_sign_in_that_is_gone_from_the_keychain_is_asked_for_again() {
    let world = World::new(SecretChange::Keep).await;
    let id = world.connect("ada").await;
    world.vault.clear();
    world.core.settle_secrets().await.expect("settles");
    assert_eq!(world.only().state, ConnectionState::NeedsSignIn);
    world.machine.step(2 * UnixMs::HOUR);
    assert_eq!(world.core.connections.fresh(&id).await.map(drop).expect_err("gone").code(), Code::NeedsSignIn);
    assert_eq!(world.connect("ada").await, id);
    assert_eq!(world.only().state, ConnectionState::Connected);
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
                let door = if link { ReturnPath::Link } else { world.door() };
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
    assert_eq!(
        world.core.connections.accounts_through(&world.integration).expect("reads"),
        ["ada@contoso.com", "grace@contoso.com"]
    );
    world.core.delete_integration(&world.integration).await.expect("deletes");
    assert!(world.core.connections.list().expect("lists").is_empty());
    assert!(world.vault.names().is_empty());
}
