//! The key check: an extractor, so that a handler that needs the key says so in its signature.

use std::sync::Arc;

use atthene_core::keys::{KEY_LEN, KeyId, Malformed, PLACEHOLDER, Refusal, Verdict};
use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};

use crate::problem::Problem;
use crate::shared::Shared;
use crate::transport::call::CallContext;

/// Proof that the caller sent the live key.
#[derive(Debug, Clone)]
pub(crate) struct LiveKey(pub(crate) KeyId);

impl FromRequestParts<Arc<Shared>> for LiveKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let call = parts.extensions.get::<CallContext>().ok_or(Problem::Internal)?;
        check(&parts.headers, shared, call).await
    }
}

/// Lets the call in if it carries the live key; the call learns whose it is, live or ended.
pub(crate) async fn check(headers: &HeaderMap, shared: &Shared, call: &CallContext) -> Result<LiveKey, Problem> {
    // Which key is live is not known any more.
    if let Some(trouble) = shared.store_trouble() {
        return Err(Problem::StoreUnavailable(trouble));
    }
    match shared.core.keys.verify(bearer(headers)?).await {
        Verdict::Valid(id) if shared.is_stopped() => {
            call.set_key(id, None);
            Err(Problem::Stopped)
        }
        Verdict::Valid(id) => {
            call.set_key(id.clone(), Some(shared.open_call()));
            Ok(LiveKey(id))
        }
        Verdict::Refused(refusal, holder) => {
            if let Some(holder) = holder {
                call.set_key(holder, None);
            }
            Err(Problem::Key(refusal))
        }
    }
}

const SCHEME: &[u8] = b"Bearer ";

/// The one Bearer credential of the request (RFC 6750, 2.1; the scheme in any case, RFC 9110, 11.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Err(Problem::MissingKey) };
    if values.next().is_some() {
        return Err(Problem::MalformedAuthorization);
    }
    let (scheme, key) = value.as_bytes().split_at_checked(SCHEME.len()).ok_or(Problem::MalformedAuthorization)?;
    // Looks at all bytes, with no way out between: the compiler makes few steps of that.
    let of_word = |byte: &u8| byte.is_ascii_graphic() ^ (*byte == b',');
    let one_word = !key.is_empty() && key.iter().fold(true, |good, byte| good & of_word(byte));
    if !scheme.eq_ignore_ascii_case(SCHEME) || !one_word {
        return Err(Problem::MalformedAuthorization);
    }
    if key.len() != KEY_LEN {
        let is_sample = key == PLACEHOLDER.as_bytes();
        let why = if is_sample { Malformed::Placeholder } else { Malformed::Shape };
        return Err(Problem::Key(Refusal::Malformed(why)));
    }
    str::from_utf8(key).map_err(|_| Problem::MalformedAuthorization)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(values: &[&[u8]]) -> Problem {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, http::HeaderValue::from_bytes(value).expect("a header value"));
        }
        bearer(&headers).expect_err("refused")
    }

    #[test]
    fn every_malformed_header_is_refused_by_name() {
        assert_eq!(refused(&[]), Problem::MissingKey);
        for value in [
            &b""[..],
            b"Bearer",
            b"Bearer ",
            b"Bearer  key",
            b"Basic dXNlcjpwYXNz",
            b"Bearer a b",
            b"Bearer\tkey",
            b"Bearer a,b",
            b"key",
            b"Bearer k\xc3\xa9y",
            b"Bearer=key",
            b"Token key",
            b"Bearer key ",
        ] {
            assert_eq!(refused(&[value]), Problem::MalformedAuthorization, "{}", String::from_utf8_lossy(value));
        }
        for odd in [' ', '\t', ','] {
            let value = format!("Bearer {}{odd}{}", "k".repeat(30), "k".repeat(KEY_LEN - 31));
            assert_eq!(refused(&[value.as_bytes()]), Problem::MalformedAuthorization, "{value:?}");
        }
        assert_eq!(refused(&[b"Bearer a", b"Bearer b"]), Problem::MalformedAuthorization);
        for value in
            ["Bearer x".to_owned(), format!("bearer {}", "x".repeat(65)), format!("Bearer {}", "x".repeat(9000))]
        {
            assert_eq!(refused(&[value.as_bytes()]), Problem::Key(Refusal::Malformed(Malformed::Shape)));
        }
    }

    #[test]
    fn the_placeholder_of_the_samples_is_told_as_that() {
        assert_eq!(refused(&[b"Bearer YOUR_API_KEY"]), Problem::Key(Refusal::Malformed(Malformed::Placeholder)));
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        let mut headers = HeaderMap::new();
        let key = "k".repeat(KEY_LEN);
        headers.insert(header::AUTHORIZATION, format!("bEARER {key}").parse().expect("a header value"));
        assert_eq!(bearer(&headers), Ok(&*key));
    }
}
