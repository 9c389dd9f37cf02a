//! Microsoft's clouds: each has its own sign-in, Graph and portal hosts, and registrations
//! of one are unknown to the others.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// One of Microsoft's clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Cloud {
    /// The public one, US GCC included.
    Global,
    /// US Government, GCC High.
    UsGovernmentL4,
    /// US Government, Department of Defense.
    UsGovernmentL5,
    /// China, run by 21Vianet.
    China,
}

impl Cloud {
    pub const ALL: [Self; 4] = [Self::Global, Self::UsGovernmentL4, Self::UsGovernmentL5, Self::China];

    /// Where people sign in.
    pub fn login_host(self) -> &'static str {
        match self {
            Self::Global => "login.microsoftonline.com",
            Self::UsGovernmentL4 | Self::UsGovernmentL5 => "login.microsoftonline.us",
            Self::China => "login.partner.microsoftonline.cn",
        }
    }
}
