//! Queries on `notices`.

use atthene_core::UnixMs;

use super::db::Db;
use super::fault::Fault;

/// Marks the notice as told now, unless it was told after `since`. True where it is due.
pub(super) fn claim(db: &Db<'_>, id: &str, since: UnixMs, now: UnixMs) -> Result<bool, Fault> {
    let claimed = db.run(
        "INSERT INTO notices VALUES ($1, $3) ON CONFLICT (id) DO UPDATE SET told_at = excluded.told_at
         WHERE notices.told_at <= $2",
        &[&id, &since.0, &now.0],
    )?;
    Ok(claimed > 0)
}
