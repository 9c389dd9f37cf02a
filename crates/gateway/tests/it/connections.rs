//! Toolkits and their connections, over TCP.

use atthene_core::connections::{Answer, ConnectionId, Progress, ReturnPath, SignInRequest, SignInView, Toolkit};
use atthene_core::integrations::{AuthorityDraft, Draft, IntegrationId};
use atthene_core::keys::KeyText;
use atthene_core::permissions::Permissions;
use atthene_core::{SecretChange, UnixMs};
use atthene_gateway::Limits;
use serde_json::json;

use crate::common::Running;
use atthene_test_support::authority::{CLIENT_ID, ScriptedAuthority, TENANT, id_token, ok, refused};
use atthene_test_support::graph::ScriptedGraph;

pub struct World {
    pub running: Running,
    pub authority: ScriptedAuthority,
    pub integration: IntegrationId,
    pub key: KeyText,
    pub runtime: tokio::runtime::Runtime,
}

fn parameter(link: &str, name: &str) -> String {
    let link = url::Url::parse(link).expect("a link");
    link.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn own_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("one")
}

impl World {
    /// The authority lives on a runtime of its own; the tests themselves block.
    pub fn start() -> Self {
        Self::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Self {
        Self::on(own_runtime(), limits, None)
    }

    /// With a Graph that answers as a test says.
    pub fn with_graph() -> (Self, ScriptedGraph) {
        Self::with_graph_and(Limits::default())
    }

    pub fn with_graph_and(limits: Limits) -> (Self, ScriptedGraph) {
        let runtime = own_runtime();
        let graph = runtime.block_on(ScriptedGraph::start());
        (Self::on(runtime, limits, Some(&graph.base)), graph)
    }

    /// With a Graph at this address.
    pub fn at_graph(limits: Limits, base: &str) -> Self {
        Self::on(own_runtime(), limits, Some(base))
    }

    fn on(runtime: tokio::runtime::Runtime, limits: Limits, graph: Option<&str>) -> Self {
        let running = Running::with(limits);
        let authority = runtime.block_on(ScriptedAuthority::start(|_| (500, "", String::new())));
        let base = graph.or(authority.issuer.split("/9").next()).unwrap_or_default().to_owned();
        let draft = Draft {
            name: "Contoso".to_owned(),
            client_id: CLIENT_ID.to_owned(),
            authority: AuthorityDraft::Custom { issuer: authority.issuer.clone(), graph: base },
            scopes: vec!["Mail.Read".to_owned()],
            ..running.core.integrations.fresh_draft()
        };
        let integration = runtime.block_on(running.core.save_integration(draft, SecretChange::Keep)).expect("saves").id;
        let key = running.key(None);
        Self { running, authority, integration, key, runtime }
    }

    fn request(&self) -> SignInRequest {
        SignInRequest {
            toolkit: Toolkit::Outlook,
            integration: self.integration.clone(),
            again: None,
            switch_account: false,
        }
    }

    /// Begins a sign-in in the browser; the port that its answer comes back to.
    fn begin(&self, request: SignInRequest) -> (u16, SignInView) {
        let begun = atthene_gateway::begin_sign_in(&self.running.core, request);
        let begun = self.runtime.block_on(begun).expect("begins");
        let uri = url::Url::parse(&parameter(&begun.link, "redirect_uri")).expect("an address");
        (uri.port().expect("a port"), begun)
    }

    /// Lets the token endpoint answer a sign-in whose link this is.
    fn signs_in(&self, link: &str, access: &'static str) {
        let claims = json!({
            "iss": self.authority.issuer, "aud": CLIENT_ID, "exp": 4_000_000_000_u64,
            "nonce": parameter(link, "nonce"), "sub": "s", "oid": "ada", "tid": TENANT,
            "preferred_username": "ada@contoso.com",
        });
        self.authority.says(move |_| {
            ok(&json!({
                "token_type": "Bearer", "expires_in": 3600, "access_token": access,
                "refresh_token": "planted-refresh-token", "id_token": id_token(&claims),
            }))
        });
    }

    /// A connection with leave for everything that was granted.
    pub fn connect(&self, access: &'static str) -> ConnectionId {
        let id = self.connect_only(access);
        self.permit(&id, Permissions::everything());
        id
    }

    pub fn permit(&self, id: &ConnectionId, permissions: Permissions) {
        self.running.core.connections.set_permissions(id, permissions).expect("permits");
    }

    /// A connection as it is when it is new.
    pub fn connect_only(&self, access: &'static str) -> ConnectionId {
        let connections = &self.running.core.connections;
        let begun = self.runtime.block_on(connections.begin(self.request(), Some(4711))).expect("begins");
        self.signs_in(&begun.link, access);
        let answer = Answer::from_form(&format!("code=c&state={}", parameter(&begun.link, "state"))).expect("one");
        let path = ReturnPath::Loopback(self.integration.clone());
        let mut progress = self.runtime.block_on(connections.answer(answer, &path)).expect("is waited for");
        if let Progress::Confirm { .. } = progress {
            progress = self.runtime.block_on(connections.confirm(&begun.id)).expect("confirms");
        }
        match progress {
            Progress::Done { connection, .. } => connection,
            other => panic!("{other:?}"),
        }
    }

    pub fn call(&self, line: &str, body: &[u8]) -> crate::common::Answer {
        let head = format!("{line} HTTP/1.1\r\nauthorization: Bearer {}\r\ncookie: c=d", self.key.expose());
        self.running.send(&head, body)
    }
}

#[test]
fn a_toolkit_gets_fresh_access_and_never_more() {
    let world = World::start();
    let id = world.connect("access-1");
    let listed = world.call("GET /api/amas/connections", b"");
    assert_eq!(listed.status, 200);
    assert_eq!(listed.json()[0]["account"], "ada@contoso.com");
    assert_eq!(listed.json()[0]["state"], "connected");

    let token = format!("POST /api/amas/connections/{}/token", id.as_str());
    let answer = world.call(&token, b"");
    assert_eq!((answer.status, answer.json()["access_token"].as_str()), (200, Some("access-1")));
    assert_eq!(answer.json()["scopes"], json!(["Mail.Read"]));
    // Fewer than five minutes are left: renewed before it is handed out.
    world.authority.says(|_| ok(&json!({ "token_type": "Bearer", "expires_in": 3600, "access_token": "access-2" })));
    world.running.step_clock(56 * 60 * 1000);
    let renewed = world.call(&token, b"");
    assert_eq!(renewed.json()["access_token"], "access-2");
    for answer in [&listed, &answer, &renewed] {
        assert!(!answer.body.contains("planted-refresh-token"), "{}", answer.body);
    }
    // The built-in agent reports it, too.
    assert_eq!(world.running.execute_with(&world.key).json()["connections"][0]["id"], id.as_str());
}

#[test]
fn every_route_of_connections_needs_the_key() {
    let world = World::start();
    let id = world.connect("access-1");
    for line in [
        "GET /api/amas/connections".to_owned(),
        format!("POST /api/amas/connections/{}/token", id.as_str()),
        format!("GET /api/amas/connections/{}/graph/v1.0/me", id.as_str()),
    ] {
        let answer = world.running.send(&format!("{line} HTTP/1.1"), b"");
        assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("missing_key")), "{line}");
    }
}

