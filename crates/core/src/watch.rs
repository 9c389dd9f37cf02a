//! Hears what other processes change, asked twenty times a second, so that a key that another process ended
//! is refused here within 100 ms.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::change::Change;
use crate::port::Watcher;

const EVERY: Duration = Duration::from_millis(50);

/// Runs `on_change` for every change, on a thread of its own, until `alive` is gone.
pub(crate) fn run<T: Send + Sync + 'static>(
    mut watcher: Box<dyn Watcher>,
    alive: Weak<T>,
    on_change: impl Fn(&Arc<T>, Change) + Send + 'static,
) -> std::io::Result<()> {
    std::thread::Builder::new().name("store-watch".into()).spawn(move || {
        loop {
            std::thread::sleep(EVERY);
            let Some(alive) = alive.upgrade() else { return };
            match watcher.poll() {
                Ok(changes) => changes.into_iter().for_each(|change| on_change(&alive, change)),
                Err(error) => tracing::warn!(%error, "the rows could not be watched; trying again"),
            }
        }
    })?;
    Ok(())
}
