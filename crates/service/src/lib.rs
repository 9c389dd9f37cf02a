//! A profile at work: the core with its rows, its vault and its identity platforms; the gateway; and the jobs that
//! look after all of it.

mod files;
mod jobs;
mod open;
mod running;

pub use open::open;
pub use running::Service;