#[test]
fn a_connection_that_can_not_help_says_who_has_to_act() {
    let world = World::start();
    for id in ["outlook-aaaaaaaa", "nonsense", "outlook-..%2f..%2f"] {
        let answer = world.call(&format!("POST /api/amas/connections/{id}/token"), b"");
        assert_eq!((answer.status, answer.json()["code"].as_str()), (404, Some("connection_not_found")), "{id}");
    }
    for (reply, status, code) in [
        (refused(400, "temporarily_unavailable", "", 90033), 503, "connection_waiting"),
        (refused(400, "invalid_grant", "message_only", 53003), 409, "connection_failing"),
        (refused(400, "invalid_grant", "bad_token", 50173), 409, "needs_sign_in"),
    ] {
        let id = world.connect("access-1");
        world.running.step_clock(2 * UnixMs::HOUR);
        world.authority.says(move |_| reply.clone());
        let answer = world.call(&format!("POST /api/amas/connections/{}/token", id.as_str()), b"");
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{}", answer.body);
    }
}

#[test]
fn graph_is_called_with_the_access_put_in() {
    let world = World::start();
    let id = world.connect("access-1");
    let base = format!("/api/amas/connections/{}/graph", id.as_str());
    let answer = world.call(&format!("POST {base}/v1.0/me/sendMail?x=1&$top=5"), b"a body");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let got = answer.json();
    assert_eq!(got["line"], "POST /v1.0/me/sendMail?x=1&$top=5 HTTP/1.1");
    assert_eq!((got["authorization"].as_str(), got["body"].as_str()), (Some("Bearer access-1"), Some("a body")));
    assert!(got["cookie"].is_null(), "the caller's cookies stay here");
    let head = answer.head.to_ascii_lowercase();
    assert!(!head.contains("set-cookie") && head.contains("retry-after: 3"), "{head}");
    for path in
        ["/v1.0/../me", "/v1.0/%2e%2e/me", "//evil.example/v1.0/me", "/https://evil.example/v1.0", "/@evil.example"]
    {
        let refused = world.call(&format!("GET {base}{path}"), b"");
        assert_eq!(refused.json()["code"], "path_not_allowed", "{path}: {}", refused.body);
    }
}

