//! Hears what other hosts change: what the listener has read last, against what was told here last.

use std::sync::Arc;
use std::time::Duration;

use atthene_core::port::{Revisions, Watcher};
use atthene_core::{Change, StoreError};

use super::heard::Heard;
use super::listener;
use super::pool::Pool;

pub(super) struct Hearing {
    heard: Arc<Heard>,
    told: Revisions,
    task: tokio::task::AbortHandle,
    // The task runs for as long as the engine does.
    _pool: Arc<Pool>,
}

impl Hearing {
    pub(super) fn begin(pool: Arc<Pool>, told: Revisions) -> Result<Self, StoreError> {
        let heard = Arc::new(Heard::new(told));
        let ends = || StoreError::Unreachable { reason: "this program ends".to_owned() };
        let handle = pool.engine().handle().ok_or_else(ends)?;
        let task = handle.spawn(listener::run(pool.address().clone(), heard.clone())).abort_handle();
        Ok(Self { heard, told, task, _pool: pool })
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watcher for Hearing {
    fn poll(&mut self) -> Result<Vec<Change>, StoreError> {
        let now = self.heard.revisions()?;
        let before = std::mem::replace(&mut self.told, now);
        Ok(now.changed_since(&before))
    }

    fn age(&self) -> Option<Duration> {
        Some(self.heard.age())
    }

    fn wait(&mut self, most: Duration) {
        self.heard.wait(self.told, most);
    }
}
