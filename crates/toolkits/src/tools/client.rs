//! Graph, for one call of one tool through one connection. Permission and "stopped" are looked at before every
//! request, not only before the first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use atthene_core::connections::{ConnectionId, Fresh};
use atthene_core::permissions::{Act, Intent};
use atthene_core::{Core, blocking};
use atthene_identity::claims_challenge;
use http::{Method, Request, Response, StatusCode, header};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;

use super::error::{GraphRefusal, ToolError};
use super::shorten::{Lists, Shortener};
use super::tool::Tool;
use super::{repair, text};
use crate::access::{Wanted, access};
use crate::graph_acts::act_of_tool;

/// In bytes, as they arrive: the largest answers are pages of mails with thousands of recipients and one mail with its
/// body. Far less is held.
const LARGEST: usize = 32 * 1024 * 1024;

/// Headers of one request.
pub(super) type Headers<'a> = &'a [(&'static str, &'a str)];

pub(super) struct Graph<'a> {
    core: &'a Arc<Core>,
    id: ConnectionId,
    tool: &'static Tool,
    /// Whether a person has said yes to this call, where one has to.
    has_yes: bool,
    /// What its access is asked for.
    act: Act,
    calls: AtomicU32,
    /// Whether something was sent that can't be taken back, and not refused.
    has_acted: AtomicBool,
}

/// One page of a list.
pub(super) struct Part {
    pub(super) rows: Vec<Value>,
    /// The link to the next one, at the same Graph.
    pub(super) next: Option<String>,
}

#[derive(Deserialize, Default)]
struct Said {
    #[serde(default)]
    error: SaidError,
}

#[derive(Deserialize, Default)]
struct SaidError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl<'a> Graph<'a> {
    pub(super) fn new(core: &'a Arc<Core>, id: ConnectionId, tool: &'static Tool, has_yes: bool) -> Self {
        Self { core, id, tool, has_yes, act: tool.act, calls: AtomicU32::new(0), has_acted: AtomicBool::new(false) }
    }

    /// The same for looking only.
    pub(super) fn looking(core: &'a Arc<Core>, id: ConnectionId, tool: &'static Tool) -> Self {
        // Only a person sees what is found, so that nobody has to be asked about it.
        Self { act: Act::Read, ..Self::new(core, id, tool, true) }
    }

    /// Whether others may have heard of it.
    pub(super) fn may_have_acted(&self) -> bool {
        self.has_acted.load(Ordering::Relaxed)
    }

    /// How often Graph was asked.
    pub(super) fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(super) fn core(&self) -> &Core {
        self.core
    }

    pub(super) fn id(&self) -> &ConnectionId {
        &self.id
    }

