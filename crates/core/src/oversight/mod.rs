//! What an admin watches: what needs attention, whether the set-up is sound, why a call was
//! refused, and what to send along when asking for help.

mod attention;
mod causes;
mod desktop;
mod diagnostics;
mod explain;
mod gateway_state;
mod hosts;
mod needs;
mod port_owner;
mod self_check;
mod service;
mod serving;
mod signals;
mod trial;
mod trouble;

pub use attention::{About, Attention, Fix, Harm, Weight};
pub use desktop::desktop_checks;
pub use diagnostics::without_places;
pub use explain::{Explanation, Rung, RungState};
pub use gateway_state::GatewayState;
pub use hosts::{FleetAct, Forgotten, HEARTBEAT, HostView, SharedView};
pub use port_owner::{CHALLENGE_HEADER, FOLDER_HEADER, LONGEST_CHALLENGE, PROOF_HEADER, PortOwner};
pub use self_check::{Finding, FindingState};
pub use service::{Keeper, ServiceLease, ServiceStatus};
pub use serving::Serving;
pub use signals::{Signals, StoreAway};
pub use trial::{TRIAL_AGENT, TrialCall};
pub use trouble::TroubledCall;