#[test]
fn access_that_graph_refuses_is_renewed_once() {
    let world = World::start();
    let id = world.connect("stale-1");
    world.authority.says(|_| ok(&json!({ "token_type": "Bearer", "expires_in": 3600, "access_token": "access-2" })));
    let line = format!("GET /api/amas/connections/{}/graph/v1.0/me", id.as_str());
    let calls = world.authority.calls().len();
    let answer = world.call(&line, b"");
    assert_eq!((answer.status, answer.json()["authorization"].as_str()), (200, Some("Bearer access-2")));
    assert_eq!(world.authority.calls().len() - calls, 1);

    // Refused again, it is passed on: no loop.
    world.authority.says(|_| ok(&json!({ "token_type": "Bearer", "expires_in": 3600, "access_token": "stale-3" })));
    world.running.step_clock(2 * UnixMs::HOUR);
    let calls = world.authority.calls().len();
    assert_eq!(world.call(&line, b"").status, 401);
    assert_eq!(world.authority.calls().len() - calls, 2);
}

#[test]
fn a_claims_challenge_reaches_the_authority() {
    let world = World::start();
    let id = world.connect("challenged-1");
    world.authority.says(|form| {
        assert_eq!(form.get("claims").map(String::as_str), Some(r#"{"access_token":{"nbf":{"essential":true}}}"#));
        ok(&json!({ "token_type": "Bearer", "expires_in": 3600, "access_token": "access-2" }))
    });
    let answer = world.call(&format!("GET /api/amas/connections/{}/graph/v1.0/me", id.as_str()), b"");
    assert_eq!((answer.status, answer.json()["authorization"].as_str()), (200, Some("Bearer access-2")));
}

/// One call to the listener of a sign-in.
fn visit(port: u16, head: &str, body: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = crate::common::connect(port);
    let message = format!(
        "{head} HTTP/1.1\r\nhost: localhost:{port}\r\norigin: https://login.microsoftonline.com\r\n\
         content-type: application/x-www-form-urlencoded\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(message.as_bytes()).expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("reads");
    answer
}

#[test]
fn the_answer_of_a_sign_in_comes_back_through_loopback() {
    let world = World::start();
    let core = world.running.core.clone();
    let (port, begun) = world.begin(world.request());
    world.signs_in(&begun.link, "access-1");
    let callback = format!("/oauth/{}/callback", world.integration.as_str());
    assert_eq!(parameter(&begun.link, "redirect_uri"), format!("http://localhost:{port}{callback}"));
    let state = parameter(&begun.link, "state");
    // Stray visits and answers of others end nothing.
    assert!(visit(port, "GET /favicon.ico", "").starts_with("HTTP/1.1 404"));
    assert!(visit(port, &format!("POST {callback}"), "code=c&state=other").contains("/oauth/ended/unknown"));
    assert!(visit(port, "POST /oauth/built-in/callback", &format!("code=c&state={state}")).contains("ended/unknown"));
    let answer = visit(port, &format!("POST {callback}"), &format!("code=c&state={state}"));
    assert!(answer.starts_with("HTTP/1.1 303") && answer.contains("/oauth/ended/signed-in"), "{answer}");
    assert!(!answer.contains("code=c"), "the code is in an address");
    assert!(visit(port, "GET /oauth/ended/signed-in", "").contains("confirm your account"));
    assert!(
        visit(port, &format!("GET {callback}?code=c&state={state}"), "").contains("/oauth/ended/unknown"),
        "replayed"
    );
    assert!(core.connections.list().expect("lists").is_empty(), "nobody said yet that the right one signed in");
    world.runtime.block_on(core.connections.confirm(&begun.id)).expect("confirms");
    assert_eq!(core.connections.list().expect("lists").len(), 1);
    // Nobody waits any more: the port is closed again.
    let closed = (0..40).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(500));
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err()
    });
    assert!(closed, "the listener stays");
}

