//! The rules of ATTHENE Settings, and ports for what is outside of them. Knows no SQL, no keychain, no window and
//! no HTTP server: adapters and faces are crates of their own.

pub mod activity;
pub mod address;
mod blocking;
pub mod bound;
mod browser;
mod change;
mod clock;
pub mod connections;
mod error;
mod export;
mod hex;
pub mod identity;
pub mod integrations;
pub mod keys;
pub mod limits;
mod maintenance;
pub mod names;
pub mod oversight;
mod policy;
mod policy_owner;
pub mod port;
pub mod problem;
mod profile_secret;
pub mod provider;
mod restore;
mod runtime;
mod secrets;
mod settings;
mod use_cases;
pub mod vault;
mod watch;

pub use activity::Actor;
pub use blocking::blocking;
pub use browser::open_in_browser;
pub use change::{Change, Changes};
pub use clock::{Clock, UnixMs};
pub use error::{Code, Error, ErrorView, StoreError};
pub use export::Format;
pub use hex::hex;
pub use policy::{MicrosoftPolicy, Policy};
pub use profile_secret::{ProfileSecret, Proof};
pub use restore::{LeftOut, RestoreReport, ToDo};
pub use settings::{LogLevel, OnClose, Settings, SettingsInForce, SettingsStore, Theme, may_send_secrets_to};
pub use use_cases::{Core, Environment};
pub use vault::SecretChange;
