//! Rows of a profile behind the core's port: `SQLite` for one machine, PostgreSQL for any number of them.

mod chain;
mod copied;
mod copied_tables;
mod keys_and_usage;
mod postgres;
mod sqlite;

pub use postgres::{Imported, Postgres};
pub use sqlite::{DATABASE_FILE, DATABASE_FORMAT, Sqlite};
