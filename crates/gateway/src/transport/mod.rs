//! Bytes in and out: accepting, connections, forwarding, limits. What is done for speed is done here and nowhere
//! else.

pub(crate) mod body;
pub(crate) mod connections;
pub(crate) mod forward;
pub(crate) mod head_deadline;
mod headers;
pub(crate) mod limits;
pub(crate) mod server;
pub(crate) mod unserved;
mod upstream;
