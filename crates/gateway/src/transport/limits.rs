//! What one caller may ask of the gateway.

use std::time::Duration;

use atthene_core::limits;
use atthene_toolkits::WAITS_FOR_ANSWER;

/// Limits that keep a slow, broken or hostile caller from taking the gateway away from others.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the beginning of a connection, or the end of the call before, to the end of a head; what
    /// takes longer is cut within half of this time again.
    pub head_time: Duration,
    /// All headers of a request, in bytes.
    pub head_bytes: usize,
    /// Between two parts of a request's body.
    pub body_pause: Duration,
    /// From the last part of the request that was sent to the head of the agent runtime's answer: only silence
    /// counts. Agents think for minutes.
    pub runtime_head_time: Duration,
    /// To reach the agent runtime, through a proxy and TLS where there are any.
    pub runtime_connect_time: Duration,
    /// For how long a call waits for a person to allow what it asks for.
    pub approval_time: Duration,
    /// Connections at a time.
    pub connections: usize,
    /// How long open calls may go on once the gateway is told to stop.
    pub drain: Duration,
}

/// Files that are left for what is no connection: the database, the log, listeners, the keychain.
const OTHER_FILES: u64 = 64;
/// Each connection has one of its own and one to whoever is called.
const FILES_A_CONNECTION: u64 = 2;
/// However few files there are, so many callers are let in.
const FEWEST_CONNECTIONS: u64 = 4;

impl Limits {
    /// The same for a process that may have `files` open: whoever is let in must not fail for want of one.
    #[must_use]
    pub fn within(self, files: u64) -> Self {
        let fitting = (files.saturating_sub(OTHER_FILES) / FILES_A_CONNECTION).max(FEWEST_CONNECTIONS);
        Self { connections: self.connections.min(usize::try_from(fitting).unwrap_or(usize::MAX)), ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_time: Duration::from_secs(30),
            head_bytes: limits::HEAD_BYTES,
            body_pause: Duration::from_secs(30),
            runtime_head_time: Duration::from_mins(10),
            runtime_connect_time: Duration::from_secs(5),
            approval_time: WAITS_FOR_ANSWER,
            connections: limits::CONNECTIONS,
            drain: Duration::from_secs(3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k2_no_more_callers_are_let_in_than_files_can_be_had() {
        let within = |files| Limits::default().within(files).connections;
        assert_eq!((within(u64::MAX), within(1088), within(1024), within(64), within(0)), (512, 512, 480, 4, 4));
    }
}
