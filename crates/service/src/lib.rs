//! A profile at work: the core with its rows, its vault and its identity platforms; the gateway; and the jobs that
//! look after all of it.

mod files;
pub mod fleet;
mod jobs;
mod log_file;
mod open;
mod reporter;
mod running;
mod vault;

pub use log_file::log_file;
pub use open::open;
pub use running::Service;
