//! Links by which Graph's answers go on (`@odata.nextLink`): led back through the gateway. Followed as Graph writes
//! them, a caller would leave the gateway without access, and show its key to Graph's host.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::problem::{Callee, Problem, UpstreamFailure};

/// Properties of an answer that hold such a link (`OData` JSON 4.01, 4.6.5 and 4.6.6).
const KEYS: [&[u8]; 2] = [b"\"@odata.nextLink\"", b"\"@odata.deltaLink\""];
/// Headers that do.
const HEADERS: [HeaderName; 3] =
    [header::LOCATION, header::CONTENT_LOCATION, HeaderName::from_static("operation-location")];
/// Spaces between a property, its colon and its value.
const MOST_SPACES: usize = 16;

/// Answers that are read whole before they are passed on, in bytes.
const LARGEST_WHOLE: u64 = 1024 * 1024;

/// Where links lead by themselves, and where they are led instead.
pub(super) struct Links {
    /// Graph's base URL, plain and with escaped slashes.
    from: [Vec<u8>; 2],
    to: Vec<u8>,
}

impl Links {
    pub(super) fn new(graph: &str, gateway: &str) -> Self {
        let from = [graph.as_bytes().to_vec(), graph.replace('/', "\\/").into_bytes()];
        Self { from, to: gateway.as_bytes().to_vec() }
    }

    /// Leads the links of an answer back. A small one is read whole first, so that its length can be told.
    pub(super) async fn lead_back(self, mut answer: http::Response<Incoming>) -> Result<http::Response<Body>, Problem> {
        for name in HEADERS {
            if let Some(led) = answer.headers().get(&name).and_then(|value| self.led(value.as_bytes())) {
                answer.headers_mut().insert(name, led);
            }
        }
        if !is_plain_json(answer.headers()) {
            return Ok(answer.map(Body::new));
        }
        let is_small = answer.body().size_hint().exact().is_some_and(|length| length <= LARGEST_WHOLE);
        let (mut head, body) = answer.into_parts();
        head.headers.remove(header::CONTENT_LENGTH);
        if !is_small {
            return Ok(http::Response::from_parts(head, Body::new(Led { body, links: self, held: Vec::new() })));
        }
        let mut read = match body.collect().await {
            Ok(read) => read.to_bytes().to_vec(),
            Err(error) => {
                let why = UpstreamFailure::Closed(error.to_string().into());
                return Err(Problem::Upstream(Callee::Graph, why));
            }
        };
        Ok(http::Response::from_parts(head, Body::from(self.pass(&mut read, true))))
    }

    fn led(&self, link: &[u8]) -> Option<HeaderValue> {
        let rest = self.rest(link)?;
        HeaderValue::from_bytes(&[&self.to, rest].concat()).ok()
    }

    /// What stands behind Graph's base in a link that begins with it.
    fn rest<'a>(&self, link: &'a [u8]) -> Option<&'a [u8]> {
        self.from.iter().find_map(|from| link.strip_prefix(&**from)).filter(|rest| {
            // Another host may begin alike.
            matches!(rest.first(), None | Some(b'/' | b'?' | b'#' | b'\\' | b'"'))
        })
    }

    /// As many bytes as have to be seen to know whether a link begins at the first of them.
    fn reach(&self) -> usize {
        KEYS.iter().map(|key| key.len()).max().unwrap_or_default() + MOST_SPACES * 2 + 3 + self.from[1].len()
    }

    /// Where Graph's base stands, as a part of these bytes, if they begin with a property that holds a link.
    fn base_in(&self, bytes: &[u8]) -> Option<std::ops::Range<usize>> {
        let key = KEYS.iter().find(|key| bytes.starts_with(key))?;
        let spaces =
            |at: usize| at + bytes[at..].iter().take(MOST_SPACES).take_while(|b| b.is_ascii_whitespace()).count();
        let colon = spaces(key.len());
        let quote = spaces(Some(colon + 1).filter(|_| bytes.get(colon) == Some(&b':'))?);
        let start = Some(quote + 1).filter(|_| bytes.get(quote) == Some(&b'"'))?;
        let rest = self.rest(&bytes[start..])?;
        Some(start..bytes.len() - rest.len())
    }

    /// What of these bytes can leave, led back; the rest is held until more is seen. `is_end`: no more comes.
    fn pass(&self, held: &mut Vec<u8>, is_end: bool) -> Vec<u8> {
        let safe = if is_end { held.len() } else { held.len().saturating_sub(self.reach()) };
        let mut out = Vec::with_capacity(safe);
        let (mut at, mut copied) = (0, 0);
        while at < safe {
            let Some(found) = held[at..safe].iter().position(|byte| *byte == b'"') else { break };
            at += found;
            match self.base_in(&held[at..]) {
                Some(base) => {
                    out.extend_from_slice(&held[copied..at + base.start]);
                    out.extend_from_slice(&self.to);
                    at += base.end;
                    copied = at;
                }
                None => at += 1,
            }
        }
        let end = safe.max(copied);
        out.extend_from_slice(&held[copied..end]);
        held.drain(..end);
        out
    }
}

