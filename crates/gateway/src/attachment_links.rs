//! The links that lead to attachments which a tool has named.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use atthene_core::connections::ConnectionId;
use atthene_core::hex;

/// How long a link leads somewhere.
const LASTS: Duration = Duration::from_mins(10);
/// Links at a time; the oldest go first.
const MOST: usize = 1000;

/// What a link leads to.
struct Ticket {
    connection: ConnectionId,
    /// In Graph, with the version.
    path: String,
    since: Instant,
}

/// The links that lead somewhere now. In memory: one that is left over leads nowhere after a start.
#[derive(Default)]
pub(crate) struct AttachmentLinks(Mutex<HashMap<String, Ticket>>);

impl AttachmentLinks {
    /// The path of a link to this attachment.
    pub(crate) fn link(&self, connection: &ConnectionId, path: String) -> String {
        let mut bytes = [0_u8; 16];
        rand::fill(&mut bytes[..]);
        let name = hex(&bytes);
        let link = format!("/api/amas/connections/{}/attachments/{name}", connection.as_str());
        let mut all = self.lock();
        all.retain(|_, ticket| ticket.since.elapsed() < LASTS);
        if all.len() >= MOST
            && let Some(oldest) = all.iter().min_by_key(|(_, ticket)| ticket.since).map(|(name, _)| name.clone())
        {
            all.remove(&oldest);
        }
        all.insert(name, Ticket { connection: connection.clone(), path, since: Instant::now() });
        link
    }

    /// Takes what a link leads to: the second who asks finds nothing.
    pub(crate) fn take(&self, connection: &ConnectionId, name: &str) -> Option<String> {
        let mut all = self.lock();
        let is_there = all.get(name).is_some_and(|it| it.connection == *connection && it.since.elapsed() < LASTS);
        all.remove(name).filter(|_| is_there).map(|ticket| ticket.path)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Ticket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
