//! Signing in with a code on another machine (RFC 8628).

use std::sync::Mutex;
use std::time::Duration;

use http::StatusCode;
use oauth2::{
    AsyncHttpClient, AuthType, DeviceAuthorizationUrl, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse,
    RequestTokenError, Scope, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use atthene_core::port::{Http, NetworkError};

use super::token::{HeadRecorder, OAuthClient, TokenClient, TokenError, TokenSet, retry_after};
use super::{ErrorBody, lenient};

/// A device code with what the person needs.
pub(crate) type OAuthDeviceCode = oauth2::StandardDeviceAuthorizationResponse;

/// The pause after an answer that is none, where none is asked for.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);

impl TokenClient<'_> {
    /// A code for a browser on another machine (RFC 8628, 3.1). `None`: the authority hands
    /// out none.
    pub(crate) async fn device_code(&self, scopes: &[String]) -> Option<Result<OAuthDeviceCode, TokenError>> {
        let endpoint = self.found.device_authorization_endpoint.clone()?;
        let client: OAuthClient = OAuthClient::new(oauth2::ClientId::new(self.client_id.as_str().to_owned()))
            .set_auth_type(AuthType::RequestBody);
        let client = client.set_device_authorization_url(DeviceAuthorizationUrl::from_url(endpoint));
        let seen = HeadRecorder::new(self.http);
        let lenient = LenientCode(&seen);
        let scopes = scopes.iter().map(|scope| Scope::new(scope.clone()));
        let asked = client.exchange_device_code().add_scopes(scopes).request_async(&lenient).await;
        Some(asked.map_err(|error| seen.explain(error)))
    }

    /// Asks until the person has entered the code, or it has lapsed by the stopwatch (RFC 8628, 3.4 and 3.5). What is
    /// no answer to the question ends nothing: it is asked again, more slowly.
    pub(crate) async fn wait_for_device(&self, code: &OAuthDeviceCode) -> Result<TokenSet, TokenError> {
        let client: OAuthClient<EndpointNotSet, EndpointSet> =
            OAuthClient::new(oauth2::ClientId::new(self.client_id.as_str().to_owned()))
                .set_auth_type(AuthType::RequestBody)
                .set_token_uri(TokenUrl::from_url(self.found.token_endpoint.clone()));
        let patient = Patient { http: self.http, latest: Mutex::default() };
        // The crate would measure the time by a clock that may be set meanwhile.
        let endless = open_device_code(&seal_with_lifetime(code, u64::from(u32::MAX))?)?;
        let asked = client.exchange_device_access_token(&endless).request_async(&patient, tokio::time::sleep, None);
        let lapsed = || TokenError::Refused(Box::new(ErrorBody::from_redirect("expired_token".into(), None)));
        let Ok(asked) = tokio::time::timeout(code.expires_in(), asked).await else { return Err(lapsed()) };
        asked.map(TokenSet::from).map_err(|error| match error {
            // As it was said, not as the crate keeps it.
            RequestTokenError::ServerResponse(body) => {
                let said = patient.latest.lock().ok().and_then(|mut latest| latest.take());
                let description = body.error_description().cloned();
                let kept = || ErrorBody::from_redirect(body.error().to_string(), description);
                TokenError::Refused(Box::new(said.unwrap_or_else(kept)))
            }
            RequestTokenError::Request(error) => TokenError::Network(error),
            RequestTokenError::Parse(..) => TokenError::Unreadable,
            RequestTokenError::Other(_) => lapsed(),
        })
    }
}

/// A device code as text, for whoever goes on with it later.
pub(crate) fn seal_device_code(code: &OAuthDeviceCode) -> Result<SecretString, TokenError> {
    serde_json::to_string(code).map(SecretString::from).map_err(|_| TokenError::Unreadable)
}

fn seal_with_lifetime(code: &OAuthDeviceCode, seconds: u64) -> Result<SecretString, TokenError> {
    let mut code = serde_json::to_value(code).map_err(|_| TokenError::Unreadable)?;
    code["expires_in"] = seconds.into();
    Ok(code.to_string().into())
}

