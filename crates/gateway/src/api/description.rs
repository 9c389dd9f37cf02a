//! What each route answers besides success, as `/openapi.json` tells it. One table of codes: statuses, titles and
//! remedies come from the list of problems, so the description can't say anything else than the answers do.

use std::collections::BTreeMap;

use atthene_core::problem::ProblemCode;
use utoipa::Modify;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{AllOfBuilder, AnyOfBuilder, ComponentsBuilder, SchemaType};
use utoipa::openapi::server::Server;
use utoipa::openapi::{Content, Object, ObjectBuilder, OpenApi, Ref, RefOr, Schema, Type};

/// Before any route is looked at, or wherever it breaks.
const ANY: &[ProblemCode] = &[
    ProblemCode::UnreadableRequest,
    ProblemCode::ForbiddenHost,
    ProblemCode::ForbiddenOrigin,
    ProblemCode::TooManyConnections,
    ProblemCode::Internal,
];
/// Where the extractor `LiveKey` or `auth::check` stands in the way.
const KEY: &[ProblemCode] = &[
    ProblemCode::MissingKey,
    ProblemCode::MalformedAuthorization,
    ProblemCode::InvalidKey,
    ProblemCode::ExpiredKey,
    ProblemCode::ReplacedKey,
    ProblemCode::RevokedKey,
    ProblemCode::Stopped,
];
/// Where a connection has to hand out access.
const CONNECTION: &[ProblemCode] = &[
    ProblemCode::ConnectionNotFound,
    ProblemCode::NeedsSignIn,
    ProblemCode::ConnectionFailing,
    ProblemCode::ConnectionWaiting,
    ProblemCode::NotPermitted,
    ProblemCode::ApprovalWaiting,
    ProblemCode::ApprovalDenied,
    ProblemCode::OutcomeUnknown,
    ProblemCode::KeychainUnavailable,
    ProblemCode::StoreUnavailable,
];
/// Where the body of the call is read.
const BODY: &[ProblemCode] = &[ProblemCode::BadRequest, ProblemCode::BodyTooLarge, ProblemCode::BodyTimeout];
const RUNTIME: &[ProblemCode] = &[
    ProblemCode::NoAgentRuntime,
    ProblemCode::CredentialUnavailable,
    ProblemCode::RuntimeUnreachable,
    ProblemCode::RuntimeUnreadable,
    ProblemCode::RuntimeClosed,
    ProblemCode::RuntimeTimeout,
    ProblemCode::LoopDetected,
    ProblemCode::StoreUnavailable,
];
/// Where calls are not let in at all.
const NOT_READY: &[ProblemCode] = &[ProblemCode::Stopped, ProblemCode::StoreUnavailable, ProblemCode::Starting];
const GRAPH: &[ProblemCode] = &[
    ProblemCode::PathNotAllowed,
    ProblemCode::GraphUnreachable,
    ProblemCode::GraphUnreadable,
    ProblemCode::GraphClosed,
    ProblemCode::GraphTimeout,
];

/// The table. A route that is not in it has no key to check and can't fail by itself.
fn groups(path: &str) -> &'static [&'static [ProblemCode]] {
    match path {
        "/api/amas/conversations/execute" => &[KEY, BODY, RUNTIME],
        "/api/amas/connections" => &[KEY, &[ProblemCode::StoreUnavailable]],
        "/api/amas/connections/{id}/token" => &[KEY, CONNECTION],
        "/api/amas/connections/{id}/graph/{path}" => &[KEY, CONNECTION, BODY, GRAPH],
        "/api/amas/connections/{id}/attachments/{name}" => &[KEY, CONNECTION, BODY, GRAPH, &[ProblemCode::NotFound]],
        "/auth/verify" => &[KEY],
        "/readyz" => &[NOT_READY],
        _ => &[],
    }
}

/// Who answers behind the gateway: their answer comes with any status and any type.
fn relayed(path: &str) -> Option<&'static str> {
    match path {
        "/api/amas/conversations/execute" => Some("What the agent runtime answers, unchanged"),
        "/api/amas/connections/{id}/graph/{path}" => Some("What Microsoft Graph answers, without cookies"),
        _ => None,
    }
}

/// What a code is answered with. A head that can't be read is told apart by status only.
fn statuses(code: ProblemCode) -> Vec<u16> {
    if code == ProblemCode::UnreadableRequest { vec![400, 414, 431] } else { vec![code.status()] }
}

/// Adds every answer that no handler makes itself. Runs when all routes are in.
pub(crate) struct Answers;

