//! What is asked for: routes, the key, and what each answers.

mod agent;
pub(crate) mod agents;
mod asked_graph;
mod attachments;
pub(crate) mod auth;
mod connections;
mod description;
mod graph_call;
pub(crate) mod guard;
mod mcp;
pub(crate) mod metrics;
pub(crate) mod next_links;
pub(crate) mod path;
pub(crate) mod routes;
pub(crate) mod sign_in;
mod unambiguous;
