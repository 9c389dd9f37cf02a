//! The authority's own description of itself (OpenID Connect Discovery 1.0), believed only
//! where it speaks of the authority that was asked.

use atthene_core::address::is_safe;
use atthene_core::port::{Http, NetworkError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::{Origin, Url};

use super::{ErrorBody, lenient};

/// What an authority says of itself, as it says it, with what a provider adds.
#[derive(Deserialize)]
pub(crate) struct Document<Added> {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: Url,
    pub(crate) token_endpoint: Url,
    pub(crate) device_authorization_endpoint: Option<Url>,
    jwks_uri: Option<Url>,
    #[serde(default, deserialize_with = "lenient::texts")]
    pub(crate) response_modes_supported: Vec<String>,
    #[serde(default)]
    pub(crate) authorization_response_iss_parameter_supported: bool,
    #[serde(flatten)]
    pub(crate) added: Added,
}

/// Why an authority can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoveryError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// It answered with an error of its own.
    #[error("the authority refused: {0}")]
    Refused(Box<ErrorBody>),
    /// What it answered is no discovery document.
    #[error("no discovery document lies at {0}: {1}")]
    NoDocument(String, String),
    /// It calls itself by another name.
    #[error("the authority calls itself {0:?}")]
    OtherIssuer(String),
    /// It sends the secret or the person elsewhere.
    #[error("its {endpoint} is at {at}, which is another host")]
    OtherHost {
        /// Which endpoint.
        endpoint: &'static str,
        /// Where it points.
        at: String,
    },
}

/// Reads the document.
pub(crate) async fn read<Added: DeserializeOwned>(
    asked: &str,
    http: &dyn Http,
) -> Result<Document<Added>, DiscoveryError> {
    let answer = http.get(asked).await?;
    if !answer.status().is_success() {
        return Err(match serde_json::from_slice::<ErrorBody>(answer.body()) {
            Ok(body) => DiscoveryError::Refused(Box::new(body)),
            Err(_) => DiscoveryError::NoDocument(asked.to_owned(), format!("it answered {}", answer.status())),
        });
    }
    serde_json::from_slice(answer.body())
        .map_err(|error| DiscoveryError::NoDocument(asked.to_owned(), error.to_string()))
}

impl<Added> Document<Added> {
    /// Checks that every endpoint lies where the issuer does.
    pub(crate) fn stays_at(&self, home: &Url) -> Result<(), DiscoveryError> {
        let endpoints = [
            ("authorization endpoint", Some(&self.authorization_endpoint)),
            ("token endpoint", Some(&self.token_endpoint)),
            ("device endpoint", self.device_authorization_endpoint.as_ref()),
            ("key address", self.jwks_uri.as_ref()),
        ];
        for (endpoint, url) in endpoints {
            if let Some(url) = url.filter(|url| url.origin() != home.origin() || !is_safe(url)) {
                return Err(DiscoveryError::OtherHost { endpoint, at: origin(url) });
            }
        }
        Ok(())
    }
}

fn origin(url: &Url) -> String {
    match url.origin() {
        Origin::Opaque(_) => url.scheme().to_owned(),
        tuple @ Origin::Tuple(..) => tuple.ascii_serialization(),
    }
}
