//! Rows of a profile behind the core's port: `SQLite` for one machine, `PostgreSQL` for any number of them.

mod chain;
mod postgres;
mod sqlite;

pub use postgres::Postgres;
pub use sqlite::{DATABASE_FILE, DATABASE_FORMAT, Sqlite};
