//! The fields of an integration's form, and what is wrong with one.

use serde::Serialize;
use ts_rs::TS;

/// A field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Field {
    Name,
    ClientId,
    Tenant,
    Issuer,
    Graph,
    Secret,
    SecretExpiry,
    Scopes,
    #[serde(rename = "way_back")]
    Redirect,
    Page,
}

impl Field {
    fn label(self) -> &'static str {
        match self {
            Self::Name => "The name",
            Self::ClientId => "The client ID",
            Self::Tenant => "The tenant",
            Self::Issuer => "The authority",
            Self::Graph => "The Graph address",
            Self::Secret => "The client secret",
            Self::SecretExpiry => "The secret's last day",
            Self::Scopes => "The scopes",
            Self::Redirect => "The redirect",
            Self::Page => "The page",
        }
    }
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct FieldProblem {
    pub field: Field,
    /// The sentence to show beside it.
    pub problem: String,
}

impl FieldProblem {
    pub(super) fn new(field: Field, problem: &str) -> Self {
        Self { field, problem: format!("{} {problem}.", field.label()) }
    }
}
