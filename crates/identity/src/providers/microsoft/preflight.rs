//! Asks Microsoft before an integration is saved: is the tenant there, the client ID known,
//! the secret accepted? Needs no person and leaves nothing behind but a line in the tenant's
//! sign-in log.

use atthene_core::bound::Bound;
use atthene_core::integrations::{Integration, Platform, Step, StepReport, StepState};
use atthene_core::port::{Http, Meaning, TellStep};
use atthene_core::provider::{AuthorityFailure, ClientId, Consent, Discovery};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::discovery;
use super::failure::EntraRefusal;
use super::help::Stage;
use super::scopes::note;
use crate::oauth::ErrorBody;
use crate::oauth::token::{TokenClient, TokenError, TokenRequest};

/// Runs the steps and tells each as it changes. Returns what went wrong first.
pub(in crate::providers) async fn run(
    subject: &Integration,
    secret: Option<&Bound>,
    http: &dyn Http,
    tell: TellStep<'_>,
) -> Option<AuthorityFailure> {
    let mut first = None;
    let mut say = |step, state: StepState| {
        if let (None, StepState::Failed { failure }) = (&first, &state) {
            first = Some(failure.clone());
        }
        tell(StepReport { step, state });
    };

    say(Step::Authority, StepState::Running);
    match discovery::discover(&subject.authority, http).await {
        Ok(found) => {
            say(
                Step::Authority,
                StepState::Passed { note: discovery::tenant_id(&found).map(|id| format!("Tenant ID {id}.")) },
            );
            say(Step::ClientId, StepState::Running);
            let (client, answer) = match secret {
                Some(secret) => ask_with_secret(&subject.client_id, secret, &found, http).await,
                None => (ask_without_secret(&subject.client_id, &found, http).await, no_secret()),
            };
            say(Step::ClientId, client);
            say(Step::Secret, answer);
        }
        Err(error) => {
            say(Step::Authority, StepState::Failed { failure: discovery::failure(&error) });
            for step in [Step::ClientId, Step::Secret] {
                say(step, StepState::Skipped { note: "Not asked: the authority did not answer as it should.".into() });
            }
        }
    }
    say(Step::Scopes, scopes(&subject.scopes));
    say(Step::RedirectUri, redirect_uri(subject));
    first
}

/// The client credentials grant (RFC 6749, 4.4): proves ID and secret with no person.
async fn ask_with_secret(
    client_id: &ClientId,
    secret: &Bound,
    found: &Discovery,
    http: &dyn Http,
) -> (StepState, StepState) {
    let client = TokenClient { client_id, secret: Some(secret), found, http };
    let scope = format!("{}/.default", found.graph.as_str());
    let not_answered = || StepState::Skipped { note: "Not answered.".into() };
    let refusal = match client.ask(&TokenRequest::Client { scope: &scope }).await {
        Ok(tokens) => {
            let roles = application_permissions(tokens.access.expose_secret());
            let accepted = if roles.is_empty() { StepState::Passed { note: None } } else { too_mighty(&roles) };
            return (StepState::Passed { note: None }, accepted);
        }
        Err(TokenError::Refused(body)) => body,
        Err(TokenError::Network(error)) => {
            return (not_answered(), StepState::Failed { failure: (&error).into() });
        }
        Err(TokenError::Busy { .. }) => {
            let failure =
                AuthorityFailure::own("The authority is busy or has a problem of its own", "Try again later.")
                    .passing();
            return (not_answered(), StepState::Failed { failure });
        }
        Err(TokenError::Misdirected) => {
            let failure = AuthorityFailure::own(
                "The secret was kept for another authority or client ID, and was not sent",
                "Enter it again.",
            );
            return (not_answered(), StepState::Failed { failure });
        }
        Err(TokenError::Unreadable) => {
            let failure = AuthorityFailure::own(
                "The token endpoint did not answer in the OAuth format",
                "Check the authority; a proxy that answers in its place looks like this, too.",
            );
            return (not_answered(), StepState::Failed { failure });
        }
    };
    let failure = StepState::Failed { failure: refusal.failure(Stage::Check).without(secret) };
    match refusal.aadsts() {
        Some(number) if ABOUT_THE_APP.contains(&number) => {
            (failure, StepState::Skipped { note: "Not asked: the app comes first.".into() })
        }
        Some(_) => (StepState::Passed { note: None }, failure),
        // Without a number the authority does not say which of the two it means.
        None => (StepState::Skipped { note: "The authority does not tell it from the secret.".into() }, failure),
    }
}

