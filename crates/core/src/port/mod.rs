//! What the rules need of the outside, as traits: adapters are crates of their own.

pub mod backup;
mod http;
mod identity;
mod lease;
mod revisions;
mod sealed;
mod store;
mod vault;

pub use http::{Http, Keep, LARGEST_ANSWER, Later, NetworkError};
pub use identity::{
    BuiltInApp, Client, DeviceCode, Expected, Grant, Identity, Meaning, Page, PageRequest, TellStep, TokenFailure,
    Tokens,
};
pub use lease::{LeaseFence, LeaseRows, TakenLease, UnderLease};
pub use revisions::Revisions;
pub use sealed::SealedRows;
pub use store::{
    ActivityRows, ApprovalRows, ConnectionRows, CountedCalls, CountedTimes, ExportRow, HourRow, IntegrationRows,
    IntegrationSaved, KeptTrouble, KeyCreation, KeyRevocation, KeyRows, Refreshed, RenewedAccess, SecretRows,
    SecretStep, ServiceRows, SettingRows, SignInKept, Store, UsageBatch, UsageRows, UsageTotals, UsageView, Watcher,
};
pub use vault::Vault;
