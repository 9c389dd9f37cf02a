//! Scopes, and what there is to say about them.

use serde::Serialize;
use ts_rs::TS;

/// What a scope belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ScopeToolkit {
    /// Mail, calendar, contacts, tasks.
    Outlook,
    /// Teams, channels, chats, meetings.
    Teams,
    /// The account, people and files.
    Account,
}

/// Who may consent to a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Consent {
    /// The person who signs in.
    User,
    /// The person, but not in tenants where Microsoft manages the consent settings, which is
    /// how new tenants start.
    Blocked,
    /// An administrator only.
    Admin,
}

/// One scope of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct ScopeInfo {
    /// Its name in Graph.
    pub name: &'static str,
    /// What it belongs to.
    pub toolkit: ScopeToolkit,
    /// Who may consent.
    pub consent: Consent,
    /// What it lets the app do.
    pub lets: &'static str,
    /// The calls that it is the least scope for; empty where unknown.
    pub least_for: &'static str,
}

/// Scopes that are picked together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct Bundle {
    pub name: &'static str,
    pub scopes: &'static [&'static str],
}

/// All there is to pick from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct Catalogue {
    pub scopes: Vec<ScopeInfo>,
    pub bundles: &'static [Bundle],
    /// Those that are added by themselves.
    pub automatic: &'static [&'static str],
}

/// What there is to say about one picked scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct ScopeNote {
    pub scope: String,
    /// What it lets the app do; `None` where the catalogue does not know it.
    pub lets: Option<&'static str>,
    /// Who may consent; `None` where the catalogue does not know it.
    pub consent: Option<Consent>,
    /// A scope that allows less and is often enough.
    pub narrower: Option<ScopeInfo>,
    /// What was probably meant.
    pub meant: Option<&'static str>,
}