/// AADSTS numbers that speak of the registration or its tenant, not of the secret. They only
/// choose which of two steps shows the failure.
const ABOUT_THE_APP: [u32; 8] = [700_016, 700_038, 90002, 900_023, 7_000_112, 70001, 9_001_023, 65002];

/// A public client has nothing to prove. Asking for a device code names an unknown one; the
/// code itself is left to lapse (RFC 8628, 3.1).
async fn ask_without_secret(client_id: &ClientId, found: &Discovery, http: &dyn Http) -> StepState {
    const UNKNOWN: &str = "Without a secret it can't be checked here; the first sign-in shows it.";
    let skipped = || StepState::Skipped { note: UNKNOWN.into() };
    let Some(endpoint) = &found.device_authorization_endpoint else { return skipped() };
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", client_id.as_str())
        .append_pair("scope", "openid")
        .finish();
    let request = http::Request::post(endpoint.as_str())
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body.into_bytes());
    let Ok(request) = request else { return skipped() };
    let answer = match http.send(request).await {
        Ok(answer) => answer,
        Err(error) => return StepState::Failed { failure: (&error).into() },
    };
    let has_code = serde_json::from_slice::<Value>(answer.body()).is_ok_and(|body| body.get("device_code").is_some());
    if answer.status().is_success() && has_code {
        return StepState::Passed { note: None };
    }
    // Not answered is not passed. A refusal that has nothing to do with the app shows that it is known.
    let Ok(body) = serde_json::from_slice::<ErrorBody>(answer.body()) else {
        let what = format!("The authority did not answer the question ({})", answer.status().as_u16());
        return StepState::Failed { failure: AuthorityFailure::own(what, "Try again later.").passing() };
    };
    match body.aadsts() {
        Some(number) if ABOUT_THE_APP.contains(&number) => StepState::Failed { failure: body.failure(Stage::Check) },
        _ if matches!(body.meaning(), Meaning::Wait(_)) => StepState::Failed { failure: body.failure(Stage::Check) },
        // It names the app's own set-up, or says that the flow is none for it.
        _ if matches!(body.error.as_str(), "unauthorized_client" | "invalid_client" | "unsupported_grant_type") => {
            skipped()
        }
        _ => StepState::Failed { failure: body.failure(Stage::Check) },
    }
}

fn no_secret() -> StepState {
    StepState::Skipped { note: "There is none: this is a public client.".into() }
}

/// Application permissions in a token of our own making: with these, ID and secret alone
/// open the whole tenant. Read for a warning only; nothing depends on it.
fn application_permissions(token: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Payload {
        #[serde(default)]
        roles: Vec<String>,
    }
    let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    payload
        .and_then(|bytes| serde_json::from_slice::<Payload>(&bytes).ok())
        .map(|payload| payload.roles)
        .unwrap_or_default()
}

fn too_mighty(roles: &[String]) -> StepState {
    let shown: Vec<&str> = roles.iter().take(3).map(String::as_str).collect();
    let more = if roles.len() > shown.len() { " and others" } else { "" };
    StepState::Warned {
        note: format!(
            "Accepted. But the app holds application permissions ({}{more}): whoever has its secret can use them in \
             the whole tenant, without anybody signing in. Keep delegated permissions only.",
            shown.join(", ")
        ),
    }
}

fn scopes(scopes: &[String]) -> StepState {
    let notes: Vec<_> = scopes.iter().map(|scope| note(scope)).collect();
    let unknown: Vec<&str> = notes.iter().filter(|note| note.lets.is_none()).map(|note| note.scope.as_str()).collect();
    if !unknown.is_empty() {
        return StepState::Warned {
            note: format!("Not in the catalogue: {}. Compare the spelling with Microsoft's.", unknown.join(", ")),
        };
    }
    let of = |consent| notes.iter().filter(|note| note.consent == Some(consent)).count();
    match (of(Consent::Admin), of(Consent::Blocked)) {
        (0, 0) => StepState::Passed { note: Some("Each person can grant them.".into()) },
        (0, blocked) => StepState::Passed {
            note: Some(format!("Where Microsoft manages consent, an administrator has to grant {blocked} of them.")),
        },
        (admin, _) => StepState::Passed { note: Some(format!("An administrator has to grant {admin} of them.")) },
    }
}

fn redirect_uri(subject: &Integration) -> StepState {
    let platform = match subject.redirect.platform(subject.secret.is_expected()) {
        Platform::Web => "Web",
        Platform::MobileAndDesktop => "Mobile and desktop applications",
    };
    StepState::Skipped {
        note: format!(
            "Only a sign-in can check it. Compare: {} under “{platform}”.",
            subject.redirect.redirect_uri(&subject.id)
        ),
    }
}
