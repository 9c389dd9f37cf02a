//! Until when what is known of rows elsewhere is trusted. Whoever asks at each call finds it over when it is, also where
//! the thread that hears of changes is held up itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// For good: rows of this machine are heard of, or not.
const FOR_GOOD: u64 = u64::MAX;

/// The end of the trust, by both clocks of the machine: the one that is never set may stand still while the machine
/// sleeps. Whichever comes first counts.
pub(crate) struct Trust {
    began: (Instant, SystemTime),
    by_stopwatch: AtomicU64,
    by_wall: AtomicU64,
}

impl Default for Trust {
    fn default() -> Self {
        let began = (Instant::now(), SystemTime::now());
        Self { began, by_stopwatch: AtomicU64::new(FOR_GOOD), by_wall: AtomicU64::new(FOR_GOOD) }
    }
}

impl Trust {
    /// It ends so long from now.
    pub(crate) fn ends_in(&self, left: Duration) {
        let end = |passed: Duration| u64::try_from((passed + left).as_millis()).unwrap_or(FOR_GOOD);
        self.by_wall.store(end(self.began.1.elapsed().unwrap_or_default()), Ordering::Release);
        self.by_stopwatch.store(end(self.began.0.elapsed()), Ordering::Release);
    }

    pub(crate) fn is_over(&self) -> bool {
        let is_past = |end: &AtomicU64, passed: &dyn Fn() -> Duration| {
            let end = end.load(Ordering::Acquire);
            end != FOR_GOOD && passed().as_millis() >= u128::from(end)
        };
        is_past(&self.by_stopwatch, &|| self.began.0.elapsed())
            || is_past(&self.by_wall, &|| self.began.1.elapsed().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_when_the_first_of_the_two_clocks_says_so() {
        let trust = Trust::default();
        assert!(!trust.is_over());
        trust.ends_in(Duration::from_mins(1));
        assert!(!trust.is_over());
        // The machine slept: only the wall clock went on.
        let slept = Trust { began: (trust.began.0, trust.began.1 - Duration::from_mins(2)), ..trust };
        assert!(slept.is_over());
        slept.ends_in(Duration::from_mins(1));
        assert!(!slept.is_over());
        slept.ends_in(Duration::ZERO);
        assert!(slept.is_over());
        // The clock was set back: the stopwatch still ends it.
        slept.by_wall.store(FOR_GOOD - 1, Ordering::Release);
        assert!(slept.is_over());
    }
}
