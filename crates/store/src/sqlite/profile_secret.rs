//! The one row of `profile_secret`.

use atthene_core::ProfileSecret;
use rusqlite::Connection;

/// Keeps this secret where the database has none yet.
pub(super) fn make(connection: &Connection, secret: &ProfileSecret) -> rusqlite::Result<()> {
    connection.execute("INSERT INTO profile_secret VALUES (1, ?1) ON CONFLICT DO NOTHING", [secret.bytes()])?;
    Ok(())
}

pub(super) fn read(connection: &Connection) -> rusqlite::Result<ProfileSecret> {
    connection.query_row("SELECT secret FROM profile_secret", [], |row| row.get(0).map(ProfileSecret::from_row))
}
