//! What of a call's headers goes on to the agent runtime and to Graph.
//!
//! The runtime is called with a credential of its own, and trusts whoever holds it. So a caller must not
//! be able to say through us who it is: what proxies write to name a person, an address or another path
//! ends here.

use http::{HeaderMap, HeaderName, header};

/// Headers that speak of one connection only (RFC 9110, 7.6.1). `Expect` is met here (10.1.1).
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "expect"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Names in the spelling of CGI and WSGI, which turn both `-` and `_` into `_`: a header that is told
/// apart by that alone is the same one to the runtime.
fn dashed(name: &str) -> std::borrow::Cow<'_, str> {
    if name.contains('_') { name.replace('_', "-").into() } else { name.into() }
}

/// Headers by which a front proxy tells where a call came from.
fn is_of_a_front_proxy(name: &str) -> bool {
    matches!(name, "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host")
}

/// Headers by which proxies and their sign-in services tell who calls, from where, and for which path.
fn is_identity(name: &str) -> bool {
    const EXACT: [&str; 16] = [
        "cookie",
        "forwarded",
        "via",
        "x-real-ip",
        "true-client-ip",
        "client-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "fastly-client-ip",
        "x-host",
        "x-user",
        "x-userid",
        "x-groups",
        "x-roles",
        "x-username",
        "x-email",
    ];
    const PREFIXES: [&str; 34] = [
        // Another method than the one that was looked at.
        "x-http-method",
        "x-method",
        "x-forwarded",
        "x-original-",
        "x-rewrite-",
        "x-auth-",
        "x-authenticated-",
        "x-authentik-",
        "x-remote-",
        "remote-",
        "x-webauth-",
        "x-user-",
        "x-ssl-",
        "ssl-",
        "x-client-cert",
        "client-cert",
        "x-pomerium-",
        "x-consumer-",
        "x-credential-",
        "x-envoy-",
        "oidc-",
        "sm-",
        "iv-",
        "x-vouch-",
        "x-token-",
        "x-goog-authenticated-",
        "x-goog-iap-",
        "x-amzn-oidc-",
        "x-ms-client-principal",
        "x-ms-token-",
        "cf-",
        "tailscale-",
        "x-tailscale-",
        "x-atthene-",
    ];
    EXACT.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The letters that names of both kinds begin with: all other headers, most of a call, are passed over.
fn may_stay_behind(name: &str) -> bool {
    matches!(
        name.as_bytes().first(),
        Some(b'c' | b'e' | b'f' | b'i' | b'k' | b'o' | b'p' | b'r' | b's' | b't' | b'u' | b'v' | b'x')
    )
}

fn stays_behind(name: &HeaderName, trust_front_proxy: bool) -> bool {
    let name = name.as_str();
    if !may_stay_behind(name) {
        return false;
    }
    // As written: a proxy that sets the one with dashes leaves the caller's with `_` beside it.
    let is_trusted = trust_front_proxy && is_of_a_front_proxy(name);
    let name = dashed(name);
    is_hop_by_hop(&name) || (is_identity(&name) && !is_trusted)
}

/// Drops from a call what must not go on. `trust_front_proxy`: the address that a proxy in front of the
/// gateway tells may.
pub(crate) fn of_call(headers: &mut HeaderMap, trust_front_proxy: bool) {
    drop_named_by_connection(headers);
    while let Some(name) = headers.keys().find(|name| stays_behind(name, trust_front_proxy)).cloned() {
        drop_with_its_length(headers, &name);
    }
}

/// A length beside a transfer coding is not the body's, and must not go on (RFC 9112, 6.3).
fn drop_with_its_length(headers: &mut HeaderMap, name: &HeaderName) {
    headers.remove(name);
    if *name == header::TRANSFER_ENCODING {
        headers.remove(header::CONTENT_LENGTH);
    }
}

/// Drops from an answer what speaks of one connection only.
pub(crate) fn of_answer(headers: &mut HeaderMap) {
    drop_named_by_connection(headers);
    while let Some(name) = headers.keys().find(|name| is_hop_by_hop(name.as_str())).cloned() {
        drop_with_its_length(headers, &name);
    }
}

/// Options of `Connection` that name no header. They come alone, nearly always.
const PERSISTENCE: [&str; 2] = ["keep-alive", "close"];

fn drop_named_by_connection(headers: &mut HeaderMap) {
    let options =
        headers.get_all(header::CONNECTION).iter().filter(|value| !PERSISTENCE.iter().any(|alone| value == alone));
    let names = options.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim);
    let named: Vec<HeaderName> = names.filter_map(|name| name.parse().ok()).collect();
    for name in named {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn k10_a_length_beside_a_transfer_coding_does_not_go_on() {
        for of in [|headers: &mut HeaderMap| of_call(headers, false), of_answer] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("3"));
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            of(&mut headers);
            assert!(headers.is_empty(), "{headers:?}");
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("3"));
            of(&mut headers);
            assert_eq!(headers.len(), 1);
        }
    }

    fn left(names: &[&str], trust_front_proxy: bool) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for name in names {
            headers.append(name.parse::<HeaderName>().expect("a name"), HeaderValue::from_static("1"));
        }
        of_call(&mut headers, trust_front_proxy);
        headers.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn headers_of_one_connection_stay_behind() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Private"),
            ("x-private", "1"),
            ("te", "trailers"),
            ("keep-alive", "5"),
            ("accept", "*/*"),
        ] {
            headers.append(name.parse::<HeaderName>().expect("a name"), HeaderValue::from_static(value));
        }
        let mut answer = headers.clone();
        of_call(&mut headers, false);
        of_answer(&mut answer);
        assert_eq!(headers.keys().collect::<Vec<_>>(), [header::ACCEPT]);
        assert_eq!(answer.keys().collect::<Vec<_>>(), [header::ACCEPT]);
    }

    #[test]
    fn nobody_says_through_us_who_they_are() {
        let names = [
            "x-forwarded-user",
            "X-Forwarded-For",
            "x_forwarded_user",
            "X-Forwarded_Email",
            "x-forwarded",
            "forwarded",
            "x-real-ip",
            "x-remote-user",
            "remote-user",
            "remote_user",
            "remote-groups",
            "x-auth-request-user",
            "x-auth-request-access-token",
            "x-authentik-username",
            "x-original-uri",
            "x-original-url",
            "x-original-host",
            "x-rewrite-url",
            "x-ms-client-principal-id",
            "x-goog-authenticated-user-email",
            "cf-access-jwt-assertion",
            "cf-connecting-ip",
            "x-amzn-oidc-identity",
            "ssl-client-verify",
            "x-ssl-client-s-dn",
            "x-client-cert",
            "client-cert",
            "tailscale-user-login",
            "x-webauth-user",
            "x-http-method-override",
            "x-http-method",
            "x-method-override",
            "cookie",
            "oidc_claim_sub",
            "sm_user",
            "iv-user",
            "x-userid",
            "x-groups",
            "x-consumer-username",
            "x-envoy-original-path",
        ];
        assert_eq!(left(&names, false), [""; 0]);
        assert_eq!(left(&names, true), ["x-forwarded-for"]);
        assert_eq!(left(&["x-forwarded-proto", "x-forwarded-host"], true).len(), 2);
        for trust in [false, true] {
            let other_spellings = ["x_forwarded_for", "X_Forwarded-Host", "x-forwarded_proto"];
            assert_eq!(left(&other_spellings, trust), [""; 0]);
        }
    }

    #[test]
    fn what_is_the_applications_own_goes_on() {
        let names = [
            "accept",
            "content-type",
            "content-length",
            "user-agent",
            "x-api-version",
            "x-tenant",
            "x-session",
            "consistencylevel",
            "prefer",
            "if-match",
            "range",
            "traceparent",
            "x-correlation-id",
            "client-request-id",
        ];
        let mut kept = left(&names, false);
        kept.sort_unstable();
        let mut wanted: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        wanted.sort_unstable();
        assert_eq!(kept, wanted);
    }
}
