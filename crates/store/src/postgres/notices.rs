//! Queries on `notices`.

use atthene_core::UnixMs;

use super::db::Db;
use super::fault::Fault;

/// Marks the notice as told on this host now, unless it was told there after `since`. True where it is due. Each host
/// tells its own: nobody sees the notifications of another one's desktop.
pub(super) fn claim(db: &Db<'_>, host: &str, id: &str, since: UnixMs, now: UnixMs) -> Result<bool, Fault> {
    let claimed = db.run(
        "INSERT INTO notices VALUES ($1, $3) ON CONFLICT (id) DO UPDATE SET told_at = excluded.told_at
         WHERE notices.told_at <= $2",
        &[&format!("{id} on {host}"), &since.0, &now.0],
    )?;
    Ok(claimed > 0)
}