#[test]
fn the_end_of_one_sign_in_closes_the_listener_of_no_other() {
    /// Longer than a listener stays for the last page of a sign-in that has ended.
    const STAYS: std::time::Duration = std::time::Duration::from_secs(8);
    let world = World::start();
    let core = &world.running.core;
    let slow = world.runtime.block_on(ScriptedAuthority::start(|_| (500, "", String::new())));
    let base = slow.issuer.split("/9").next().unwrap_or_default().to_owned();
    let draft = Draft {
        name: "Slow".to_owned(),
        client_id: CLIENT_ID.to_owned(),
        authority: AuthorityDraft::Custom { issuer: slow.issuer.clone(), graph: base },
        scopes: vec!["Mail.Read".to_owned()],
        ..core.integrations.fresh_draft()
    };
    let integration = world.runtime.block_on(core.save_integration(draft, SecretChange::Keep)).expect("saves").id;
    let held = world.runtime.block_on(slow.hold());
    let (first, ended) = world.begin(world.request());
    let request = SignInRequest { integration: integration.clone(), ..world.request() };
    let waiting = world.runtime.spawn({
        let core = core.clone();
        async move { atthene_gateway::begin_sign_in(&core, request).await }
    });
    let callback = format!("POST /oauth/{}/callback", world.integration.as_str());
    let state = parameter(&ended.link, "state");
    assert!(visit(first, &callback, &format!("error=access_denied&state={state}")).contains("ended/failed"));
    std::thread::sleep(STAYS);
    drop(held);
    let begun = world.runtime.block_on(waiting).expect("ends").expect("begins");
    let uri = url::Url::parse(&parameter(&begun.link, "redirect_uri")).expect("an address");
    let second = uri.port().expect("a port");
    let callback = format!("POST /oauth/{}/callback", integration.as_str());
    let state = parameter(&begun.link, "state");
    assert!(visit(second, &callback, &format!("error=access_denied&state={state}")).contains("ended/failed"));
}

#[test]
fn figures_use_the_words_of_everything_else() {
    let world = World::start();
    let id = world.connect("access-1");
    let figures = || {
        let listener = world.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("binds");
        let port = listener.local_addr().expect("an address").port();
        let serving = world.runtime.spawn(atthene_gateway::serve_metrics(world.running.core.clone(), listener));
        let mut stream = crate::common::connect(port);
        std::io::Write::write_all(
            &mut stream,
            b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        )
        .expect("asks");
        let figures = crate::common::Answer::read(&mut stream).body;
        serving.abort();
        figures
    };
    let before = figures();
    assert!(before.contains("atthene_connections{state=\"connected\"} 1"), "{before}");
    assert!(before.contains("atthene_live_key 1") && before.contains("atthene_key_expires_timestamp_seconds"));

    world.authority.says(|_| refused(400, "invalid_grant", "bad_token", 50173));
    world.running.step_clock(2 * UnixMs::HOUR);
    world.call(&format!("POST /api/amas/connections/{}/token", id.as_str()), b"");
    // Nobody uses the key any more, and nobody notices that it runs out.
    world.running.step_clock(31 * UnixMs::DAY);
    let after = figures();
    assert!(after.contains("atthene_connections{state=\"needs_sign_in\"} 1"), "{after}");
    assert!(after.contains("atthene_live_key 0") && !after.contains("key_expires"), "{after}");
    assert!(world.running.core.keys.live().expect("reads").is_none());
}
