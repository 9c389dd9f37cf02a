//! Who may call at all. A program on this machine may; a web page may not.
//!
//! A browser can be made to call the gateway in two ways. A page whose name was re-bound to its
//! address sends its own name as `Host`, so only loopback names pass, and those that whoever started the
//! gateway has given. A page of another
//! site sends `Origin` (or `Sec-Fetch-Site`), which no program sends by itself, so any of
//! these is refused. There is no CORS: no page can read an answer.
//!
//! `/auth/verify` takes any `Host`: Envoy's `ext_authz` passes on the one of the call that it checks
//! and can't be told otherwise. It answers yes or no to a key that the caller must have already, so
//! a page that gets this far learns nothing.

use http::{HeaderMap, HeaderName, Uri, header};

use crate::hosts::Hosts;
use crate::problem::Problem;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks the caller before anything else is looked at.
pub(crate) fn check(uri: &Uri, headers: &HeaderMap, hosts: &Hosts) -> Result<(), Problem> {
    let mut named = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else { return Err(Problem::ForbiddenHost) };
    let is_ours = |authority: &[u8]| is_loopback(authority) || is_given(hosts, authority);
    let passes =
        is_ours(host.as_bytes()) && uri.authority().is_none_or(|authority| is_ours(authority.as_str().as_bytes()));
    if !passes && !asks_for_another(uri.path()) {
        return Err(Problem::ForbiddenHost);
    }
    let cross_site = |value: &http::HeaderValue| !matches!(value.as_bytes(), b"none");
    if headers.contains_key(header::ORIGIN) || headers.get(SEC_FETCH_SITE).is_some_and(cross_site) {
        return Err(Problem::ForbiddenOrigin);
    }
    Ok(())
}

/// A proxy asks about the key of a call that came to it.
fn asks_for_another(path: &str) -> bool {
    path.strip_prefix("/auth/verify").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether it names this machine. Any port passes: a tunnel to this machine keeps its own.
pub(crate) fn is_loopback(authority: &[u8]) -> bool {
    // A host is compared in any case (RFC 3986, 3.2.2).
    ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .filter_map(|name| {
            authority.split_at_checked(name.len()).filter(|(host, _)| host.eq_ignore_ascii_case(name.as_bytes()))
        })
        .map(|(_, rest)| rest)
        .any(is_port_or_nothing)
}

/// What may stand behind a host.
fn is_port_or_nothing(rest: &[u8]) -> bool {
    let is_port = |port: &[u8]| {
        port.iter().all(u8::is_ascii_digit) && str::from_utf8(port).is_ok_and(|port| port.parse::<u16>().is_ok())
    };
    rest.is_empty() || rest.strip_prefix(b":").is_some_and(is_port)
}

/// The same for the names that the gateway was given.
fn is_given(hosts: &Hosts, authority: &[u8]) -> bool {
    // In brackets stands an address with colons of its own.
    let end = match authority.iter().position(|byte| *byte == b']') {
        Some(bracket) => bracket + 1,
        None => authority.iter().position(|byte| *byte == b':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(end);
    is_port_or_nothing(rest) && str::from_utf8(host).is_ok_and(|host| hosts.contains(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_with(host: &str, more: &[(&'static str, &'static str)]) -> Result<(), Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a header value"));
        for (name, value) in more {
            headers.append(*name, value.parse().expect("a header value"));
        }
        check(&Uri::from_static("/healthz"), &headers, &Hosts::default())
    }

    #[test]
    fn programs_on_this_machine_pass() {
        for host in ["127.0.0.1:8765", "localhost:8765", "[::1]:8765", "localhost", "LOCALHOST", "LocalHost:8765"] {
            assert_eq!(check_with(host, &[]), Ok(()), "{host}");
        }
    }

    #[test]
    fn any_other_host_is_refused() {
        for host in [
            "evil.example",
            "evil.example:8765",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "127.0.0.2",
            "u@127.0.0.1",
            "0.0.0.0:8765",
            "[::]:8765",
            "",
            "127.0.0.1:port",
            "127.0.0.1:",
            "127.0.0.1:65536",
            "127.0.0.1:+80",
            "127.0.0.1:8765:1",
            "127.0.0.1:@evil.example",
            "localhost.",
            "[::1]x",
        ] {
            assert_eq!(check_with(host, &[]), Err(Problem::ForbiddenHost), "{host}");
        }
        assert_eq!(check_with("localhost", &[("host", "evil.example")]), Err(Problem::ForbiddenHost));
        assert_eq!(check(&Uri::from_static("/"), &HeaderMap::new(), &Hosts::default()), Err(Problem::ForbiddenHost));
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, http::HeaderValue::from_static("localhost"));
        assert_eq!(
            check(&Uri::from_static("http://evil.example/"), &headers, &Hosts::default()),
            Err(Problem::ForbiddenHost)
        );
    }

    #[test]
    fn a_name_that_was_given_passes_and_one_that_was_not_does_not() {
        let hosts =
            Hosts::new(["agents.example", "10.0.0.5", "fd00::5"].map(|host| host.parse().expect("a host")).into());
        let checked = |host: &str, uri: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().expect("a header value"));
            check(&Uri::from_static(uri), &headers, &hosts)
        };
        for host in
            ["agents.example", "Agents.Example:8765", "10.0.0.5:1", "[fd00::5]", "[FD00::5]:65535", "localhost:1"]
        {
            assert_eq!(checked(host, "/"), Ok(()), "{host}");
        }
        for host in [
            "example",
            "x.agents.example",
            "agents.example.evil.example",
            "agents.example:",
            "agents.example:80:80",
            "agents.example:65536",
            "u@agents.example",
            "agents.example.",
            "10.0.0.50",
            "fd00::5",
            "[fd00::5]x",
            "[fd00::5",
            "]",
            "",
        ] {
            assert_eq!(checked(host, "/"), Err(Problem::ForbiddenHost), "{host}");
        }
        assert_eq!(checked("agents.example", "http://agents.example/"), Ok(()));
        assert_eq!(checked("agents.example", "http://evil.example/"), Err(Problem::ForbiddenHost));
    }

    #[test]
    fn a_proxy_may_pass_on_the_host_of_the_call_that_it_checks() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, http::HeaderValue::from_static("app.example"));
        for (path, passes) in
            [("/auth/verify", true), ("/auth/verify/orders/7", true), ("/auth/verifyx", false), ("/", false)]
        {
            assert_eq!(check(&Uri::from_static(path), &headers, &Hosts::default()).is_ok(), passes, "{path}");
        }
        headers.insert(header::ORIGIN, http::HeaderValue::from_static("http://app.example"));
        assert_eq!(
            check(&Uri::from_static("/auth/verify"), &headers, &Hosts::default()),
            Err(Problem::ForbiddenOrigin)
        );
    }

    #[test]
    fn any_web_page_is_refused() {
        for header in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:8765"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-origin"),
        ] {
            assert_eq!(check_with("localhost", &[header]), Err(Problem::ForbiddenOrigin), "{header:?}");
        }
    }
}
