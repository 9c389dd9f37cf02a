//! Bytes in and out: accepting, connections, forwarding, limits. What is done for speed is done here and nowhere
//! else.

pub(crate) mod body;
pub(crate) mod forward;
mod headers;
pub(crate) mod limits;
pub(crate) mod open;
pub(crate) mod patience;
pub(crate) mod server;
pub(crate) mod unserved;
mod upstream;
