//! A PostgreSQL database that any number of hosts share.
//!
//! Whoever changes something holds the rows of its topics in `revisions` first, in one order everywhere, and appends to
//! the record last: so units of work of all hosts that could see each other's half follow one another, and those that
//! could not run beside each other.

mod activity;
mod address;
mod approvals;
mod backup;
mod connections;
mod counting;
mod database;
mod db;
mod engine;
mod fault;
mod heard;
mod hosts;
mod import;
mod integrations;
mod keys;
mod leases;
mod link;
mod listener;
mod locks;
mod mark;
mod marks;
mod migration;
mod notices;
mod pool;
mod profile_secret;
mod pulse;
mod record;
mod reports;
mod revisions;
mod sealed;
mod service;
mod settings;
mod sign_ins;
mod tls;
mod troubled;
mod unsettled;
mod usage;
mod verify;
mod watch;

pub use database::Postgres;
pub use import::Imported;
