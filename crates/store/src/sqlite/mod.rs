//! The SQLite database: one file, WAL, one writer at a time in this process, other
//! processes welcome.

mod activity;
mod approvals;
mod backup;
mod connections;
mod copying;
mod database;
mod error;
mod file_identity;
mod health;
mod integrations;
mod keys;
mod migration;
mod notices;
mod private;
mod profile_secret;
mod reports;
mod reserve;
mod service;
mod settings;
mod sign_ins;
mod troubled;
mod unsettled;
mod usage;
mod watch;

pub use database::{DATABASE_FILE, Sqlite};
pub use migration::DATABASE_FORMAT;
