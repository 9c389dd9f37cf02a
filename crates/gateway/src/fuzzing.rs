//! What callers send, for a fuzzer: read as the gateway reads it.

use http::{HeaderName, HeaderValue, Request};

use crate::api::{auth, guard, next_links, path, routes};
use crate::hosts::Hosts;
use crate::transport::headers;

/// A head as lines: method and target, then `name: value`. Nothing of it may break anything.
pub fn head(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let (method, target) = first.split_at(first.iter().position(|byte| *byte == b' ').unwrap_or(first.len()));
    let target = String::from_utf8_lossy(target.trim_ascii());
    let mut request = Request::builder().method(method).uri(&*target);
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(line[colon + 1..].trim_ascii()))
        else {
            continue;
        };
        request = request.header(name, value);
    }
    let Ok(request) = request.body(()) else { return };
    let (mut head, ()) = request.into_parts();
    let _ = guard::check(&head.uri, &head.headers, &Hosts::default());
    let _ = routes::is_for_agents(head.uri.path());
    // Whatever is let through must stay where it belongs, also for a server that decodes once more.
    if path::stays(head.uri.path()) {
        assert!(!head.uri.path().split('/').any(|part| part == "..") || head.uri.path().matches("..").count() > 0);
    }
    let _ = auth::bearer(&head.headers);
    headers::of_call(&mut head.headers, bytes.len() % 2 == 0);
    for name in ["connection", "transfer-encoding", "x-forwarded-user", "cookie", "upgrade"] {
        assert!(!head.headers.contains_key(name), "{name} went on");
    }
    next_links::fuzz(bytes);
}
