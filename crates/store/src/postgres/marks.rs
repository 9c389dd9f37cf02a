//! Marks that units of work leave, so that one whose confirmation was lost can be asked about.
//!
//! A number of a transaction would not do: after a crash of the database the next ones get the same numbers.

use std::sync::atomic::{AtomicI64, Ordering};

use rand::distr::{Alphabetic, SampleString};

use super::db::{Db, get};
use super::fault::Fault;

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
    process: String,
    slot: i64,
    number: i64,
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

    /// Whether it was left. Where its unit of work still runs, this waits for that one's end; afterwards it can't be
    /// left any more.
    pub(super) fn was_left(&self, db: &Db<'_>) -> Result<bool, Fault> {
        let row = db.one(
            "INSERT INTO marks VALUES ($1, $2, 0, now())
             ON CONFLICT (process, slot) DO UPDATE SET n = marks.n RETURNING n",
            &[&self.process, &self.slot],
        )?;
        Ok(get::<i64>(&row, "n")? == self.number)
    }
}

/// Forgets marks of processes that are long gone.
pub(super) fn forget_old(db: &Db<'_>) -> Result<(), Fault> {
    db.run("DELETE FROM marks WHERE at < now() - interval '1 day'", &[]).map(drop)
}
