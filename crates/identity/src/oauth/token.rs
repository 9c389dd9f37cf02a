//! The token endpoint (RFC 6749, 4.1.3 and 6): one call, its answer, and what a refusal means.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use oauth2::basic::{BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType};
use oauth2::{
    AccessToken, AsyncHttpClient, AuthType, AuthorizationCode, Client, ClientSecret, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    StandardRevocableToken, TokenResponse, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};

use atthene_core::bound::{Bound, Misdirected, Recipient};
use atthene_core::port::{Http, NetworkError};
use atthene_core::provider::{ClientId, Discovery};

use super::{ErrorBody, lenient};

/// The client type of the `oauth2` crate with answers that are read leniently.
pub(crate) type OAuthClient<Auth = EndpointNotSet, Token = EndpointNotSet> = Client<
    ErrorBody,
    TokenBody,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    Auth,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    Token,
>;

/// A token endpoint's answer. The crate's own type refuses numbers that arrive as text.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct TokenBody {
    access_token: AccessToken,
    #[serde(default = "bearer")]
    token_type: BasicTokenType,
    #[serde(default, deserialize_with = "lenient::number")]
    expires_in: Option<u64>,
    #[serde(default)]
    refresh_token: Option<RefreshToken>,
    #[serde(default, deserialize_with = "scopes")]
    scope: Option<Vec<Scope>>,
    /// Typed as an access token, which does not print itself.
    #[serde(default)]
    id_token: Option<AccessToken>,
}

impl TokenResponse for TokenBody {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in.map(Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        self.scope.as_ref()
    }
}

fn bearer() -> BasicTokenType {
    BasicTokenType::Bearer
}

fn scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Scope>>, D::Error> {
    Ok(lenient::words(deserializer)?.map(|words| words.into_iter().map(Scope::new).collect()))
}

/// Tokens, as the rest of the app holds them.
pub(crate) struct TokenSet {
    pub(crate) access: SecretString,
    pub(crate) lifetime: Duration,
    /// As granted; `None`: exactly those that were asked for (RFC 6749, 5.1).
    pub(crate) scopes: Option<Vec<String>>,
    pub(crate) refresh: Option<SecretString>,
    pub(crate) id_token: Option<SecretString>,
}

/// Where none is named (RFC 6749, 5.1, recommends it): the shortest that is usual.
const UNNAMED_LIFETIME: Duration = Duration::from_hours(1);

impl From<TokenBody> for TokenSet {
    fn from(body: TokenBody) -> Self {
        Self {
            lifetime: body.expires_in().unwrap_or(UNNAMED_LIFETIME),
            scopes: body.scope.map(|scopes| scopes.into_iter().map(|scope| scope.to_string()).collect()),
            refresh: body
                .refresh_token
                .map(RefreshToken::into_secret)
                .filter(|token| !token.is_empty())
                .map(Into::into),
            id_token: body.id_token.map(|token| token.into_secret().into()),
            access: body.access_token.into_secret().into(),
        }
    }
}

/// Why there are no tokens.
#[derive(Debug)]
pub(crate) enum TokenError {
    /// No answer: says nothing about the tokens.
    Network(NetworkError),
    /// The authority is busy or broken: says nothing about the tokens.
    Busy {
        retry_after: Option<Duration>,
    },
    Refused(Box<ErrorBody>),
    /// What it answered is not OAuth.
    Unreadable,
    /// What should have been sent was kept for somebody else. Nothing was sent.
    Misdirected,
}

impl From<Misdirected> for TokenError {
    fn from(_: Misdirected) -> Self {
        Self::Misdirected
    }
}

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) struct TokenClient<'a> {
    pub(crate) client_id: &'a ClientId,
    /// `None`: a public client.
    pub(crate) secret: Option<&'a Bound>,
    pub(crate) found: &'a Discovery,
    pub(crate) http: &'a dyn Http,
}

