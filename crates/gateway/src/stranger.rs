//! Who has the port that applications send their key to, where it is not this gateway.

use std::sync::Arc;

use atthene_core::Core;
use tokio::task::JoinHandle;

use crate::GatewayState;

/// Asks whoever has the port to prove that it is a gateway on this data, another process of ours. Who
/// can't is told to the admin, for as long as it has the port.
pub(crate) struct Strangers {
    core: Arc<Core>,
    looking: Option<JoinHandle<()>>,
}

impl Strangers {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core, looking: None }
    }

    /// Looks once, beside everything else: one that stays silent is asked for as long as any answer may take.
    pub(crate) fn look(&mut self, state: &GatewayState) {
        let GatewayState::PortTaken { port, by, .. } = state else { return };
        if self.looking.as_ref().is_some_and(|looking| !looking.is_finished()) {
            return;
        }
        let (core, port, by) = (self.core.clone(), *port, by.clone());
        self.looking = Some(tokio::spawn(async move {
            if let Err(error) = core.look_at_port(port, by.as_deref()).await {
                tracing::warn!(%error, "whoever has the port could not be asked who it is");
            }
        }));
    }

    /// Nobody else has the port any more. What is still being asked was asked about another time.
    pub(crate) fn are_gone(&mut self) {
        if let Some(looking) = self.looking.take() {
            looking.abort();
        }
        self.core.signals.stranger_seen(None);
    }
}
