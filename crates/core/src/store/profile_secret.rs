//! The one row of `profile_secret`.

use rusqlite::Connection;

use crate::error::Error;
use crate::profile_secret::ProfileSecret;

/// Makes the secret where the database has none yet.
pub(super) fn make(connection: &Connection) -> Result<(), Error> {
    let secret = ProfileSecret::generate()?;
    connection.execute("INSERT INTO profile_secret VALUES (1, ?1) ON CONFLICT DO NOTHING", [secret.bytes()])?;
    Ok(())
}

pub(super) fn read(connection: &Connection) -> Result<ProfileSecret, Error> {
    Ok(ProfileSecret::from_row(connection.query_row("SELECT secret FROM profile_secret", [], |row| row.get(0))?))
}
