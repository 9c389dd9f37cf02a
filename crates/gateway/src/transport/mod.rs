//! Bytes in and out: connections, calls, forwarding, limits. What is done for speed is done here and nowhere else.

pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod caller_connection;
pub(crate) mod caller_stream;
mod connect;
pub(crate) mod connections;
pub(crate) mod forward;
pub(crate) mod head_deadline;
pub(crate) mod headers;
pub(crate) mod limits;
pub(crate) mod log_throttle;
pub(crate) mod request_id;
pub(crate) mod tls;
mod tunnel;
pub(crate) mod unserved;
mod upstream;
mod upstream_stream;