    pub(super) fn tool(&self) -> &'static Tool {
        self.tool
    }

    /// The scopes that the access at hand has.
    pub(super) async fn granted(&self) -> Result<Vec<String>, ToolError> {
        Ok(self.access(&Method::GET).await?.scopes)
    }

    /// Reads; `path` stands behind the version and may have a query.
    pub(super) async fn get(&self, path: &str, headers: Headers<'_>) -> Result<Value, ToolError> {
        Ok(self.call(&Method::GET, path, headers, None, Lists::Whole).await?.0)
    }

    /// The same, with null for what a long list has behind its first elements.
    pub(super) async fn get_cut(&self, path: &str, headers: Headers<'_>) -> Result<Value, ToolError> {
        Ok(self.call(&Method::GET, path, headers, None, Lists::Cut).await?.0)
    }

    /// Reads a page: of a path, or of the link that a page before it gave. Lists in its rows are cut like that.
    pub(super) async fn page(&self, link: &str, headers: Headers<'_>) -> Result<Part, ToolError> {
        let (mut answer, base) = self.call(&Method::GET, link, headers, None, Lists::CutInRows).await?;
        let next = match answer.get("@odata.nextLink") {
            None | Some(Value::Null) => None,
            Some(Value::String(next)) if leads_to(next, &base) => Some(next.clone()),
            Some(_) => return Err(ToolError::Elsewhere),
        };
        match answer.get_mut("value").map(Value::take) {
            Some(Value::Array(rows)) => Ok(Part { rows, next }),
            _ => Err(ToolError::Unreadable),
        }
    }

    pub(super) async fn post(&self, path: &str, body: &Value, headers: Headers<'_>) -> Result<Value, ToolError> {
        Ok(self.call(&Method::POST, path, headers, Some(body), Lists::Whole).await?.0)
    }

    /// Does what can't be taken back. Graph may answer nothing at all.
    pub(super) async fn act(&self, path: &str, body: Option<&Value>, headers: Headers<'_>) -> Result<Value, ToolError> {
        Ok(self.call(&Method::POST, path, headers, body, Lists::Whole).await?.0)
    }

    /// Access for what a request of this method does: whoever drafts or sends and looks something up has to be allowed to
    /// read, too.
    async fn access(&self, method: &Method) -> Result<Fresh, ToolError> {
        if *method == Method::GET && self.act != Act::Read {
            let reads = Wanted { of: Intent::Tool(Act::Read), has_yes: true };
            return Ok(access(self.core, &self.id, Some(reads)).await?);
        }
        Ok(access(self.core, &self.id, Some(Wanted { of: Intent::Tool(self.act), has_yes: self.has_yes })).await?)
    }

    /// What Graph answers, and where it lies. Once more with fresh access where the first was refused: nothing was
    /// done then.
    async fn call(
        &self,
        method: &Method,
        link: &str,
        headers: Headers<'_>,
        body: Option<&Value>,
        lists: Lists,
    ) -> Result<(Value, String), ToolError> {
        let fresh = self.access(method).await?;
        let mut answer = self.send(&fresh, method, link, headers, body, lists).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            let (core, id) = (self.core.clone(), self.id.clone());
            let claims = claims_challenge(fresh.provider, answer.headers());
            blocking(move || {
                core.connections.drop_access(&id, &fresh.token, claims);
                Ok(())
            })
            .await?;
            let fresh = self.access(method).await?;
            answer = self.send(&fresh, method, link, headers, body, lists).await?;
            return self.read(&answer).map(|value| (value, base(&fresh)));
        }
        self.read(&answer).map(|value| (value, base(&fresh)))
    }

    async fn send(
        &self,
        fresh: &Fresh,
        method: &Method,
        link: &str,
        headers: Headers<'_>,
        body: Option<&Value>,
        lists: Lists,
    ) -> Result<Response<Vec<u8>>, ToolError> {
        let base = base(fresh);
        let url = if link.contains("://") {
            if !leads_to(link, &base) {
                return Err(ToolError::Elsewhere);
            }
            link.to_owned()
        } else {
            format!("{base}{link}")
        };
        let path = url.get(fresh.graph.as_str().len()..).and_then(|path| path.split(['?', '#']).next());
        // A tool does what it is listed with, and looks; whatever a link or an id is made of.
        let does = path.and_then(|path| act_of_tool(method, path));
        if !does.is_some_and(|does| does == Act::Read || does == self.act) {
            return Err(ToolError::Overreach);
        }
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", fresh.token.expose_secret()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = request.body(body);
        let request =
            request.map_err(|_| ToolError::Arguments("The arguments are too long for one call.".to_owned()))?;
        self.calls.fetch_add(1, Ordering::Relaxed);
        let is_final = matches!(does, Some(Act::Send | Act::Delete));
        if is_final {
            self.has_acted.store(true, Ordering::Relaxed);
        }
        let mut shortener = Shortener::new(lists);
        let keep = Box::new(move |part: &[u8], kept: &mut Vec<u8>| shortener.take(part, kept));
        let answer = self.core.http().send_and_keep(request, LARGEST, keep).await?;
        if is_final && answer.status().is_client_error() {
            self.has_acted.store(false, Ordering::Relaxed);
        }
        Ok(answer)
    }

    fn read(&self, answer: &Response<Vec<u8>>) -> Result<Value, ToolError> {
        let status = answer.status();
        if status.is_success() {
            if answer.body().is_empty() {
                return Ok(Value::Null);
            }
            return repair::parsed(answer.body()).map_err(|_| ToolError::Unreadable);
        }
        let said = serde_json::from_slice::<Said>(answer.body()).unwrap_or_default().error;
        let wait = answer.headers().get(header::RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.trim().parse().ok());
        Err(ToolError::Graph(GraphRefusal {
            status: status.as_u16(),
            code: text::line(&said.code, 80),
            message: text::line(&said.message, 300),
            scope: self.tool.scope,
            wait,
        }))
    }
}

/// Where Graph's version begins.
fn base(fresh: &Fresh) -> String {
    format!("{}/v1.0/", fresh.graph.as_str())
}

/// Whether access may be sent along this link.
fn leads_to(link: &str, base: &str) -> bool {
    link.starts_with(base) && !link.contains('\\') && link.bytes().all(|byte| byte.is_ascii_graphic())
}
