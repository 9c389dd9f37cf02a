//! What agents do through a connection. All access leaves here, whichever face asks for it: nothing while
//! everything is stopped. A token is handed out with a receipt first; a call that was made is told as it ended.

mod access;
mod graph;
mod graph_acts;
mod once;
mod probe;
pub mod tools;

pub use access::hand_out;
pub use graph::{GraphRequest, call_graph};
pub use graph_acts::{act_of, can_be_shown};
pub use once::{Did, WAITS_FOR_ANSWER, WorkEnd, once};
pub use probe::{ProbeStep, probe};
