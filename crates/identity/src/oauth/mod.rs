//! OAuth 2.0 and OpenID Connect, as the RFCs have them.

pub(crate) mod device;
pub(crate) mod discovery;
mod failure;
pub(crate) mod id_token;
pub(crate) mod lenient;
pub(crate) mod token;

pub(crate) use failure::ErrorBody;
