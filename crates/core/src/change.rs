//! What the core tells the rest: one enum of domain events on one broadcast.

use serde::Serialize;
use tokio::sync::broadcast;
use ts_rs::TS;

/// Something changed. Carries no data: a listener reads again what it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Change {
    /// A key was created or ended, here or by another process.
    Keys,
    Usage,
    /// A setting was saved, here or by another process.
    Settings,
    /// An integration was added, changed, checked or removed, here or by another process.
    Integrations,
    /// A connection was made, refreshed, used or removed, here or by another process.
    Connections,
    /// A sign-in has come further.
    SignIns,
    /// The gateway started, stopped or could not listen.
    Gateway,
    /// A row was added to the record, here or by another process.
    Activity,
    /// An agent asked for something, or a person answered, here or in another process.
    Approvals,
    /// What needs attention may be something else now.
    Attention,
}

/// The broadcast that carries [`Change`]s.
#[derive(Debug, Clone)]
pub struct Changes(broadcast::Sender<Change>);

impl Default for Changes {
    fn default() -> Self {
        // A listener that falls this far behind is told so and reads everything again.
        Self(broadcast::channel(64).0)
    }
}

impl Changes {
    pub fn publish(&self, change: Change) {
        // No listener is not an error: a command line has none.
        let _ = self.0.send(change);
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.0.subscribe()
    }
}
