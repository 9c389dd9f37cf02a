//! What an authority says when it refuses (RFC 6749, 5.2).

use std::fmt;

use oauth2::ErrorResponse;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The error body of a token endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    /// The class of the error (RFC 6749, 5.2).
    pub(crate) error: String,
    /// Free text.
    #[serde(default)]
    pub(crate) error_description: Option<String>,
    /// What the provider adds, as it says it.
    #[serde(flatten)]
    pub(crate) added: Map<String, Value>,
}

impl ErrorResponse for ErrorBody {}

impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl ErrorBody {
    /// From an answer that came back through the browser (RFC 6749, 4.1.2.1).
    pub(crate) fn from_redirect(error: String, error_description: Option<String>) -> Self {
        Self { error, error_description, added: Map::new() }
    }
}
