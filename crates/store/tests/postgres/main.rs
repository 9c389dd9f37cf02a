//! PostgreSQL as several hosts use it: real servers, real connections, and what happens to both.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests"
)]

mod connections;
mod fleet;
mod proxy;
mod record;
mod rows;
mod tls;
mod watch;
