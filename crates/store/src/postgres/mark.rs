//! Marks that units of work leave, so that one whose confirmation was lost can be asked about.
//!
//! A number of a transaction would not do: after a crash of the database the next ones get the same numbers.

use std::sync::atomic::{AtomicI64, Ordering};

use rand::distr::{Alphabetic, SampleString};

/// Marks of one process that are kept at once: far more than it has units of work under way.
const KEPT: i64 = 256;

/// The marks of this process.
pub(super) struct Marks {
    process: String,
    next: AtomicI64,
}

/// What one unit of work leaves.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) process: String,
    pub(super) slot: i64,
    pub(super) number: i64,
}

impl Marks {
    pub(super) fn new() -> Self {
        Self { process: Alphabetic.sample_string(&mut rand::rng(), 16), next: AtomicI64::new(1) }
    }

    pub(super) fn draw(&self) -> Mark {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Mark { process: self.process.clone(), slot: number % KEPT, number }
    }
}

impl Mark {
    /// The statement that leaves it. Letters and numbers of our own: nothing in it has to be quoted.
    pub(super) fn sql(&self) -> String {
        let Self { process, slot, number } = self;
        format!(
            "INSERT INTO marks VALUES ('{process}', {slot}, {number}, now())
             ON CONFLICT (process, slot) DO UPDATE SET n = excluded.n, at = excluded.at"
        )
    }
}
