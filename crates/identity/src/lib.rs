//! Identity platforms behind the core's port: OAuth 2.0 and OpenID Connect as the RFCs have them, and what is
//! particular to each provider. All ways out of this process know the same proxies
//! ([`Proxy`]); those whose answer is small go through [`Network`].

#[cfg(fuzzing)]
pub mod fuzzing;
mod network;
mod oauth;
mod providers;

pub use network::{Network, Proxy};
pub use providers::{Platforms, catalogue, claims_challenge, explain_code, own_page};
