//! Durations in buckets, two per power of two of microseconds.

use std::time::Duration;

use serde::Serialize;
use ts_rs::TS;

/// A bucket of durations: 0 holds 0 to 1 µs, the last one everything over about an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket(pub u8);

const LAST: u8 = 63;

impl Bucket {
    /// The bucket that a duration falls into.
    pub fn of(duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let Some(octave) = micros.checked_ilog2().filter(|octave| *octave > 0) else { return Self(0) };
        let upper_half = (micros >> (octave - 1)) & 1;
        let at = u64::from(octave) * 2 + upper_half;
        Self(u8::try_from(at).unwrap_or(LAST).min(LAST))
    }
}

impl Bucket {
    /// The microseconds that it begins with.
    fn begins(self) -> f64 {
        let octave = f64::from(1_u32 << u32::from((self.0 / 2).min(31)));
        match self.0 {
            0 | 1 => 0.0,
            at if at % 2 == 0 => octave,
            _ => octave * 1.5,
        }
    }
}

/// How many calls fell into each bucket.
#[derive(Debug, Clone)]
pub(super) struct Times([u64; LAST as usize + 1]);

impl Default for Times {
    fn default() -> Self {
        Self([0; LAST as usize + 1])
    }
}

impl Times {
    pub(super) fn record(&mut self, time: Duration) {
        self.0[usize::from(Bucket::of(time).0)] += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(&other.0) {
            *sum += more;
        }
    }

    /// Those that are not empty, the shortest first.
    pub(super) fn counted(&self) -> impl Iterator<Item = (Bucket, u64)> {
        (0..).map(Bucket).zip(self.0).filter(|(_, requests)| *requests > 0)
    }
}

/// What most calls took, in microseconds, as exact as the buckets are (a third at most).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct Latency {
    /// Half of the calls took this long or less.
    pub p50_us: f64,
    /// 99 of 100 calls took this long or less.
    pub p99_us: f64,
}

impl Latency {
    /// Of counted buckets, the shortest first; `None` where nothing was counted.
    pub(crate) fn of(buckets: &[(Bucket, u64)]) -> Option<Self> {
        let all: u64 = buckets.iter().map(|(_, requests)| requests).sum();
        let at = |share: f64| {
            #[expect(clippy::cast_precision_loss, reason = "a share of calls, not their number")]
            let mut left = share * all as f64;
            for (bucket, requests) in buckets {
                #[expect(clippy::cast_precision_loss, reason = "a share of calls, not their number")]
                let requests = *requests as f64;
                if left <= requests {
                    let (from, to) = (bucket.begins(), Bucket((bucket.0 + 1).max(2)).begins());
                    return from + (to - from) * (left / requests);
                }
                left -= requests;
            }
            0.0
        };
        // The buckets know no fractions.
        (all > 0).then(|| Self { p50_us: at(0.5).round(), p99_us: at(0.99).round() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_grow_with_the_duration_and_are_two_per_octave() {
        let of = |micros| Bucket::of(Duration::from_micros(micros)).0;
        assert_eq!([of(0), of(1), of(2), of(3), of(4), of(6), of(8)], [0, 0, 2, 3, 4, 5, 6]);
        assert_eq!(Bucket::of(Duration::MAX).0, LAST);
        assert!((0..100_000).is_sorted_by_key(of));
    }

    #[test]
    fn percentiles_lie_in_the_bucket_of_their_call() {
        assert_eq!(Latency::of(&[]), None);
        let of = |micros| Bucket::of(Duration::from_micros(micros));
        let latency = Latency::of(&[(of(100), 98), (of(5000), 2)]).expect("counted");
        assert!((96.0..128.0).contains(&latency.p50_us), "{latency:?}");
        assert!((4096.0..6144.0).contains(&latency.p99_us), "{latency:?}");
    }
}
