//! Durations in buckets, two per power of two of microseconds.

use std::time::Duration;

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
}
