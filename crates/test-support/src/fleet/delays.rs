//! How long gateways took to hear of a key's end. Never asserted.

use std::collections::BTreeMap;

use super::judge::{Call, Life};

/// Microseconds from the stamp of the commit to the end of the first call that was refused, in order.
#[derive(Debug, Default)]
pub struct Delays {
    /// Of each end at each gateway that had accepted the key.
    pub all: Vec<i64>,
    /// Of each end at the gateway that was the last.
    pub last: Vec<i64>,
}

/// The delays that these calls have seen.
pub fn delays(lives: &[Life], calls: &[Call]) -> Delays {
    let mut known = BTreeMap::<(usize, usize), i64>::new();
    let mut refused = BTreeMap::<(usize, usize), i64>::new();
    for call in calls {
        let at = (call.key, call.gateway);
        let Some(ended) = lives[call.key].ended else { continue };
        if call.status == 200 && call.ended <= ended {
            known.insert(at, ended);
        } else if call.status == 401 && call.ended >= ended {
            let first = refused.entry(at).or_insert(call.ended);
            *first = (*first).min(call.ended);
        }
    }
    let mut last = BTreeMap::<usize, i64>::new();
    let mut all = Vec::new();
    for (at, ended) in known {
        let Some(first) = refused.get(&at) else { continue };
        let delay = first - ended;
        let slowest = last.entry(at.0).or_default();
        *slowest = (*slowest).max(delay);
        all.push(delay);
    }
    all.sort_unstable();
    let mut last: Vec<_> = last.into_values().collect();
    last.sort_unstable();
    Delays { all, last }
}

impl Delays {
    /// Of so many hundredths of all, milliseconds.
    pub fn ms(all: &[i64], hundredths: usize) -> f64 {
        let at = (all.len() * hundredths / 100).min(all.len().saturating_sub(1));
        all.get(at).map_or(f64::NAN, |us| std::time::Duration::from_micros(us.cast_unsigned()).as_secs_f64() * 1e3)
    }
}
