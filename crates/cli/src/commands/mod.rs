//! The commands, one module for each word of the product.

pub(crate) mod activity;
pub(crate) mod approval;
pub(crate) mod config;
pub(crate) mod connection;
pub(crate) mod fleet;
pub(crate) mod health;
pub(crate) mod integration;
pub(crate) mod key;
mod listening;
pub(crate) mod mcp;
pub(crate) mod permit;
pub(crate) mod serve;
