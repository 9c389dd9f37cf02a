//! Rows of a profile behind the core's port. `SQLite` is the one adapter so far; another one is a folder beside it.

mod sqlite;

pub use sqlite::{DATABASE_FILE, DATABASE_FORMAT, Sqlite};
