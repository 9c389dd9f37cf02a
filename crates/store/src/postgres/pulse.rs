//! Whether a connection still hears notifications: one may be without them and answer every question all the same.
//!
//! One host asks for all. PostgreSQL wakes every connection of a database that listens for anything, whatever was said,
//! so that hosts which each asked for themselves would cost it the square of their number.

use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

/// The channel on which one asks and all hear.
pub(super) const CHANNEL: &str = "atthene_beat";

/// How long nothing is heard until a host asks: so long, and at the most this much more. Whoever asks first has asked for
/// all who hear it.
const SOONEST: Duration = Duration::from_millis(2500);
const SPREAD: Duration = Duration::from_millis(2500);
/// How long the answer may take.
const ANSWER: Duration = Duration::from_secs(2);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    /// It is asked then, where nothing is heard before.
    Rests(Instant),
    /// It was asked; the answer is there by then, or it never comes.
    Asked(Instant),
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ask,
    /// The connection hears nothing any more.
    Deaf,
}

impl Pulse {
    /// Something was heard, or the connection is new.
    pub(super) fn heard(now: Instant) -> Self {
        // Few draw a short pause: so of many hosts about as few ask at once as of two.
        let share = rand::rng().random_range(0.0_f64..1.0).powf(0.125);
        Self::Rests(now + SOONEST + SPREAD.mul_f64(share))
    }

    /// When it is to be looked at again.
    pub(super) fn next(&self) -> Instant {
        let (Self::Rests(at) | Self::Asked(at)) = self;
        *at
    }

    /// What is to be done now.
    pub(super) fn look(&mut self, now: Instant) -> Due {
        if now < self.next() {
            return Due::Nothing;
        }
        if matches!(self, Self::Asked(_)) {
            return Due::Deaf;
        }
        *self = Self::Asked(now + ANSWER);
        Due::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hears_nothing_asks_and_is_deaf_where_that_is_not_heard_either() {
        let start = Instant::now();
        let latest = start + SOONEST + SPREAD;
        let mut pulse = Pulse::heard(start);
        assert!((start + SOONEST..=latest).contains(&pulse.next()));
        assert_eq!(pulse.look(start + SOONEST - Duration::from_millis(1)), Due::Nothing);
        assert_eq!(pulse.look(latest), Due::Ask);
        assert_eq!(pulse.look(latest + ANSWER / 2), Due::Nothing, "asked once");
        assert_eq!(pulse.look(latest + ANSWER), Due::Deaf);
        pulse = Pulse::heard(latest);
        assert_eq!(pulse.look(latest + ANSWER), Due::Nothing, "it was heard");
    }

    #[test]
    fn of_a_thousand_hosts_few_ask_at_once() {
        // On its way to the others, what one asks takes a moment.
        const ON_ITS_WAY: Duration = Duration::from_millis(100);
        let start = Instant::now();
        let asked = (0..50).map(|_| {
            let pauses: Vec<_> = (0..1000).map(|_| Pulse::heard(start).next()).collect();
            let first = pauses.iter().min().copied().unwrap_or(start);
            pauses.iter().filter(|at| **at <= first + ON_ITS_WAY).count()
        });
        let asked: usize = asked.sum();
        // 1.7 each time on average; ten would be a third of the whole traffic.
        assert!(asked < 50 * 4, "{asked} asked in 50 times");
    }
}
