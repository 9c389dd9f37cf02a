//! What is asked for: routes, the key, and what each answers.

mod agent;
mod auth;
mod connections;
pub(crate) mod guard;
pub(crate) mod metrics;
mod path;
pub(crate) mod routes;
pub(crate) mod sign_in;
