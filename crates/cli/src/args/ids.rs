//! Ids and words of the product, as arguments.

use atthene_core::approvals::ApprovalId;
use atthene_core::connections::{ConnectionId, Toolkit};
use atthene_core::integrations::IntegrationId;
use atthene_core::keys::KeyId;

pub(crate) fn quoted<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

pub(crate) fn key_id(text: &str) -> Result<KeyId, String> {
    quoted(text)
}

pub(crate) fn integration_id(text: &str) -> Result<IntegrationId, String> {
    quoted(text)
}

pub(crate) fn connection_id(text: &str) -> Result<ConnectionId, String> {
    ConnectionId::try_from(text).map_err(str::to_owned)
}

pub(crate) fn toolkit(text: &str) -> Result<Toolkit, String> {
    quoted(text).map_err(|_| "outlook or teams".into())
}

pub(crate) fn approval_id(text: &str) -> Result<ApprovalId, &'static str> {
    ApprovalId::try_from(text)
}
