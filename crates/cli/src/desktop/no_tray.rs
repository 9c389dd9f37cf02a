//! Where there is no tray: it shows nothing, and nothing is chosen in it.

use atthene_core::oversight::{Attention, GatewayState};
use tokio::sync::mpsc;

use super::chosen::Chosen;

pub(super) struct Tray {
    /// Kept, so that waiting for a choice goes on for ever.
    _choose: mpsc::UnboundedSender<Chosen>,
}

impl Tray {
    pub(super) fn new(choose: mpsc::UnboundedSender<Chosen>) -> Self {
        Self { _choose: choose }
    }

    #[allow(clippy::unused_self, reason = "as on Linux")]
    pub(super) fn has_desktop(&self) -> bool {
        true
    }

    #[allow(clippy::unused_async, reason = "as on Linux")]
    pub(super) async fn show(&mut self, _state: &GatewayState, _attention: Option<&[Attention]>) {}
}
