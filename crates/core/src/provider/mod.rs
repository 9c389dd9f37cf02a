//! Identity platforms, as far as the rules have to know them: who signs people in, and in which words. What is
//! particular to one of them is behind [`crate::port::Identity`].

mod authority;
mod cloud;
mod discovery;
mod failure;
mod scopes;

pub use authority::{Authority, ClientId, GraphUrl, Provider, Tenant};
pub use cloud::Cloud;
pub use discovery::Discovery;
pub use failure::AuthorityFailure;
pub use scopes::{Bundle, Catalogue, Consent, ScopeInfo, ScopeNote, ScopeToolkit};
