//! Wall-clock time as the store keeps it, and where it comes from.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, TS)]
pub struct UnixMs(#[ts(type = "number")] pub i64);

impl UnixMs {
    pub const MINUTE: i64 = 60_000;
    pub const HOUR: i64 = 3_600_000;
    pub const DAY: i64 = 24 * Self::HOUR;

    /// This moment moved by `ms` milliseconds, kept within the range of the type.
    #[must_use]
    pub fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// This moment and so much time.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        self.plus(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
    }

    /// The start of the UTC hour that this moment lies in.
    #[must_use]
    pub fn hour(self) -> Self {
        Self(self.0 - self.0.rem_euclid(Self::HOUR))
    }
}

impl UnixMs {
    /// The moment as RFC 3339 writes it, with three digits for milliseconds: so it sorts as text.
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_millisecond(self.0).map_or_else(|_| self.0.to_string(), |at| format!("{at:.3}"))
    }
}

/// Where "now" comes from, and a stopwatch beside it: what lasts must not be measured by a clock that somebody, or
/// the network, sets. A type of its own so that tests move both.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> UnixMs + Send + Sync>,
    stopwatch: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// Both, when they began to be asked.
    began: (UnixMs, Duration),
}

/// How far clock and stopwatch may part: a machine that sleeps stops the stopwatch only.
const APART: Duration = Duration::from_hours(30 * 24);

impl Clock {
    /// The operating system's wall clock and monotonic clock.
    pub fn system() -> Self {
        let started = Instant::now();
        let wall = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        };
        Self::with_stopwatch(wall, move || started.elapsed())
    }

    /// A clock that asks `now`. Its stopwatch goes on as far as the clock goes forward; set back, it stands still.
    pub fn from_fn(now: impl Fn() -> UnixMs + Send + Sync + 'static) -> Self {
        let wall: Arc<dyn Fn() -> UnixMs + Send + Sync> = Arc::new(now);
        let seen = Mutex::new((wall(), 0_i64));
        let asked = wall.clone();
        let stopwatch = move || {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let now = asked();
            *seen = (now, seen.1 + (now.0 - seen.0.0).max(0));
            Duration::from_millis(seen.1.unsigned_abs())
        };
        Self::with_stopwatch(move || wall(), stopwatch)
    }

    /// A clock and a stopwatch that go their own ways.
    pub fn with_stopwatch(
        now: impl Fn() -> UnixMs + Send + Sync + 'static,
        stopwatch: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        let began = (now(), stopwatch());
        Self { wall: Arc::new(now), stopwatch: Arc::new(stopwatch), began }
    }

    pub fn now(&self) -> UnixMs {
        (self.wall)()
    }

    /// Whether the clock was not set far since it began to be asked: what deletes old things must not believe one that was.
    pub fn is_steady(&self) -> bool {
        let (wall, stopwatch) = self.began;
        let lasted = i64::try_from(self.stopwatch().saturating_sub(stopwatch).as_millis()).unwrap_or(i64::MAX);
        let passed = self.now().0.saturating_sub(wall.0);
        u128::from(passed.abs_diff(lasted)) < APART.as_millis()
    }

    /// The time on the stopwatch, which is never set back: only what lies between two readings means something.
    pub fn stopwatch(&self) -> Duration {
        (self.stopwatch)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({})", self.now().0)
    }
}