/// The same the other way round.
pub(crate) fn open_device_code(sealed: &SecretString) -> Result<OAuthDeviceCode, TokenError> {
    serde_json::from_str(sealed.expose_secret()).map_err(|_| TokenError::Unreadable)
}

type Answered<'c> = std::pin::Pin<Box<dyn Future<Output = Result<HttpResponse, NetworkError>> + Send + 'c>>;

/// Reads a code whose numbers are written as text, which the crate does not.
struct LenientCode<'a, 'h>(&'a HeadRecorder<'h>);

impl<'c> AsyncHttpClient<'c> for LenientCode<'_, '_> {
    type Error = NetworkError;
    type Future = Answered<'c>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.0.call(request).await?;
            Ok(answer.map(|body| with_numbers(&body).unwrap_or(body)))
        })
    }
}

fn with_numbers(body: &[u8]) -> Option<Vec<u8>> {
    let mut code: Value = serde_json::from_slice(body).ok()?;
    let fields = code.as_object_mut()?;
    for name in ["expires_in", "interval"] {
        // One that can't be read is as good as none, for which there is a usual value.
        if let Some(value) = fields.remove(name)
            && let Some(number) = lenient::number_in(&value)
        {
            fields.insert(name.into(), number.into());
        }
    }
    serde_json::to_vec(&code).ok()
}

/// Any bytes as the answer of a device endpoint.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    if let Some(numbers) = with_numbers(bytes) {
        let _ = serde_json::from_slice::<OAuthDeviceCode>(&numbers);
    }
}

/// Takes what is no answer for "not yet": a stumble of the authority, a network that is away, a page of a proxy in
/// between. The person has typed the code already.
struct Patient<'a> {
    http: &'a dyn Http,
    /// The latest refusal.
    latest: Mutex<Option<ErrorBody>>,
}

impl<'c> AsyncHttpClient<'c> for Patient<'_> {
    type Error = NetworkError;
    type Future = Answered<'c>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let Ok(answer) = self.http.send(request).await else { return Ok(not_yet(AFTER_TROUBLE).await) };
            let pause = retry_after(answer.headers()).unwrap_or(AFTER_TROUBLE);
            let said = serde_json::from_slice::<Value>(answer.body()).unwrap_or_default();
            let refusal = serde_json::from_value::<ErrorBody>(said.clone()).ok();
            let is_trouble = match &refusal {
                Some(refusal) => matches!(refusal.error.as_str(), "temporarily_unavailable" | "server_error"),
                None => !(answer.status().is_success() && said.get("access_token").is_some()),
            };
            if is_trouble || answer.status() == StatusCode::TOO_MANY_REQUESTS || answer.status().is_server_error() {
                return Ok(not_yet(pause).await);
            }
            if let Ok(mut latest) = self.latest.lock() {
                *latest = refusal;
            }
            Ok(answer)
        })
    }
}

/// An answer that has the question asked again after the usual time, and this one before.
async fn not_yet(pause: Duration) -> HttpResponse {
    tokio::time::sleep(pause).await;
    let mut answer = HttpResponse::new(json!({ "error": "authorization_pending" }).to_string().into_bytes());
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k8_a_code_whose_numbers_are_text_or_missing_is_read() {
        let read = |expires: Value, interval: Value| {
            let body = json!({ "device_code": "d", "user_code": "u", "verification_uri": "https://id.example/device",
                               "expires_in": expires, "interval": interval });
            let body = with_numbers(body.to_string().as_bytes()).expect("an object");
            let code = serde_json::from_slice::<OAuthDeviceCode>(&body).ok()?;
            Some((code.expires_in().as_secs(), code.interval().as_secs()))
        };
        assert_eq!(read(json!("900"), json!("1")), Some((900, 1)));
        assert_eq!(read(json!(900.5), json!(null)), Some((900, 5)));
        assert_eq!(read(json!(900), json!("soon")), Some((900, 5)));
        assert_eq!(read(json!(null), json!(5)), None);
    }
}
