//! What anybody can cause, or what goes on for long, must not fill the log: one line in a second, and how many more
//! there were.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct LogThrottle(Mutex<LastTold>);

#[derive(Default)]
struct LastTold {
    at: Option<Instant>,
    more: u64,
}

impl LogThrottle {
    /// Whether a line is due; then how many were left out since the one before.
    pub(crate) fn due(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.at.is_some_and(|at| at.elapsed() < EVERY) {
            state.more += 1;
            return None;
        }
        state.at = Some(Instant::now());
        Some(std::mem::take(&mut state.more))
    }
}
