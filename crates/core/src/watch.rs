//! Hears what other processes change, asked twenty times a second or as soon as there is something, so that a key
//! that another process ended is refused here within 100 ms.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::change::Change;
use crate::clock::{Clock, UnixMs};
use crate::error::{Error, StoreError};
use crate::port::Watcher;

const EVERY: Duration = Duration::from_millis(50);
/// Past this, not hearing anything is a trouble of its own: a key that ended elsewhere would go on opening here. So is
/// what was heard and could not be followed, also where rows lie elsewhere: it is known to have changed.
const DEAF: Duration = Duration::from_secs(1);
/// Rows elsewhere are confirmed each second, and an answer may take two: for that long nobody speaks of trouble.
const UNNOTICED: Duration = Duration::from_secs(3);

/// What is told of the rows besides their changes.
pub(crate) enum StoreStanding<'a> {
    /// They are as they are known now; it may be relied on for so long.
    Confirmed(Duration),
    /// They can't be had, and what is known of them is relied on for a while.
    Away(Outage<'a>),
    /// They can't be had, and what is known of them is not relied on any more.
    Lost(Outage<'a>),
    /// They can be had again; whatever was changed meanwhile was not heard. What is read now may be relied on for so
    /// long, where they lie elsewhere.
    Back(Option<Duration>),
}

pub(crate) struct Outage<'a> {
    pub(crate) why: &'a dyn std::fmt::Display,
    /// The last moment at which they were known.
    pub(crate) since: UnixMs,
    /// How long what is known is still relied on.
    pub(crate) left: Duration,
    /// Whether they lie elsewhere, so that it passes by itself.
    pub(crate) is_elsewhere: bool,
}

/// What follows from what is heard.
pub(crate) trait Follower: Send + Sync + 'static {
    /// This was changed.
    fn follow(self: &Arc<Self>, change: Change) -> Result<(), Error>;
    /// How things stand is something else now; confirmed again and again where the rows lie elsewhere.
    fn stand(self: &Arc<Self>, standing: StoreStanding<'_>) -> Result<(), Error>;
    /// For how long rows elsewhere are relied on while they can't be had.
    fn trust_period(&self) -> Duration;
}

/// What was told last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastAway {
    Nothing,
    Away,
    Lost,
}

/// The last moment at which the rows were known, by clock and stopwatch.
struct Known {
    wall: UnixMs,
    stopwatch: Duration,
}

impl Known {
    fn ago(clock: &Clock, age: Duration) -> Self {
        let age_ms = i64::try_from(age.as_millis()).unwrap_or_default();
        Self { wall: clock.now().plus(-age_ms), stopwatch: clock.stopwatch().saturating_sub(age) }
    }

    /// Whichever of the two went further: the one may be set back, and the other may stand still while the machine
    /// sleeps.
    fn elapsed(&self, clock: &Clock) -> Duration {
        let by_wall = u64::try_from(clock.now().0.saturating_sub(self.wall.0)).unwrap_or_default();
        clock.stopwatch().saturating_sub(self.stopwatch).max(Duration::from_millis(by_wall))
    }
}

/// Tells the follower of every change, on a thread of its own, until it is gone; what fails is tried again.
pub(crate) fn run<T: Follower>(watcher: Box<dyn Watcher>, clock: Clock, alive: Weak<T>) -> std::io::Result<()> {
    std::thread::Builder::new().name("store-watch".into()).spawn(move || {
        let known = Known::ago(&clock, watcher.age().unwrap_or_default());
        let mut watch =
            Watching { watcher, clock, known, followed_at: Instant::now(), told: LastAway::Nothing, due: Vec::new() };
        loop {
            watch.watcher.wait(EVERY);
            let Some(alive) = alive.upgrade() else { return };
            watch.look(&alive);
        }
    })?;
    Ok(())
}

struct Watching {
    watcher: Box<dyn Watcher>,
    clock: Clock,
    known: Known,
    followed_at: Instant,
    told: LastAway,
    /// Heard, and not followed yet.
    due: Vec<Change>,
}

impl Watching {
    fn look<T: Follower>(&mut self, alive: &Arc<T>) {
        // Asked first: what is heard then is no older than that.
        let age = self.watcher.age();
        let heard_at = Instant::now();
        let changes = match self.watcher.poll() {
            Ok(changes) => changes,
            Err(error) => return self.not_heard(alive, &error),
        };
        self.due.extend(changes.into_iter().filter(|change| !self.due.contains(change)).collect::<Vec<_>>());
        let mut failed = None;
        self.due.retain(|change| alive.follow(*change).map_err(|error| failed = Some(error)).is_err());
        if let Some(error) = failed {
            if self.followed_at.elapsed() > DEAF {
                self.lose(alive, &error);
            }
            return;
        }
        let left = |age: Duration| alive.trust_period().max(UNNOTICED).saturating_sub(age);
        if self.told != LastAway::Nothing && alive.stand(StoreStanding::Back(age.map(left))).is_err() {
            return;
        }
        self.told = LastAway::Nothing;
        self.followed_at = Instant::now();
        // With what it took to follow.
        let age = age.map(|age| age + heard_at.elapsed());
        self.known = Known::ago(&self.clock, age.unwrap_or_default());
        if let Some(age) = age {
            let _ = alive.stand(StoreStanding::Confirmed(left(age)));
        }
    }

    fn not_heard<T: Follower>(&mut self, alive: &Arc<T>, error: &StoreError) {
        // A file that is another one now does not pass by waiting.
        if matches!(error, StoreError::Replaced { .. } | StoreError::Damaged(_)) {
            return self.lose(alive, error);
        }
        let Some(age) = self.watcher.age() else {
            if self.followed_at.elapsed() > DEAF {
                self.lose(alive, error);
            }
            return;
        };
        let elapsed = self.known.elapsed(&self.clock).max(age);
        let left = alive.trust_period().saturating_sub(elapsed);
        if left.is_zero() {
            self.lose(alive, error);
        } else if self.told == LastAway::Nothing {
            let outage = Outage { why: error, since: self.known.wall, left, is_elsewhere: true };
            if alive.stand(StoreStanding::Away(outage)).is_ok() {
                self.told = LastAway::Away;
            }
        }
    }

    fn lose<T: Follower>(&mut self, alive: &Arc<T>, why: &dyn std::fmt::Display) {
        if self.told == LastAway::Lost {
            return;
        }
        self.told = LastAway::Lost;
        let is_elsewhere = self.watcher.age().is_some();
        let outage = Outage { why, since: self.known.wall, left: Duration::ZERO, is_elsewhere };
        let _ = alive.stand(StoreStanding::Lost(outage));
    }
}
