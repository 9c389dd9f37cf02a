//! What one caller may ask of the gateway.

use std::time::Duration;

use atthene_core::limits;

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
    /// From the end of the forwarded head to the head of the agent runtime's answer. Agents
    /// think for minutes.
    pub runtime_head_time: Duration,
    /// To reach the agent runtime.
    pub runtime_connect_time: Duration,
    /// Connections at a time.
    pub connections: usize,
    /// How long open calls may go on once the gateway is told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_time: Duration::from_secs(30),
            head_bytes: limits::HEAD_BYTES,
            body_pause: Duration::from_secs(30),
            runtime_head_time: Duration::from_mins(10),
            runtime_connect_time: Duration::from_secs(5),
            connections: limits::CONNECTIONS,
            drain: Duration::from_secs(3),
        }
    }
}
