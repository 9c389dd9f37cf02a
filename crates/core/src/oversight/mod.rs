//! What an admin watches: what needs attention, whether the set-up is sound, why a call was
//! refused, and what to send along when asking for help.

mod attention;
mod desktop;
mod diagnostics;
mod explain;
mod self_check;
mod served;
mod signals;
mod trouble;

pub use attention::{About, Attention, Fix, Weight};
pub use desktop::desktop_checks;
pub use diagnostics::without_places;
pub use explain::{Explanation, Rung, RungState};
pub use self_check::{Finding, FindingState};
pub use served::{CHALLENGE_HEADER, FOLDER_HEADER, LONGEST_CHALLENGE, PROOF_HEADER, Served};
pub use signals::Signals;
pub use trouble::TroubledCall;
