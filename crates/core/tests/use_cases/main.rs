//! The core as its faces use it: real SQLite in a temporary folder, real argon2, several
//! processes.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "tests"
)]

mod approvals;
mod backups;
mod bound;
mod durability;
mod field;
mod fleet;
mod fleet_key;
mod hosts;
mod import;
mod integrations;
mod lifecycle;
mod maintenance;
mod outage;
mod oversight;
mod problems;
mod refresh;
mod refresh_across_hosts;
mod settings;
mod sign_in;
mod timeline;
mod updates;
mod usage;
