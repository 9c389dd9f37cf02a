//! What the rules need of the outside, as traits: adapters are crates of their own.

mod approvals;
pub mod backup;
mod hosts;
mod http;
mod identity;
mod lease;
mod revisions;
mod sealed;
mod shared;
mod store;
mod vault;

pub use approvals::ApprovalRows;
pub use hosts::{HostRow, HostRows, HostSeen};
pub use http::{Http, Keep, LARGEST_ANSWER, Later, NetworkError};
pub use identity::{
    BuiltInApp, Client, DeviceCode, Expected, Grant, Identity, Meaning, Page, PageRequest, TellStep, TokenFailure,
    Tokens,
};
pub use lease::{LeaseFence, LeaseRows, TakenLease, UnderLease};
pub use revisions::Revisions;
pub use sealed::{KEY_IN_FORCE, SealedEntry, SealedRows, SealedValue};
pub use shared::SharedRows;
pub use store::{
    ActivityRows, ConnectionRows, CountedCalls, CountedTimes, ExportRow, HostCalls, HourRow, IntegrationRows,
    IntegrationSaved, KeptTrouble, KeyCreation, KeyRevocation, KeyRows, Refreshed, RenewedAccess, SecretRows,
    SecretStep, ServiceRows, SettingRows, SignInKept, Store, UsageBatch, UsageRows, UsageTotals, UsageView, Watcher,
};
pub use vault::Vault;
