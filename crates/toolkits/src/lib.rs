//! What agents do through a connection. All access leaves here, whichever face asks for it: nothing while
//! everything is stopped, and nothing that is not on record.

mod access;
mod graph;
mod probe;

pub use access::hand_out;
pub use graph::{GraphRequest, call_graph};
pub use probe::{ProbeStep, probe};
