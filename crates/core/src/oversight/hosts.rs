//! The hosts that share a profile, as an admin sees them.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use ts_rs::TS;

use super::gateway_state::GatewayState;
use crate::activity::{ActOutcome, Entry, Kind};
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

/// What became of a host that was to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forgotten {
    /// The one of this name is off the list, until it serves again.
    Done(String),
    /// The one of this name is there, or is the one that asks: it would be on the list again within seconds.
    StillThere(String),
    /// None has this id.
    Unknown,
}

/// What a host did about who shares a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FleetAct {
    /// Put its own profile into the database.
    Shared,
    /// Made an invite.
    Invited,
    /// Took part; or, taking part already, was given the fleet key that is in force.
    Joined {
        is_renewed: bool,
    },
    Left,
    /// Sealed so many secrets under a new fleet key.
    KeyChanged {
        resealed: usize,
    },
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

    /// Takes a host that is gone off the list; what it did stays on record. Blocks.
    pub fn forget_host(&self, id: &str) -> Result<Forgotten, Error> {
        let found = self.hosts()?.into_iter().flatten().find(|host| host.id == id);
        let (Some(host), Some(shared)) = (found, self.store.shared()) else { return Ok(Forgotten::Unknown) };
        if host.is_there || host.is_here {
            return Ok(Forgotten::StillThere(host.name));
        }
        let entry = self.entry_of_host(&host, Kind::HostForgotten, json!({}));
        let was_there = shared.forget(id, &entry)?;
        // Otherwise somebody else was faster.
        Ok(if was_there { Forgotten::Done(host.name) } else { Forgotten::Unknown })
    }

    /// Puts on record what this host has done about who shares the profile. A host that left is taken off the list.
    /// Blocks.
    pub fn record_fleet_act(&self, act: FleetAct) -> Result<(), Error> {
        let here = self.hosts()?.into_iter().flatten().find(|host| host.is_here);
        let (Some(here), Some(shared)) = (here, self.store.shared()) else { return Ok(()) };
        let (kind, detail) = match act {
            FleetAct::Shared => (Kind::ProfileShared, json!({})),
            FleetAct::Invited => (Kind::HostInvited, json!({})),
            FleetAct::Joined { is_renewed } => (Kind::HostJoined, json!({ "renewed": is_renewed })),
            FleetAct::Left => (Kind::HostLeft, json!({})),
            FleetAct::KeyChanged { resealed } => (Kind::FleetKeyChanged, json!({ "secrets": resealed })),
        };
        let entry = self.entry_of_host(&here, kind, detail);
        match act {
            FleetAct::Left => shared.forget(&here.id, &entry).map(drop)?,
            _ => self.store.append(&entry)?,
        }
        Ok(())
    }

    fn entry_of_host<'a>(&self, host: &'a HostView, kind: Kind, mut detail: Value) -> Entry<'a> {
        detail["name"] = Value::from(host.name.as_str());
        self.recorder.entry(kind, &host.id, ActOutcome::Done, detail)
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
