//! The loopback gateway: checks the API key, counts its use, forwards calls to the agent
//! runtime. One thread of its own with one worker: a second worker on a small machine
//! costs more in tail latency than it brings in calls.

mod api;
mod attachment_links;
mod caller;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gateway;
mod problem;
mod server;
mod shared;
mod transport;

pub use api::metrics::serve_metrics;
pub use api::sign_in::begin_sign_in;
pub use caller::stranger::check_port;
pub use caller::{RunsIn, running_as};
pub use gateway::{Gateway, Hurry};
pub use transport::limits::Limits;
