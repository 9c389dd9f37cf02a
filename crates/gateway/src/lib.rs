//! The gateway: checks the API key, counts its use, forwards calls to the agent runtime. One thread of its own, unless
//! whoever starts it asks for more: a second one on a small machine costs more in tail latency than it brings in calls.

mod api;
mod attachment_links;
mod caller;
mod config;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gateway;
mod hosts;
mod listeners;
mod listening;
mod not_yet;
mod problem;
mod server;
mod shared;
mod transport;
mod workers;

pub use api::metrics::serve_metrics;
pub use api::sign_in::begin_sign_in;
pub use caller::stranger::check_port;
pub use caller::{RunsIn, running_as};
pub use gateway::{Gateway, Hurry};
pub use hosts::{HostError, HostName};
pub use listening::{Listening, ListeningError, MOST_WORKERS, Workers};
pub use not_yet::refuse_meanwhile;
pub use transport::limits::Limits;
pub use transport::tls::{Certificate, CertificateDoubt, TlsFilesError};
