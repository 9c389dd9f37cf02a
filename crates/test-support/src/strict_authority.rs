//! An authority as strict as the standards allow: each refresh token is good once, and one that is spent twice ends the
//! sign-in that it came of (RFC 9700, 4.14.2).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::json;
use url::Url;

use crate::authority::{CLIENT_ID, Form, Reply, ScriptedAuthority, TENANT, id_token, ok, refused};
use crate::caller;

/// Access that lives so long, in seconds: each connection is renewed every second or so.
pub const SHORT_LIVED: u64 = 2;

/// What it has handed out and taken back.
#[derive(Default)]
pub struct Tokens {
    next: u64,
    /// Access lives so long, in seconds.
    lives: u64,
    /// Good ones, and whose they are.
    good: HashMap<String, String>,
    /// Spent ones: whose they were, and when.
    spent: HashMap<String, (String, Instant)>,
    pub refreshes: u64,
    /// Spent ones that came again: whose, and when they were spent.
    pub again: Vec<(String, Instant)>,
}

pub struct StrictAuthority {
    pub authority: ScriptedAuthority,
    pub tokens: Arc<Mutex<Tokens>>,
}

impl StrictAuthority {
    /// Its access lives for so many seconds.
    pub async fn start(lives: u64) -> Self {
        let authority = ScriptedAuthority::start(|_| (500, "", String::new())).await;
        let tokens = Arc::new(Mutex::new(Tokens { lives, ..Tokens::default() }));
        let (answered, issuer) = (tokens.clone(), authority.issuer.clone());
        authority.says(move |form| answer(&mut answered.lock().expect("not poisoned"), &issuer, form));
        Self { authority, tokens }
    }

    /// Where its Graph is.
    pub fn base(&self) -> String {
        self.authority.issuer.split(&format!("/{TENANT}")).next().unwrap_or_default().to_owned()
    }
}

/// The code of a sign-in: who it is, and the nonce that the id token has to name.
fn code(account: &str, nonce: &str) -> String {
    format!("{account}~{nonce}")
}

/// Signs this account in on the page of this address, as a browser would.
pub fn sign_in(page: &str, account: &str) -> std::io::Result<()> {
    let unreadable = || std::io::Error::other(format!("no page to sign in: {page}"));
    let page = Url::parse(page).map_err(|_| unreadable())?;
    let of = |name: &str| page.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let back = of("redirect_uri").and_then(|uri| Url::parse(&uri).ok()).ok_or_else(unreadable)?;
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("code", &code(account, &of("nonce").unwrap_or_default()))
        .append_pair("state", &of("state").unwrap_or_default())
        .finish();
    caller::post_form(back.port().ok_or_else(unreadable)?, back.path(), &form)
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
            "token_type": "Bearer", "expires_in": tokens.lives, "access_token": access, "refresh_token": refresh,
            "scope": "Mail.Read", "id_token": id_token(&claims),
        }));
    }
    let presented = form.get("refresh_token").cloned().unwrap_or_default();
    if let Some(account) = tokens.good.remove(&presented) {
        tokens.refreshes += 1;
        tokens.spent.insert(presented, (account.clone(), Instant::now()));
        tokens.good.insert(refresh.clone(), account);
        return ok(&json!({
            "token_type": "Bearer", "expires_in": tokens.lives, "access_token": access, "refresh_token": refresh,
        }));
    }
    if let Some(spent) = tokens.spent.get(&presented).cloned() {
        tokens.again.push(spent);
    }
    refused(400, "invalid_grant", "bad_token", 50173)
}
