//! The gateway as applications and attackers meet it: over TCP.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests"
)]

mod access;
mod beyond;
mod common;
mod connections;
mod field;
mod field_connections;
mod forwarding;
mod hostile;
mod listening;
mod mcp;
mod oversight;
mod permissions;
mod service;
mod strangers;
mod tls;
#[cfg(target_os = "linux")]
mod workers;
