//! What the rules need of the outside, as traits: adapters are crates of their own.

pub mod backup;
mod store;
mod vault;

pub use store::{
    ActivityRows, ConnectionRows, CountedCalls, CountedTimes, ExportRow, HourRow, IntegrationRows, IntegrationSaved,
    KeptTrouble, KeyCreation, KeyRevocation, KeyRows, Refreshed, Revisions, SecretRows, SettingRows, Settling,
    SignInKept, Store, UsageBatch, UsageRows, UsageTotals, UsageView, Watcher,
};
pub use vault::{Vault, VaultAnswer};
