//! Calls to Graph that a person is asked about: the same question as for a tool, so that Graph is no way round.

use std::sync::Arc;

use atthene_core::approvals::{AskedAct, Shown, digest, hides_something};
use atthene_core::connections::{ConnectionId, Fresh};
use atthene_core::keys::KeyId;
use atthene_core::permissions::{Act, Leave};
use atthene_core::{Error, blocking};
use atthene_toolkits::{Did, GraphRequest, WorkEnd, act_of, call_graph, can_be_shown, once};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Either};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::graph_call::send_once;
use super::unambiguous::is_unambiguous;
use crate::problem::{Problem, UpstreamFailure};
use crate::shared::Shared;
use crate::transport::body::{Limited, MIB};
use crate::transport::call::CallContext;

/// The largest body that a person is asked about: it is shown whole, and kept until then.
const LARGEST_ASKED: u64 = MIB / 4;
/// Said of an answer that is not Graph's, but what was told before.
const REPEATED: HeaderName = HeaderName::from_static("x-atthene-repeated");

/// A call as it came, with its path as it goes to Graph.
pub(super) struct AskedCall {
    pub(super) id: ConnectionId,
    pub(super) key: KeyId,
    pub(super) head: Parts,
    pub(super) body: Body,
}

/// What came of it.
pub(super) enum AskedAnswer {
    /// Graph's answer, and the Graph that gave it.
    ByGraph(http::Response<Incoming>, String),
    Before(Response),
}

/// Calls Graph once a person has said yes.
pub(super) async fn ask_and_call(
    shared: &Arc<Shared>,
    call: &CallContext,
    asked: AskedCall,
) -> Result<AskedAnswer, Problem> {
    let AskedCall { id, key, head, body } = asked;
    let largest = shared.config().largest_body.min(LARGEST_ASKED);
    let limited = Limited::new(Either::Right(body), largest, shared.limits.body_pause, call.clone());
    let bytes = limited.collect().await.map_err(|error| Problem::from(&error))?.to_bytes();
    let program = call.program().await;
    let act = question(shared, &head, &bytes, &id, &key, program.clone()).await?;
    // What goes to Graph as it was written is not changed by a person.
    let work = async |_: Option<Shown>| {
        let mut graph = String::new();
        let request = GraphRequest {
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            key: key.clone(),
            may_repeat: true,
            has_yes: true,
            by_tool: false,
        };
        let pause = shared.limits.body_pause;
        let next = |fresh: Fresh| {
            fresh.graph.as_str().clone_into(&mut graph);
            send_once(shared, fresh, head.clone(), Limited::kept(bytes.clone(), pause, call.clone()), call)
        };
        match call_graph(&shared.core, &id, request, std::future::ready(program), next).await {
            Ok(answer) if answer.status().is_client_error() => {
                WorkEnd::NoEffect(Refused::ByGraph(Box::new((answer, graph))))
            }
            Ok(answer) if answer.status().is_server_error() => {
                WorkEnd::Unknown(Refused::ByGraph(Box::new((answer, graph))))
            }
            Ok(answer) => {
                let outcome = json!({ "status": answer.status().as_u16() });
                WorkEnd::Done((answer, graph), outcome)
            }
            Err(problem) if may_have_arrived(&problem) => WorkEnd::Unknown(Refused::Problem(problem)),
            Err(problem) => WorkEnd::NoEffect(Refused::Problem(problem)),
        }
    };
    match once(&shared.core, act, Leave::Asked, shared.limits.approval_time, work).await {
        Ok(Did::Now((answer, graph))) => Ok(AskedAnswer::ByGraph(answer, graph)),
        Ok(Did::Before(outcome)) => Ok(AskedAnswer::Before(repeated(&outcome))),
        Ok(Did::Waiting(id)) => Err(Problem::ApprovalWaiting(id.as_str().to_owned())),
        Ok(Did::Denied) => Err(Problem::ApprovalDenied),
        Ok(Did::Begun) => Err(Problem::OutcomeUnknown),
        Err(Refused::ByGraph(answered)) => Ok(AskedAnswer::ByGraph(answered.0, answered.1)),
        Err(Refused::Problem(problem)) => Err(problem),
    }
}

/// Why it was not done, or may not have been.
enum Refused {
    ByGraph(Box<(http::Response<Incoming>, String)>),
    Problem(Problem),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Problem(error.into())
    }
}

/// Whether Graph may have had the whole call.
fn may_have_arrived(problem: &Problem) -> bool {
    matches!(problem, Problem::Upstream(_, failure) if !matches!(failure, UpstreamFailure::Unreachable(_)))
}

async fn question(
    shared: &Arc<Shared>,
    head: &Parts,
    bytes: &Bytes,
    id: &ConnectionId,
    key: &KeyId,
    program: String,
) -> Result<AskedAct, Problem> {
    let (core, of) = (shared.core.clone(), id.clone());
    let account = blocking(move || core.connections.account(&of)).await?;
    let line = format!("{} {}", head.method, head.uri);
    // A yes is for what was shown.
    let text = str::from_utf8(bytes).ok().filter(|text| !hides_something(text)).ok_or(Problem::BadRequest(
        "A person has to allow this, and can't be shown all of its body: send plain text.",
    ))?;
    if !can_be_shown(&head.method, head.uri.path()) {
        return Err(Problem::NotPermitted(
            "A person has to allow this, and can't be shown what it would send, which lies in the mailbox. Use the tools, or sendMail with the whole message.".into(),
        ));
    }
    // The same bytes are another mail as MIME, and another text unpacked.
    let mut kinds = head.headers.get_all(header::CONTENT_TYPE).iter();
    let kind = kinds.next().map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned()).unwrap_or_default();
    let is_json = kind.is_empty() || kind.to_ascii_lowercase().contains("json");
    let is_plain = kinds.next().is_none() && !head.headers.contains_key(header::CONTENT_ENCODING);
    if !is_plain || (is_json && !text.is_empty() && !is_unambiguous(text)) {
        return Err(Problem::BadRequest(
            "A person has to allow this, and can't be shown a body that could be read in two ways: send JSON that names each field once, not packed.",
        ));
    }
    Ok(AskedAct {
        connection: id.clone(),
        account,
        // What is not known is told as the call that it is.
        act: act_of(&head.method, head.uri.path()).unwrap_or(Act::Send),
        digest: digest(id, &line, &json!([kind, text])),
        shown: shown(text, &line, &kind),
        tool: format!("{} {}", head.method, head.uri.path()),
        program,
        key: key.clone(),
    })
}

/// A mail as such, and anything else as it is written.
fn shown(body: &str, line: &str, kind: &str) -> Shown {
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    let message = json.get("message").or_else(|| json.get("Message")).unwrap_or(&json);
    let addresses = ["toRecipients", "ccRecipients", "bccRecipients", "attendees"].iter().flat_map(|list| {
        let all = message[list].as_array().into_iter().flatten();
        all.filter_map(|one| one["emailAddress"]["address"].as_str().map(str::to_owned))
    });
    Shown {
        recipients: addresses.collect(),
        subject: message["subject"].as_str().unwrap_or_default().to_owned(),
        // All of it: what is not read out above is part of the call, too.
        body: body.to_owned(),
        more: vec![("Call".to_owned(), line.to_owned()), ("Content-Type".to_owned(), kind.to_owned())],
        ..Shown::default()
    }
}

/// The answer for whoever asks again.
fn repeated(outcome: &Value) -> Response {
    let status = outcome["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
    (status, [(REPEATED, HeaderValue::from_static("true"))], Body::empty()).into_response()
}