/// What is asked for, as it is sent.
pub(crate) enum TokenRequest<'a> {
    /// Tokens for the code of a sign-in.
    Code { code: &'a SecretString, verifier: &'a Bound, redirect_uri: &'a str, claims: Option<&'a str> },
    /// New tokens for a refresh token.
    Refresh { token: &'a Bound, scopes: &'a [String], claims: Option<&'a str> },
    /// A token for the app itself.
    Client { scope: &'a str },
}

impl TokenClient<'_> {
    /// One call. Nothing is tried twice here.
    pub(crate) async fn ask(&self, grant: &TokenRequest<'_>) -> Result<TokenSet, TokenError> {
        // The one place that sends a secret: to the endpoint of the very authority that it was kept for.
        let recipient = Recipient::app(&self.found.authority, self.client_id);
        let mut client: OAuthClient<EndpointNotSet, EndpointSet> =
            OAuthClient::new(oauth2::ClientId::new(self.client_id.as_str().to_owned()))
                .set_auth_type(AuthType::RequestBody)
                .set_token_uri(TokenUrl::from_url(self.found.token_endpoint.clone()));
        if let Some(secret) = self.secret {
            let secret = secret.reveal_to(&recipient)?;
            client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
        }
        let seen = HeadRecorder::new(self.http);
        let answer = match grant {
            TokenRequest::Code { code, verifier, redirect_uri, claims } => {
                let verifier = verifier.reveal_to(&recipient)?;
                let redirect = RedirectUrl::new((*redirect_uri).to_owned()).map_err(|_| TokenError::Unreadable)?;
                let client = client.set_redirect_uri(redirect);
                let mut request = client
                    .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
                    .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()));
                if let Some(claims) = claims {
                    request = request.add_extra_param("claims", (*claims).to_owned());
                }
                request.request_async(&seen).await
            }
            TokenRequest::Refresh { token, scopes, claims } => {
                let token = RefreshToken::new(token.reveal_to(&recipient)?.expose_secret().to_owned());
                let mut request = client.exchange_refresh_token(&token);
                request = request.add_scopes(scopes.iter().map(|scope| Scope::new(scope.clone())));
                if let Some(claims) = claims {
                    request = request.add_extra_param("claims", (*claims).to_owned());
                }
                request.request_async(&seen).await
            }
            TokenRequest::Client { scope } => {
                let scope = Scope::new((*scope).to_owned());
                client.exchange_client_credentials().add_scope(scope).request_async(&seen).await
            }
        };
        answer.map(TokenSet::from).map_err(|error| seen.explain(error))
    }
}

/// Remembers the head of the answer, which the crate drops.
pub(super) struct HeadRecorder<'a> {
    http: &'a dyn Http,
    head: Mutex<Option<(StatusCode, Option<Duration>)>>,
}

impl<'c> AsyncHttpClient<'c> for HeadRecorder<'_> {
    type Error = NetworkError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<HttpResponse, NetworkError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.http.send(request).await?;
            if let Ok(mut head) = self.head.lock() {
                *head = Some((answer.status(), retry_after(answer.headers())));
            }
            Ok(answer)
        })
    }
}

impl<'a> HeadRecorder<'a> {
    pub(super) fn new(http: &'a dyn Http) -> Self {
        Self { http, head: Mutex::default() }
    }

    pub(super) fn explain(&self, error: RequestTokenError<NetworkError, ErrorBody>) -> TokenError {
        let head = self.head.lock().ok().and_then(|head| *head);
        if let Some((status, retry_after)) = head
            && (status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error())
        {
            return TokenError::Busy { retry_after };
        }
        match error {
            RequestTokenError::ServerResponse(body) => TokenError::Refused(Box::new(body)),
            RequestTokenError::Request(error) => TokenError::Network(error),
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => TokenError::Unreadable,
        }
    }
}

/// Longer pauses than this are cut: an app that waits a day for a typo in a header helps nobody.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// The pause that an answer asks for: in seconds, or until a moment (RFC 9110, 10.2.3), which counts from the moment
/// at which the answer says that it was made.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let told = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let moment = |text: &str| httpdate::parse_http_date(text).ok();
    let pause = told.parse().ok().map(Duration::from_secs).or_else(|| {
        let made = headers.get(header::DATE).and_then(|date| moment(date.to_str().ok()?));
        let until = moment(told)?;
        Some(until.duration_since(made.unwrap_or_else(SystemTime::now)).unwrap_or_default())
    })?;
    Some(pause.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k5_a_pause_is_read_in_seconds_and_as_a_moment() {
        let asked = |retry_after: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, retry_after.parse().expect("a value"));
            date.map(|date| headers.insert(header::DATE, date.parse().expect("a value")));
            super::retry_after(&headers)
        };
        assert_eq!(asked("120", None), Some(Duration::from_mins(2)));
        assert_eq!(asked("999999", None), Some(LONGEST_PAUSE));
        let noon = "Mon, 23 Nov 2026 12:00:00 GMT";
        // By the authority's clock, whatever ours says.
        assert_eq!(asked("Mon, 23 Nov 2026 12:02:00 GMT", Some(noon)), Some(Duration::from_mins(2)));
        assert_eq!(asked("Mon, 23 Nov 2026 11:00:00 GMT", Some(noon)), Some(Duration::ZERO));
        assert_eq!(asked("Mon, 01 Jan 2001 00:00:00 GMT", None), Some(Duration::ZERO));
        assert_eq!(asked("soon", None), None);
    }

    #[test]
    fn numbers_that_arrive_as_text_are_read() {
        let body = r#"{"token_type":"Bearer","expires_in":"3599","access_token":"AT","scope":"Mail.Read openid"}"#;
        let tokens = TokenSet::from(serde_json::from_str::<TokenBody>(body).expect("a token"));
        assert_eq!(tokens.lifetime, Duration::from_secs(3599));
        assert_eq!(tokens.scopes.as_deref(), Some(&["Mail.Read".to_owned(), "openid".to_owned()][..]));
        assert!(!format!("{:?}", serde_json::from_str::<TokenBody>(body).expect("a token")).contains("AT\""));
    }
}
