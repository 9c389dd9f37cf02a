//! An authority as strict as the standards allow: each refresh token is good once, and one that is spent twice ends the
//! sign-in that it came of (RFC 9700, 4.14.2).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::Result;
use atthene_test_support::authority::{CLIENT_ID, Form, Reply, ScriptedAuthority, TENANT, id_token, ok, refused};
use serde_json::json;

#[derive(Default)]
pub(crate) struct Tokens {
    next: u64,
    /// Good ones, and whose they are.
    good: HashMap<String, String>,
    /// Spent ones: whose they were, and when.
    spent: HashMap<String, (String, Instant)>,
    pub(crate) refreshes: u64,
    /// Spent ones that came again: whose, and when they were spent.
    pub(crate) again: Vec<(String, Instant)>,
}

pub(crate) struct Strict {
    pub(crate) authority: ScriptedAuthority,
    pub(crate) tokens: Arc<Mutex<Tokens>>,
    _runtime: tokio::runtime::Runtime,
}

/// Access lives so long, in seconds: each connection is renewed every second or so.
const LIVES: u64 = 2;

impl Strict {
    pub(crate) fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let authority = runtime.block_on(ScriptedAuthority::start(|_| (500, "", String::new())));
        let tokens = Arc::<Mutex<Tokens>>::default();
        let (answered, issuer) = (tokens.clone(), authority.issuer.clone());
        authority.says(move |form| answer(&mut answered.lock().expect("not poisoned"), &issuer, form));
        Ok(Self { authority, tokens, _runtime: runtime })
    }

    /// Where its Graph is.
    pub(crate) fn base(&self) -> String {
        self.authority.issuer.split(&format!("/{TENANT}")).next().unwrap_or_default().to_owned()
    }
}

/// The code of a sign-in: who it is, and the nonce that the id token has to name.
pub(crate) fn code(account: &str, nonce: &str) -> String {
    format!("{account}~{nonce}")
}

fn answer(tokens: &mut Tokens, issuer: &str, form: &Form) -> Reply {
    tokens.next += 1;
    let (access, refresh) = (format!("access-{}", tokens.next), format!("refresh-{}", tokens.next));
    if let Some((account, nonce)) = form.get("code").and_then(|code| code.split_once('~')) {
        tokens.good.insert(refresh.clone(), account.to_owned());
        let claims = json!({
            "iss": issuer, "aud": CLIENT_ID, "exp": 4_000_000_000_u64, "nonce": nonce, "sub": account, "oid": account,
            "tid": TENANT, "preferred_username": format!("{account}@contoso.example"),
        });
        return ok(&json!({
            "token_type": "Bearer", "expires_in": LIVES, "access_token": access, "refresh_token": refresh,
            "scope": "Mail.Read", "id_token": id_token(&claims),
        }));
    }
    let presented = form.get("refresh_token").cloned().unwrap_or_default();
    if let Some(account) = tokens.good.remove(&presented) {
        tokens.refreshes += 1;
        tokens.spent.insert(presented, (account.clone(), Instant::now()));
        tokens.good.insert(refresh.clone(), account);
        return ok(&json!({
            "token_type": "Bearer", "expires_in": LIVES, "access_token": access, "refresh_token": refresh,
        }));
    }
    if let Some(spent) = tokens.spent.get(&presented).cloned() {
        tokens.again.push(spent);
    }
    refused(400, "invalid_grant", "bad_token", 50173)
}
