//! Many hosts, each the real command with a folder of its own, that share one profile; callers at each of them; and who
//! says whether what they were answered was right.

mod callers;
mod commits;
mod delays;
mod hosts;
mod judge;
mod rounds;

pub use callers::{Callers, Pace};
pub use delays::{Delays, delays};
pub use hosts::{Fleet, FleetHost};
pub use judge::{Call, Life, Violation, judge};
pub use rounds::{Evidence, Rounds};
