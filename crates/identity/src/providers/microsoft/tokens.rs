//! Asking Entra for tokens: what it wants to be told besides, when it may be asked once more, and what its
//! refusals mean.

use std::time::Duration;

use atthene_core::bound::Bound;
use atthene_core::connections::same_scope;
use atthene_core::port::{Client, DeviceCode, Grant, Http, Meaning, TokenFailure, Tokens};
use atthene_core::provider::AuthorityFailure;

use super::claims::claims_parameter;
use super::failure::EntraRefusal;
use super::help::Stage;
use super::scopes::AUTOMATIC_SCOPES;
use crate::oauth::device::{open_device_code, seal_device_code};
use crate::oauth::token::{TokenClient, TokenError, TokenRequest, TokenSet};

/// How soon a busy authority that names no time is asked once more.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long one that is still busy is left alone.
const BUSY_PAUSE: Duration = Duration::from_mins(1);

pub(in crate::providers) async fn tokens(
    client: Client<'_>,
    grant: Grant<'_>,
    asked: &[String],
    challenge: Option<&str>,
    http: &dyn Http,
) -> Result<Tokens, TokenFailure> {
    let authority = &client.found.authority;
    let claims = claims_parameter(authority, challenge);
    let claims = claims.as_deref();
    let scopes;
    let stage = if matches!(grant, Grant::Code { .. }) { Stage::SignIn } else { Stage::Refresh };
    let request = match grant {
        Grant::Code { code, verifier, redirect_uri } => TokenRequest::Code { code, verifier, redirect_uri, claims },
        Grant::Refresh { token, granted } => {
            // Entra wants to be told for which resource; elsewhere nothing means: as granted
            // (RFC 6749, 6). What was not granted is not asked for again, which would be refused.
            scopes = if authority.cloud().is_some() { with_automatic(granted) } else { Vec::new() };
            TokenRequest::Refresh { token, scopes: &scopes, claims }
        }
    };
    let token_client = TokenClient { client_id: client.client_id, secret: client.secret, found: client.found, http };
    let answered = match token_client.ask(&request).await {
        // Refused before anything was spent: the redirect URI is registered as public.
        Err(TokenError::Refused(body)) if client.secret.is_some() && body.wants_no_secret() => {
            TokenClient { secret: None, ..token_client }.ask(&request).await.map(|tokens| (tokens, false))
        }
        Err(TokenError::Busy { retry_after: None }) => {
            tokio::time::sleep(AGAIN_AFTER).await;
            token_client.ask(&request).await.map(|tokens| (tokens, client.secret.is_some()))
        }
        answered => answered.map(|tokens| (tokens, client.secret.is_some())),
    };
    let (tokens, confidential) = answered.map_err(|error| failed(&error, client.secret, stage))?;
    Ok(as_tokens(tokens, asked, confidential))
}

pub(in crate::providers) async fn device_code(
    client: Client<'_>,
    scopes: &[String],
    http: &dyn Http,
) -> Option<Result<DeviceCode, TokenFailure>> {
    let token_client = TokenClient { client_id: client.client_id, secret: None, found: client.found, http };
    let code = token_client.device_code(&with_automatic(scopes)).await?;
    let sealed = code.and_then(|code| {
        Ok(DeviceCode {
            user_code: code.user_code().secret().clone(),
            page: code.verification_uri().url().clone(),
            lifetime: code.expires_in(),
            sealed: seal_device_code(&code)?,
        })
    });
    Some(sealed.map_err(|error| failed(&error, None, Stage::DeviceCode)))
}

pub(in crate::providers) async fn device_tokens(
    client: Client<'_>,
    code: &DeviceCode,
    asked: &[String],
    http: &dyn Http,
) -> Result<Tokens, TokenFailure> {
    let token_client = TokenClient { client_id: client.client_id, secret: None, found: client.found, http };
    let code = open_device_code(&code.sealed).map_err(|error| failed(&error, None, Stage::DeviceCode))?;
    let tokens = token_client.wait_for_device(&code).await.map_err(|error| failed(&error, None, Stage::DeviceCode))?;
    Ok(as_tokens(tokens, asked, false))
}

fn with_automatic(scopes: &[String]) -> Vec<String> {
    AUTOMATIC_SCOPES.iter().map(|&scope| scope.to_owned()).chain(scopes.iter().cloned()).collect()
}

fn as_tokens(tokens: TokenSet, asked: &[String], confidential: bool) -> Tokens {
    Tokens {
        granted: tokens.scopes.map(|granted| spelled_as_asked(&granted, asked)),
        access: tokens.access,
        lifetime: tokens.lifetime,
        refresh: tokens.refresh,
        id_token: tokens.id_token,
        confidential,
    }
}

/// What was granted, in the spelling in which it was asked for.
fn spelled_as_asked(granted: &[String], asked: &[String]) -> Vec<String> {
    let spelled = |scope: &String| asked.iter().find(|asked| same_scope(asked, scope)).unwrap_or(scope).clone();
    let is_picked = |scope: &&String| !AUTOMATIC_SCOPES.contains(&scope.as_str());
    granted.iter().filter(is_picked).map(spelled).collect()
}

/// What a failure means, in words that hold no secret.
fn failed(error: &TokenError, secret: Option<&Bound>, stage: Stage) -> TokenFailure {
    let mut claims = None;
    let (failure, meaning) = match error {
        TokenError::Network(error) => (error.into(), Meaning::Wait(None)),
        TokenError::Busy { retry_after } => (
            AuthorityFailure::own(
                "The authority is busy or has a problem of its own",
                "The app tries again by itself.",
            ),
            Meaning::Wait(Some(retry_after.unwrap_or(BUSY_PAUSE))),
        ),
        TokenError::Refused(body) => {
            claims = body.claims();
            (body.failure(stage), body.meaning())
        }
        // Found out here only where a row changed between two lines.
        TokenError::Misdirected => (
            AuthorityFailure::own(
                "What is kept for this sign-in belongs to another authority, client ID or account, and was not sent",
                "Enter the client secret again, or sign in again.",
            ),
            Meaning::SignIn { forget: false },
        ),
        TokenError::Unreadable => (
            AuthorityFailure::own(
                "The token endpoint did not answer in the OAuth format",
                "Check the network; a login page or proxy that answers in its place looks like this.",
            ),
            Meaning::Wait(None),
        ),
    };
    let failure = secret.map_or(failure.clone(), |secret| failure.without(secret));
    TokenFailure { failure, meaning, claims }
}