fn is_plain_json(headers: &HeaderMap) -> bool {
    let is_json = headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        kind.eq_ignore_ascii_case(b"application/json")
    });
    is_json && !headers.contains_key(header::CONTENT_ENCODING) && !headers.contains_key(header::CONTENT_RANGE)
}

/// Any bytes in two parts: none is lost, and the same comes out as of them in one.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    let links = Links::new("https://g", "http://l/g");
    let mut whole = bytes.to_vec();
    let whole = links.pass(&mut whole, true);
    let (mut held, rest) = {
        let (a, b) = bytes.split_at(bytes.len() / 3);
        (a.to_vec(), b)
    };
    let mut parts = links.pass(&mut held, false);
    held.extend_from_slice(rest);
    parts.extend(links.pass(&mut held, true));
    assert_eq!(parts, whole);
}

/// A body whose links are led back as it passes.
struct Led {
    body: Incoming,
    links: Links,
    /// What has come and can't leave yet.
    held: Vec<u8>,
}

impl http_body::Body for Led {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        loop {
            let out = match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    this.held.extend_from_slice(&data);
                    this.links.pass(&mut this.held, false)
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if this.held.is_empty() => return Poll::Ready(None),
                None => this.links.pass(&mut this.held, true),
            };
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out.into()))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GRAPH: &str = "https://graph.example";
    const GATEWAY: &str = "http://localhost:8765/api/amas/connections/outlook-abcdefgh/graph";

    /// Passed in parts that are cut at these places.
    fn passed(text: &str, cuts: &[usize]) -> String {
        let links = Links::new(GRAPH, GATEWAY);
        let (mut held, mut out) = (Vec::new(), Vec::new());
        let mut from = 0;
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
        cuts.sort_unstable();
        for cut in cuts {
            held.extend_from_slice(&text.as_bytes()[from..cut]);
            out.extend(links.pass(&mut held, false));
            from = cut;
        }
        held.extend_from_slice(&text.as_bytes()[from..]);
        out.extend(links.pass(&mut held, true));
        assert!(held.is_empty());
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn k10_a_next_link_leads_back_and_nothing_else_is_touched() {
        let link = |base: &str| format!(r#"{{"value":[],"@odata.nextLink":"{base}/v1.0/me/messages?$skip=10"}}"#);
        assert_eq!(passed(&link(GRAPH), &[]), link(GATEWAY));
        assert_eq!(passed(&link("https:\\/\\/graph.example"), &[]), link(GATEWAY));
        for (key, gap) in [("@odata.deltaLink", ""), ("@odata.nextLink", " "), ("@odata.nextLink", "\n  ")] {
            let text = |base: &str| format!("{{\"{key}\"{gap}:{gap}\"{base}/v1.0/x\"}}");
            assert_eq!(passed(&text(GRAPH), &[]), text(GATEWAY));
        }
        for untouched in [
            r#"{"@odata.context":"https://graph.example/v1.0/$metadata#users"}"#,
            r#"{"@odata.nextLink":"https://graph.example.evil.example/v1.0"}"#,
            r#"{"@odata.nextLink":"https://elsewhere.example/https://graph.example/"}"#,
            r#"{"body":"\"@odata.nextLink\":\"https://graph.example/v1.0\""}"#,
            r#"{"@odata.nextLink":null,"a":"https://graph.example/v1.0"}"#,
        ] {
            assert_eq!(passed(untouched, &[]), untouched);
        }
    }

    proptest! {
        #[test]
        fn k10_links_are_found_wherever_the_answer_is_cut(
            before in "[a-z\"@.{}]{0,80}", after in "[a-z\"@.{}]{0,80}", cuts in prop::collection::vec(0..1000_usize, 0..20),
        ) {
            let text = |base: &str| format!("{before}\"@odata.nextLink\": \"{base}/v1.0/me\"{after}\"@odata.deltaLink\":\"{base}/b\"");
            prop_assert_eq!(passed(&text(GRAPH), &cuts), text(GATEWAY));
        }
    }
}
