//! What an authority says when it refuses (RFC 6749, 5.2, with Entra's additions).

use std::fmt;

use oauth2::ErrorResponse;
use serde::{Deserialize, Deserializer, Serialize};
use ts_rs::TS;

use super::discovery::DiscoveryError;
use super::help::help;
use crate::bound::Bound;
use crate::network::NetworkError;

/// The error body of a token endpoint. `error` and `suberror` decide; the AADSTS number only
/// picks the help text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The class of the error (RFC 6749, 5.2).
    pub error: String,
    /// Entra's finer class.
    #[serde(default)]
    pub suberror: Option<String>,
    /// Free text; Entra's begins with the AADSTS number.
    #[serde(default)]
    pub error_description: Option<String>,
    /// AADSTS numbers.
    #[serde(default, deserialize_with = "numbers")]
    pub error_codes: Vec<u32>,
    /// What Microsoft's support asks for.
    #[serde(default)]
    pub correlation_id: Option<String>,
    /// A claims challenge, to be sent along with the next sign-in.
    #[serde(default)]
    pub claims: Option<String>,
}

impl ErrorResponse for ErrorBody {}

impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

/// Codes that are no numbers must not hide the error that they belong to.
fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(deserializer)?;
    let number = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|number| u32::try_from(number).ok()),
    };
    Ok(match value {
        Some(serde_json::Value::Array(values)) => values.iter().filter_map(number).collect(),
        Some(single) => number(&single).into_iter().collect(),
        None => Vec::new(),
    })
}

impl ErrorBody {
    /// From an answer that came back through the browser (RFC 6749, 4.1.2.1).
    pub(crate) fn from_redirect(error: String, error_description: Option<String>) -> Self {
        Self { error, suberror: None, error_description, error_codes: Vec::new(), correlation_id: None, claims: None }
    }

    /// The AADSTS number, where there is one.
    pub fn aadsts(&self) -> Option<u32> {
        self.error_codes.first().copied().or_else(|| {
            let (_, rest) = self.error_description.as_deref()?.split_once("AADSTS")?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        })
    }

    /// What the authority said, without the number before it and the identifiers after it.
    fn said(&self) -> Option<String> {
        const LONGEST: usize = 300;
        let text = self.error_description.as_deref()?;
        let text = text.split("Trace ID:").next().unwrap_or(text);
        let text = text
            .strip_prefix("AADSTS")
            .map_or(text, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(':'));
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
        Some(clean.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// In words that a person can act on.
    pub fn failure(&self) -> AuthorityFailure {
        let aadsts = self.aadsts();
        let help = help(aadsts, &self.error);
        let id = |text: &String| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        AuthorityFailure {
            what: help.what.to_owned(),
            fix: help.fix.to_owned(),
            aadsts,
            correlation_id: self.correlation_id.clone().filter(id),
            said: self.said(),
        }
    }
}

/// A refusal, as people read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct AuthorityFailure {
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub fix: String,
    /// Entra's number of the error.
    pub aadsts: Option<u32>,
    /// What Microsoft's support asks for.
    pub correlation_id: Option<String>,
    /// The authority's own words, cut.
    pub said: Option<String>,
}

impl AuthorityFailure {
    /// A failure that the authority did not word itself.
    pub fn own(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into(), aadsts: None, correlation_id: None, said: None }
    }

    /// Drops the authority's words where they repeat the secret: one that echoes what it got
    /// must not carry it into a window or a record.
    #[must_use]
    pub(crate) fn without(mut self, secret: &Bound) -> Self {
        if self.said.as_deref().is_some_and(|said| secret.is_in(said)) {
            self.said = None;
        }
        self
    }
}

impl fmt::Display for AuthorityFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.aadsts.map_or(Ok(()), |number| write!(f, " (AADSTS{number})"))
    }
}

impl From<&DiscoveryError> for AuthorityFailure {
    fn from(error: &DiscoveryError) -> Self {
        let fix = match error {
            DiscoveryError::Network(error) => return error.into(),
            DiscoveryError::Refused(failure) => return failure.clone(),
            DiscoveryError::NoDocument(..) => {
                "Check the address; a proxy or a login page in between looks like this, too."
            }
            DiscoveryError::OtherIssuer(_) => {
                "Type that name as the authority, if you trust it. Until then nothing is sent to it."
            }
            DiscoveryError::OtherHost { .. } => "Ask whoever runs the authority. Until then nothing is sent to it.",
            DiscoveryError::OtherCloud(_) => "Choose the cloud that this Graph belongs to.",
            DiscoveryError::NoGraph => "Type the address of its Graph.",
        };
        Self::own(capitalised(&error.to_string()), fix)
    }
}

