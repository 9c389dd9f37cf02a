//! Ports for programs that are told theirs.

use std::net::TcpListener;

use rand::RngExt;

/// A port that nothing listens on. It is below those that systems give to whoever asks for any (from 32,768 on Linux), so
/// that no connection takes it before the program does, nor while it is started anew.
pub fn free() -> u16 {
    loop {
        let port = rand::rng().random_range(15_000..30_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
