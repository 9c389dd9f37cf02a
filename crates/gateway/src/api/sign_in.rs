//! The listener on loopback that a sign-in's answer comes back to (RFC 8252, 7.3). It is
//! there only while a sign-in waits for it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use atthene_core::connections::{Answer, AnswerProblem, Progress, ReturnPath, SignInId, SignInRequest, SignInView};
use atthene_core::identity::IDENTIFIER;
use atthene_core::integrations::IntegrationId;
use atthene_core::{Core, Error};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode, header};
use tokio::net::TcpListener;

use super::guard;

/// How often is looked whether a sign-in still waits.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The last page of a sign-in is fetched after its answer was taken.
const GRACE: Duration = Duration::from_secs(5);
const LARGEST_ANSWER: usize = 64 * 1024;

/// Prepares a sign-in in the browser, with a listener of its own for its answer where that comes back
/// through this machine.
pub async fn begin_sign_in(core: &Arc<Core>, request: SignInRequest) -> Result<SignInView, Error> {
    if !core.connections.returns_through_loopback(&request.integration)? {
        return core.connections.begin(request, None).await;
    }
    let bound = bind().await;
    let (port, listeners) = bound.map_err(|error| Error::Internal(format!("no port for the answer: {error}")))?;
    let begun = core.connections.begin(request, Some(port)).await?;
    listen(core, &begun.id, listeners);
    Ok(begun)
}

/// Takes the answer of this sign-in until it waits no more. Another one's end changes nothing about that.
fn listen(core: &Arc<Core>, id: &SignInId, listeners: Vec<TcpListener>) {
    let router = Router::new()
        .route("/oauth/{integration}/callback", get(by_query).post(by_form))
        .route("/oauth/ended/{how}", get(ended))
        .layer(DefaultBodyLimit::max(LARGEST_ANSWER))
        .with_state(core.clone());
    for listener in listeners {
        let (router, core, id) = (router.clone(), core.clone(), id.clone());
        tokio::spawn(async move {
            let served = axum::serve(listener, router).with_graceful_shutdown(no_longer_needed(core, id));
            if let Err(error) = served.await {
                tracing::warn!(%error, "the listener for sign-ins ended early");
            }
        });
    }
}

/// Ports tried before giving up: each is one that the system says is free.
const TRIES: usize = 20;

/// A port that is ours on IPv4 and on IPv6. Some browsers try `::1` first for "localhost": whoever has it
/// there would get the answer.
async fn bind() -> std::io::Result<(u16, Vec<TcpListener>)> {
    let mut last = std::io::ErrorKind::AddrInUse.into();
    for _ in 0..TRIES {
        match under_both(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => last = error,
            bound => return bound,
        }
    }
    Err(last)
}

/// The same port under IPv6, too. An error of the kind `AddrInUse`: somebody has it there.
async fn under_both(first: TcpListener) -> std::io::Result<(u16, Vec<TcpListener>)> {
    let port = first.local_addr()?.port();
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
        Ok(second) => Ok((port, vec![first, second])),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(error),
        // A machine without IPv6 has no browser that tries it.
        Err(_) => Ok((port, vec![first])),
    }
}

async fn no_longer_needed(core: Arc<Core>, id: SignInId) {
    while core.connections.waits_on_loopback(&id) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    tokio::time::sleep(GRACE).await;
}

/// Entra's way (`response_mode=form_post`): the code is in no address.
async fn by_form(core: State<Arc<Core>>, integration: Path<String>, headers: HeaderMap, body: String) -> Response {
    take(core, integration, &headers, Answer::from_form(&body)).await
}

/// For authorities that know no `form_post`. The redirect takes the code out of the address.
async fn by_query(
    core: State<Arc<Core>>,
    integration: Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    take(core, integration, &headers, Answer::from_query(&query.unwrap_or_default())).await
}

async fn take(
    State(core): State<Arc<Core>>,
    Path(integration): Path<String>,
    headers: &HeaderMap,
    answer: Result<Answer, AnswerProblem>,
) -> Response {
    if !is_local(headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let Ok(integration) = IntegrationId::try_from(integration) else { return StatusCode::NOT_FOUND.into_response() };
    let Ok(answer) = answer else { return Redirect::to("/oauth/ended/unknown").into_response() };
    let how = match core.connections.answer(answer, &ReturnPath::Loopback(integration)).await {
        Ok(Progress::Done { .. }) => "connected",
        Ok(Progress::Confirm { .. }) => "signed-in",
        Ok(_) => "failed",
        Err(_) => "unknown",
    };
    Redirect::to(&format!("/oauth/ended/{how}")).into_response()
}

/// A name that was re-bound to this machine is not ours.
fn is_local(headers: &HeaderMap) -> bool {
    headers.get(header::HOST).is_some_and(|host| guard::is_loopback(host.as_bytes()))
}

async fn ended(Path(how): Path<String>, headers: HeaderMap) -> Response {
    if !is_local(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let (title, text) = match how.as_str() {
        "connected" => ("You are connected", "You can close this tab and go back to ATTHENE Settings."),
        "signed-in" => {
            ("You are signed in", "Go back to ATTHENE Settings and confirm your account; agents get nothing before.")
        }
        "failed" => ("You are not connected", "ATTHENE Settings shows why, and what to do."),
        _ => (
            "No sign-in waits for this answer",
            "It may be too late, or was used already. Start again from ATTHENE Settings.",
        ),
    };
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title} · ATTHENE Settings</title><style>\
         :root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;max-width:28rem;margin:18vh auto;padding:0 1.5rem}}\
         h1{{font-size:1.4rem}}a{{color:LinkText}}</style>\
         <h1>{title}</h1><p>{text}</p><p><a href=\"{IDENTIFIER}://open\">Back to the app</a></p></html>"
    );
    let guard = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (guard, Html(page)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn s19_the_port_of_a_sign_in_is_ours_under_both_addresses() {
        let (port, listeners) = bind().await.expect("binds");
        assert!(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err());
        if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            assert_eq!(listeners.len(), 2);
            assert!(std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_err());

            let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("binds");
            let port = first.local_addr().expect("an address").port();
            let stranger = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, port)).expect("is there first");
            let refused = under_both(first).await.map(drop).expect_err("whoever is there would get the answer");
            assert_eq!(refused.kind(), std::io::ErrorKind::AddrInUse);
            drop(stranger);
        }
    }
}
