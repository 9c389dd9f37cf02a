//! Who has the port that applications send their key to, where it is not this gateway.

use std::sync::Arc;
use std::time::{Duration, Instant};

use atthene_core::oversight::PortOwner;
use atthene_core::{Core, Error};
use tokio::task::JoinHandle;

use super::platform::listener_on;

/// How often is looked who is on the port while this gateway is not to be there.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// Asks whoever has the port to prove that it is a gateway on this data, another process of ours. Who
/// can't is told to the admin, for as long as it has the port.
pub(crate) struct Strangers {
    core: Arc<Core>,
    looking: Option<JoinHandle<()>>,
    looked_at: Option<Instant>,
}

impl Strangers {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core, looking: None, looked_at: None }
    }

    /// Looks once, beside everything else: one that stays silent is asked for as long as any answer may take.
    pub(crate) fn check(&mut self, port: u16) {
        if self.looking.as_ref().is_some_and(|looking| !looking.is_finished()) {
            return;
        }
        self.looked_at = Some(Instant::now());
        let core = self.core.clone();
        self.looking = Some(tokio::spawn(async move {
            match check_port(&core, port).await {
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "whoever has the port could not be asked who it is"),
            }
        }));
    }

    /// The same now and then: while the gateway is off, applications may still send their key to its port.
    pub(crate) fn watch(&mut self, port: u16) {
        if self.looked_at.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            self.check(port);
        }
    }

    /// Nobody else has the port any more. What is still being asked was asked about another time.
    pub(crate) fn are_gone(&mut self) {
        if let Some(looking) = self.looking.take() {
            looking.abort();
        }
        self.looked_at = None;
        self.core.signals.stranger_seen(None);
    }
}

/// Who is on the port, with the name of the program where it can be told. A stranger there needs attention
/// from then on. Waits for the answer.
pub async fn check_port(core: &Core, port: u16) -> Result<(PortOwner, Option<String>), Error> {
    let owner = core.port_owner(port).await?;
    let who = match owner {
        PortOwner::ByNone => None,
        _ => tokio::task::spawn_blocking(move || listener_on(port)).await.ok().flatten(),
    };
    core.saw_on_port(port, owner, who.as_deref());
    Ok((owner, who))
}