impl From<&NetworkError> for AuthorityFailure {
    fn from(error: &NetworkError) -> Self {
        let fix = match error {
            NetworkError::Unreachable { .. } => "Check the network, and whether a proxy has to be set.",
            NetworkError::Timeout(_) => "Try again; if it stays, a firewall or proxy may hold the call back.",
            NetworkError::Certificate { .. } => {
                "Have your IT department install the certificate of the network's proxy in the system's store."
            }
            NetworkError::Redirect(_) => "Type the final address as the authority.",
            NetworkError::TooLarge(_) => "Check the address; no authority answers that much.",
        };
        Self::own(capitalised(&error.to_string()), fix)
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(json: &str) -> ErrorBody {
        serde_json::from_str(json).expect("an error body")
    }

    /// Shapes as recorded from Entra over the years, and from others.
    #[test]
    fn every_recorded_shape_is_read() {
        let cases = [
            // Spaces before the identifiers (2023 and later).
            (
                r#"{"error":"invalid_client","error_description":"AADSTS7000215: Text for app 'id'. Trace ID: t Correlation ID: c Timestamp: 2025-03-10 20:12:22Z","error_codes":[7000215],"timestamp":"2025-03-10 20:12:22Z","trace_id":"t","correlation_id":"0a1b2c3d-0000-1111-2222-333344445555","error_uri":"https://login.microsoftonline.com/error?code=7000215"}"#,
                ("invalid_client", None, Some(7_000_215), Some("Text for app 'id'.")),
            ),
            // Line breaks before them (earlier).
            (
                "{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS50173: Text.\\r\\nTrace ID: t\\r\\nCorrelation ID: c\",\"error_codes\":[50173],\"suberror\":\"bad_token\"}",
                ("invalid_grant", Some("bad_token"), Some(50173), Some("Text.")),
            ),
            (
                r#"{"error":"invalid_grant","error_codes":[53003],"suberror":"message_only","claims":"{\"access_token\":{}}"}"#,
                ("invalid_grant", Some("message_only"), Some(53003), None),
            ),
            (
                r#"{"error":"interaction_required","error_codes":[50076],"suberror":"basic_action"}"#,
                ("interaction_required", Some("basic_action"), Some(50076), None),
            ),
            (
                r#"{"error":"invalid_grant","error_codes":[65001],"suberror":"consent_required"}"#,
                ("invalid_grant", Some("consent_required"), Some(65001), None),
            ),
            // The number in the text only, and codes as text.
            (
                r#"{"error":"invalid_client","error_description":"AADSTS700025: Client is public"}"#,
                ("invalid_client", None, Some(700_025), Some("Client is public")),
            ),
            (r#"{"error":"invalid_scope","error_codes":["70011"]}"#, ("invalid_scope", None, Some(70011), None)),
            // Another authority, without a number.
            (
                r#"{"error":"invalid_client","error_description":"The client_secret is incorrect."}"#,
                ("invalid_client", None, None, Some("The client_secret is incorrect.")),
            ),
            (r#"{"error":"server_error","error_codes":null}"#, ("server_error", None, None, None)),
        ];
        for (json, (error, suberror, aadsts, said)) in cases {
            let body = body(json);
            assert_eq!(body.error, error, "{json}");
            assert_eq!(body.suberror.as_deref(), suberror, "{json}");
            assert_eq!(body.aadsts(), aadsts, "{json}");
            assert_eq!(body.said().as_deref(), said, "{json}");
            assert!(!body.failure().fix.is_empty(), "{json}");
        }
    }

    #[test]
    fn what_comes_from_outside_can_not_disturb_a_line() {
        let body = body(r#"{"error":"x","error_description":"a\u001b[31m\nb","correlation_id":"<script>"}"#);
        assert_eq!(body.said().as_deref(), Some("a [31m b"));
        assert_eq!(body.failure().correlation_id, None);
    }

    #[test]
    fn an_echoed_secret_is_dropped() {
        let failure = body(r#"{"error":"invalid_client","error_description":"planted-secret is wrong"}"#).failure();
        let recipient = crate::bound::Recipient::Runtime { url: String::new() };
        assert_eq!(failure.without(&Bound::new(recipient, "planted-secret".into())).said, None);
    }
}
