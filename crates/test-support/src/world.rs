//! An authority that answers in recorded shapes, and a profile that signs in there.

use std::sync::Arc;

use atthene_core::connections::{
    Answer, ConnectionId, ConnectionView, Progress, ReturnPath, SignInRequest, SignInView, Toolkit,
};
use atthene_core::integrations::{AuthorityDraft, Draft, IntegrationId};
use atthene_core::permissions::Permissions;
use atthene_core::{Core, SecretChange};
use serde_json::json;

use crate::authority::{CLIENT_ID, Reply, ScriptedAuthority, TENANT, id_token, ok, refused};
use crate::machine::{Machine, START};
use crate::vaults::SharedVault;

pub const PLANTED: &str = "planted-refresh-token";

/// An authority that signs everybody in, and a profile with an integration at it.
pub struct World {
    pub machine: Machine,
    pub vault: SharedVault,
    pub authority: ScriptedAuthority,
    pub core: Arc<Core>,
    pub integration: IntegrationId,
}

pub fn open(machine: &Machine, vault: &SharedVault) -> Arc<Core> {
    machine.open_with(vault.clone())
}

impl World {
    pub async fn new(secret: SecretChange) -> Self {
        Self::at_graph(secret, "http://127.0.0.1:1").await
    }

    /// The same with this Graph.
    pub async fn at_graph(secret: SecretChange, graph: &str) -> Self {
        Self::on(Machine::new(), secret, graph).await
    }

    /// The same on this machine.
    pub async fn on(machine: Machine, secret: SecretChange, graph: &str) -> Self {
        let vault = SharedVault::default();
        let core = open(&machine, &vault);
        Self::of(machine, vault, core, secret, graph).await
    }

    /// The same of a profile that is open.
    pub async fn of(machine: Machine, vault: SharedVault, core: Arc<Core>, secret: SecretChange, graph: &str) -> Self {
        let authority = ScriptedAuthority::start(|_| (500, "", String::new())).await;
        let draft = Draft {
            name: "Contoso".to_owned(),
            client_id: CLIENT_ID.to_owned(),
            authority: AuthorityDraft::Custom { issuer: authority.issuer.clone(), graph: graph.to_owned() },
            scopes: ["User.Read", "Mail.Read", "Chat.Read"].map(str::to_owned).to_vec(),
            ..core.integrations.fresh_draft()
        };
        let integration = core.save_integration(draft, secret).await.expect("saves").id;
        Self { machine, vault, authority, core, integration }
    }

    pub fn request(&self) -> SignInRequest {
        SignInRequest {
            toolkit: Toolkit::Outlook,
            integration: self.integration.clone(),
            again: None,
            switch_account: false,
        }
    }

    pub fn door(&self) -> ReturnPath {
        ReturnPath::Loopback(self.integration.clone())
    }

    pub async fn begin(&self, request: SignInRequest) -> SignInView {
        self.core.connections.begin(request, Some(4711)).await.expect("begins")
    }

    /// What the token endpoint answers when `oid` signs in for the attempt with this link.
    pub fn sign_in_reply(&self, link: &str, oid: &str) -> Reply {
        let claims = json!({
            "iss": self.authority.issuer, "aud": CLIENT_ID, "exp": START / 1000 + 86_400 * 90, "nonce": parameter(link, "nonce"),
            "sub": "s", "oid": oid, "tid": TENANT, "preferred_username": format!("{oid}@contoso.com"),
        });
        ok(&json!({
            "token_type": "Bearer", "expires_in": "3599", "access_token": "access-1", "refresh_token": PLANTED,
            "scope": "https://graph.microsoft.com/Mail.Read User.Read openid profile", "id_token": id_token(&claims),
        }))
    }

    /// Lets the token endpoint sign `oid` in for the attempt with this link.
    pub fn signs_in(&self, link: &str, oid: &str) {
        let reply = self.sign_in_reply(link, oid);
        self.authority.says(move |form| {
            assert!(form.contains_key("code_verifier"), "no PKCE: {:?}", form.keys());
            reply.clone()
        });
    }

    pub async fn connect(&self, oid: &str) -> ConnectionId {
        self.connect_for(Toolkit::Outlook, oid, "https://graph.microsoft.com/Mail.Read User.Read").await
    }

    /// The same for this toolkit, with these scopes granted.
    pub async fn connect_for(&self, toolkit: Toolkit, oid: &str, scopes: &str) -> ConnectionId {
        let begun = self.begin(SignInRequest { toolkit, ..self.request() }).await;
        let (status, headers, body) = self.sign_in_reply(&begun.link, oid);
        let granted = "https://graph.microsoft.com/Mail.Read User.Read openid profile";
        let reply = (status, headers, body.replace(granted, &format!("{scopes} openid profile")));
        self.authority.says(move |form| {
            assert!(form.contains_key("code_verifier"), "no PKCE: {:?}", form.keys());
            reply.clone()
        });
        match self.answer(&format!("code=c&state={}", parameter(&begun.link, "state"))).await {
            Progress::Done { connection, .. } => connection,
            other => panic!("{other:?}"),
        }
    }

    /// The same, with leave for everything that was granted.
    pub async fn connect_with_leave(&self, oid: &str) -> ConnectionId {
        let id = self.connect(oid).await;
        self.core.connections.set_permissions(&id, Permissions::everything()).expect("permits");
        id
    }

    /// Answers, and says that the right one signed in where that is asked.
    pub async fn answer(&self, form: &str) -> Progress {
        let answer = Answer::from_form(form).expect("an answer");
        let progress = self.core.connections.answer(answer, &self.door()).await.expect("is waited for");
        confirmed(&self.core, progress).await
    }

    pub fn only(&self) -> ConnectionView {
        let mut all = self.core.connections.list().expect("lists");
        assert_eq!(all.len(), 1);
        all.remove(0)
    }
}

/// The end of a sign-in, after a person said that the right one signed in.
pub async fn confirmed(core: &Core, progress: Progress) -> Progress {
    if !matches!(progress, Progress::Confirm { .. }) {
        return progress;
    }
    let asked = core.connections.unconfirmed().pop().expect("somebody is asked");
    core.connections.confirm(&asked.id).await.expect("confirms")
}

pub fn parameter(link: &str, name: &str) -> String {
    let link = url::Url::parse(link).expect("a link");
    link.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// As strict authorities do: refresh tokens are rotated, the first one is [`PLANTED`], and one that was spent is taken
/// for a stolen one.
pub fn rotates(authority: &ScriptedAuthority) {
    let mut valid = PLANTED.to_owned();
    let mut n = 1;
    authority.says(move |form| {
        if form["refresh_token"] != valid {
            return refused(400, "invalid_grant", "bad_token", 50173);
        }
        n += 1;
        valid = format!("rotated-{n}");
        tokens(&format!("access-{n}"), &valid)
    });
}

pub fn tokens(access: &str, refresh: &str) -> Reply {
    ok(&json!({ "token_type": "Bearer", "expires_in": 3600, "access_token": access, "refresh_token": refresh }))
}
