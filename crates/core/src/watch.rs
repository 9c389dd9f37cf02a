//! Hears what other processes change, asked twenty times a second or as soon as there is something, so that a key
//! that another process ended is refused here within 100 ms.

use std::fmt::Display;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::change::Change;
use crate::error::{Error, StoreError};
use crate::port::Watcher;

const EVERY: Duration = Duration::from_millis(50);
/// Past this, not hearing anything is a trouble of its own: a key that ended elsewhere would go on opening here.
const DEAF: Duration = Duration::from_secs(1);

/// Runs `on_change` for every change, on a thread of its own, until `alive` is gone; `on_trouble` when nothing can be
/// heard or followed any more, and with `None` once it can; what fails is tried again.
pub(crate) fn run<T: Send + Sync + 'static>(
    mut watcher: Box<dyn Watcher>,
    alive: Weak<T>,
    on_change: impl Fn(&Arc<T>, Change) -> Result<(), Error> + Send + 'static,
    on_trouble: impl Fn(&Arc<T>, Option<&dyn Display>) -> Result<(), Error> + Send + 'static,
) -> std::io::Result<()> {
    std::thread::Builder::new().name("store-watch".into()).spawn(move || {
        let mut heard_at = Instant::now();
        let mut is_told = false;
        // Heard, and not followed yet.
        let mut due: Vec<Change> = Vec::new();
        loop {
            watcher.wait(EVERY);
            let Some(alive) = alive.upgrade() else { return };
            match watcher.poll() {
                Ok(changes) => {
                    due.extend(changes.into_iter().filter(|change| !due.contains(change)).collect::<Vec<_>>());
                    let mut failed = None;
                    due.retain(|change| on_change(&alive, *change).map_err(|error| failed = Some(error)).is_err());
                    match failed {
                        None => {
                            heard_at = Instant::now();
                            is_told = is_told && on_trouble(&alive, None).is_err();
                        }
                        Some(error) if !is_told && heard_at.elapsed() > DEAF => {
                            is_told = true;
                            let _ = on_trouble(&alive, Some(&error));
                        }
                        Some(_) => {}
                    }
                }
                // A file that is another one now does not pass by waiting.
                Err(error) if !is_told && (is_for_good(&error) || heard_at.elapsed() > DEAF) => {
                    is_told = true;
                    let _ = on_trouble(&alive, Some(&error));
                }
                Err(_) => {}
            }
        }
    })?;
    Ok(())
}

fn is_for_good(error: &StoreError) -> bool {
    matches!(error, StoreError::Replaced { .. } | StoreError::Damaged(_))
}
