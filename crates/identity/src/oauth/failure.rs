//! What an authority says when it refuses (RFC 6749, 5.2, with the fields that providers add).

use std::fmt;

use oauth2::ErrorResponse;
use serde::{Deserialize, Deserializer, Serialize};

/// The error body of a token endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    /// The class of the error (RFC 6749, 5.2).
    pub(crate) error: String,
    /// A finer class, where the provider has one.
    #[serde(default)]
    pub(crate) suberror: Option<String>,
    /// Free text.
    #[serde(default)]
    pub(crate) error_description: Option<String>,
    /// The provider's own numbers.
    #[serde(default, deserialize_with = "numbers")]
    pub(crate) error_codes: Vec<u32>,
    /// What the provider's support asks for.
    #[serde(default)]
    pub(crate) correlation_id: Option<String>,
    /// A claims challenge, to be sent along with the next sign-in.
    #[serde(default)]
    pub(crate) claims: Option<String>,
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
}
