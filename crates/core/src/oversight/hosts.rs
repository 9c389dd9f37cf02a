//! The hosts that share a profile, as an admin sees them.

use std::time::Duration;

use serde::Serialize;
use ts_rs::TS;

use super::gateway_state::GatewayState;
use crate::clock::UnixMs;
use crate::error::Error;
use crate::port::HostRow;
use crate::use_cases::Core;

/// How often a host says that it is there.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// One that has said nothing for so long is away.
const AWAY: Duration = Duration::from_secs(15);

/// One of the hosts that share a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct HostView {
    pub id: String,
    /// What people call the machine.
    pub name: String,
    /// Whether it is this one.
    pub is_here: bool,
    /// Whether its service has been heard of lately.
    pub is_there: bool,
    /// `None`: it has never served.
    pub version: Option<String>,
    /// Where its gateway answers, in its own words.
    pub address: Option<String>,
    pub serves_since: Option<UnixMs>,
    /// When it was last heard of.
    pub seen_at: Option<UnixMs>,
}

/// Where a profile lies that hosts share, and who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct SharedView {
    /// The database, without its password.
    pub url: String,
    /// By name.
    pub hosts: Vec<HostView>,
    /// Whether the window runs a gateway on this machine.
    pub gateway_beside_window: bool,
}

impl Core {
    /// Who shares this profile, by name. `None`: it is this machine's alone. Blocks.
    pub fn hosts(&self) -> Result<Option<Vec<HostView>>, Error> {
        let Some(shared) = self.store.shared() else { return Ok(None) };
        Ok(Some(shared.hosts()?.into_iter().map(view).collect()))
    }

    /// Whether several hosts may share this profile.
    pub fn is_shared(&self) -> bool {
        self.store.shared().is_some()
    }

    /// Tells the others that this host's service is there, and has been since then. Blocks.
    pub fn beat(&self, since: UnixMs) -> Result<(), Error> {
        let Some(shared) = self.store.shared() else { return Ok(()) };
        let address = match self.service_status()?.map(|status| status.gateway) {
            Some(GatewayState::Listening { url } | GatewayState::Refusing { url, .. }) => url,
            _ => String::new(),
        };
        Ok(shared.beat(env!("CARGO_PKG_VERSION"), &address, since)?)
    }

    /// The time by this machine's clock.
    pub fn now(&self) -> UnixMs {
        self.clock.now()
    }

    /// Forgets a host that left for good; what it did stays on record. Whether there was one. Blocks.
    pub fn forget_host(&self, id: &str) -> Result<bool, Error> {
        let Some(shared) = self.store.shared() else { return Ok(false) };
        Ok(shared.forget(id)?)
    }
}

fn view(row: HostRow) -> HostView {
    let HostRow { id, name, is_here, seen, .. } = row;
    HostView {
        id,
        name,
        is_here,
        is_there: seen.as_ref().is_some_and(|seen| seen.ago < AWAY),
        version: seen.as_ref().map(|seen| seen.version.clone()),
        address: seen.as_ref().map(|seen| seen.address.clone()).filter(|address| !address.is_empty()),
        serves_since: seen.as_ref().map(|seen| seen.started_at),
        seen_at: seen.as_ref().map(|seen| seen.at),
    }
}
