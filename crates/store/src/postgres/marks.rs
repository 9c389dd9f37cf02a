//! Queries on `marks`.

use super::db::{Db, get};
use super::fault::Fault;
use super::mark::Mark;

/// Whether it was left. Where its unit of work still runs, this waits for that one's end; afterwards it can't be left any
/// more.
pub(super) fn was_left(db: &Db<'_>, mark: &Mark) -> Result<bool, Fault> {
    let row = db.one(
        "INSERT INTO marks VALUES ($1, $2, 0, now())
         ON CONFLICT (process, slot) DO UPDATE SET n = marks.n RETURNING n",
        &[&mark.process, &mark.slot],
    )?;
    Ok(get::<i64>(&row, "n")? == mark.number)
}

/// Forgets marks of processes that are long gone.
pub(super) fn forget_old(db: &Db<'_>) -> Result<(), Fault> {
    db.run("DELETE FROM marks WHERE at < now() - interval '1 day'", &[]).map(drop)
}