impl Modify for Answers {
    fn modify(&self, api: &mut OpenApi) {
        // Relative: the description is right on any port and behind any proxy.
        api.servers = Some(vec![Server::new("/")]);
        let components = std::mem::take(api.components.get_or_insert_default());
        let mut components = ComponentsBuilder::from(components);
        for (name, header) in headers() {
            components = components.header(name, header);
        }
        api.components = Some(components.build());
        for (path, item) in &mut api.paths.paths {
            for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
                describe(path, operation);
            }
            if matches!(path.as_str(), "/auth/verify" | "/api/amas/connections/{id}/graph/{path}") {
                open_to_any_method(item, relayed(path).is_some());
            }
        }
    }
}

fn describe(path: &str, operation: &mut Operation) {
    let mut by_status: BTreeMap<u16, Vec<ProblemCode>> = BTreeMap::new();
    for code in [ANY].iter().chain(groups(path)).copied().flatten() {
        for status in statuses(*code) {
            by_status.entry(status).or_default().push(*code);
        }
    }
    let said = &mut operation.responses.responses;
    for (status, codes) in by_status {
        said.insert(status.to_string(), RefOr::T(problem(status, &codes)));
    }
    if let Some(who) = relayed(path) {
        let any = ResponseBuilder::new().description(who).content("*/*", Content::default()).build();
        said.insert("default".to_owned(), RefOr::T(any));
        // They may answer with any status of the table too.
        for response in said.values_mut() {
            if let RefOr::T(response) = response {
                response.content.insert("*/*".to_owned(), RefOr::T(Content::default()));
            }
        }
        if let Some(RefOr::T(response)) = said.get_mut("200") {
            loosen(response);
        }
    }
    for response in said.values_mut() {
        if let RefOr::T(response) = response {
            response.headers.insert(REQUEST_ID.to_owned(), RefOr::Ref(header(REQUEST_ID)));
        }
    }
    // Said of each, so that "no key" is a decision and not an oversight.
    operation.security.get_or_insert_default();
}

/// The built-in agent's answer has a form, a runtime's need not.
fn loosen(response: &mut Response) {
    for content in response.content.values_mut() {
        if let RefOr::T(Content { schema: Some(schema), .. }) = content {
            let anything = ObjectBuilder::new().schema_type(SchemaType::AnyValue).build();
            *schema = RefOr::T(Schema::AnyOf(AnyOfBuilder::new().item(schema.clone()).item(anything).build()));
        }
    }
}

/// One status with its codes. The enum makes the table something that a test can refute.
fn problem(status: u16, codes: &[ProblemCode]) -> Response {
    let words = codes.iter().map(|code| code.as_str());
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build();
    let body = AllOfBuilder::new()
        .item(Ref::from_schema_name("ProblemBody"))
        .item(ObjectBuilder::new().property("code", code))
        .build();
    let content = Content::new(Some(Schema::AllOf(body)));
    let told: Vec<String> = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.title())).collect();
    let mut response = ResponseBuilder::new().description(told.join("; ")).content("application/problem+json", content);
    if status == 401 {
        response = response.header_ref(CHALLENGE, header(CHALLENGE));
    }
    if codes.iter().any(|code| {
        matches!(
            code,
            ProblemCode::TooManyConnections
                | ProblemCode::StoreUnavailable
                | ProblemCode::Starting
                | ProblemCode::ConnectionWaiting
        )
    }) {
        response = response.header_ref(RETRY, header(RETRY));
    }
    response.build()
}

const REQUEST_ID: &str = "X-Request-Id";
const CHALLENGE: &str = "WWW-Authenticate";
const RETRY: &str = "Retry-After";

fn headers() -> [(&'static str, Header); 3] {
    let header = |schema: Object, text| HeaderBuilder::new().schema(Some(schema)).description(Some(text)).build();
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).build();
    [
        (REQUEST_ID, header(Object::with_type(Type::String), "Names this call in the gateway's records.")),
        (CHALLENGE, header(Object::with_type(Type::String), "Bearer, and what is wrong with the key (RFC 6750, 3).")),
        (RETRY, header(seconds, "Seconds until a try is worth it; of some of the codes only.")),
    ]
}

fn header(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{name}"))
}

/// These routes take any method, the described one stands for all. An operation's id has to be its own.
fn open_to_any_method(item: &mut PathItem, sends_body: bool) {
    let Some(get) = item.get.clone() else { return };
    let id = get.operation_id.clone().unwrap_or_default();
    let like_get = |method: &str, body: Option<RequestBody>| {
        let mut operation = get.clone();
        operation.operation_id = Some(format!("{id}_{method}"));
        operation.request_body = body.map(RefOr::T);
        Some(operation)
    };
    let body = || sends_body.then(|| RequestBodyBuilder::new().content("*/*", Content::default()).build());
    item.post = like_get("post", body());
    item.put = like_get("put", body());
    item.patch = like_get("patch", body());
    item.delete = like_get("delete", None);
    item.options = like_get("options", None);
    item.trace = like_get("trace", None);
    item.head = like_get("head", None);
}
