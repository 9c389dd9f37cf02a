//! The service of a profile, as other processes see it. One process at a time is the service: it holds a lock, which
//! the system lets go of however it ends, and keeps in a row what it is doing.

use std::fs::File;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::gateway_state::GatewayState;
use super::signals::Seen;
use crate::error::Error;
use crate::files;
use crate::use_cases::Core;

/// The lock, beside those of the ports that are served.
const NAME: &str = "service";
/// Somebody who waits for the service to end holds the lock for a moment when it has.
const TRIES: u32 = 5;
const BETWEEN: Duration = Duration::from_millis(20);

/// What the service of a profile is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its process.
    pub process: u32,
    pub gateway: GatewayState,
    /// Who starts another one when it ends.
    pub keeper: Keeper,
    /// At which addresses keys come in clear text from other machines, as far as this process can tell.
    #[serde(default)]
    pub in_clear: Vec<SocketAddr>,
    pub(crate) seen: Seen,
}

/// Who sees to it that there is a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeper {
    /// The window, or the start at login.
    Window,
    /// A person or a supervisor such as systemd, who may be about to start it again.
    Other,
}

/// Held by the process that is the service.
pub struct ServiceLease(#[expect(dead_code, reason = "held, not read")] File);

impl Core {
    /// Makes this process the service of the profile; `None`: another one is.
    pub fn become_service(&self) -> Result<Option<ServiceLease>, Error> {
        let file = self.service_lock()?;
        for attempt in 0..TRIES {
            if attempt > 0 {
                std::thread::sleep(BETWEEN);
            }
            if file.try_lock().is_ok() {
                self.store.begin_service()?;
                return Ok(Some(ServiceLease(file)));
            }
        }
        Ok(None)
    }

    /// Forgets what a service that has ended told, and that it was asked to end. For whoever starts the next one.
    pub fn forget_service(&self) -> Result<(), Error> {
        Ok(self.store.begin_service()?)
    }

    /// Whether a process is the service of the profile now.
    pub fn has_service(&self) -> bool {
        self.service_lock().is_ok_and(|file| file.try_lock_shared().is_err())
    }

    /// Blocks until no process is the service.
    pub fn wait_for_end_of_service(&self) -> Result<(), Error> {
        self.service_lock()?.lock_shared().map_err(unwatched)
    }

    /// Keeps what the service is doing, and what it sees, for the other processes. For the service itself.
    pub fn tell_service_status(
        &self,
        gateway: GatewayState,
        keeper: Keeper,
        in_clear: &[SocketAddr],
    ) -> Result<(), Error> {
        let (process, seen) = (std::process::id(), self.signals.seen());
        let status = ServiceStatus { process, gateway, keeper, in_clear: in_clear.to_vec(), seen };
        let status = serde_json::to_string(&status).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(self.store.save_service_status(&status)?)
    }

    /// What the service is doing; `None`: there is none.
    pub fn service_status(&self) -> Result<Option<ServiceStatus>, Error> {
        if !self.has_service() {
            return Ok(None);
        }
        self.last_service_status()
    }

    /// Who keeps the service that is there, or that ended last.
    pub fn keeper_of_service(&self) -> Result<Keeper, Error> {
        Ok(self.last_service_status()?.map_or(Keeper::Window, |status| status.keeper))
    }

    fn last_service_status(&self) -> Result<Option<ServiceStatus>, Error> {
        // What another version wrote is like nothing: it tells anew when it has ended and started.
        Ok(self.store.service_status()?.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// From now on this process sees what the service sees, and tells [`crate::Change::Gateway`] when that changes.
    pub fn follow_service(&self) {
        self.signals.follow_service();
    }

    /// Takes over what the service sees, where this process follows it.
    pub(crate) fn see_with_service(&self) -> Result<(), Error> {
        if self.signals.follows_service() {
            let seen = self.service_status()?.map(|status| status.seen).unwrap_or_default();
            self.signals.take_over(seen);
        }
        Ok(())
    }

    /// Asks the service to end, as a person does who quits.
    pub fn ask_service_to_end(&self) -> Result<(), Error> {
        Ok(self.store.ask_service_to_end()?)
    }

    /// Whether somebody asked the service to end since it began.
    pub fn is_service_to_end(&self) -> Result<bool, Error> {
        Ok(self.store.is_service_to_end()?)
    }

    fn service_lock(&self) -> Result<File, Error> {
        let folder = self.locks();
        files::make_private_folder(&folder).map_err(unwatched)?;
        files::open_private(&folder.join(NAME)).map_err(unwatched)
    }
}

fn unwatched(error: std::io::Error) -> Error {
    Error::Internal(format!("the lock of the service can't be had: {error}"))
}
