//! Profiles that several hosts share: which one a data folder takes part in, and how it comes and goes.
//!
//! A host keeps two things for itself: a file that says where the rows lie, with nothing secret in it, and one entry of its
//! own vault that holds the database's password and the fleet key. Everything else is beside the rows.

mod act;
mod error;
mod host_secrets;
mod membership;
mod place;
mod take_part;

pub use act::{
    Joined, Left, Moved, forget_host, init, invite, join, leave, read_invite, rotate_key, run_gateway_beside_window,
};
pub use error::FleetError;
pub use membership::Membership;
pub(crate) use take_part::{SharedParts, take_part};
