//! The one row of `profile_secret`.

use atthene_core::ProfileSecret;

use super::db::{Db, get};
use super::fault::Fault;

/// Keeps this secret where the database has none yet.
pub(super) fn make(db: &Db<'_>, secret: &ProfileSecret) -> Result<(), Fault> {
    db.run("INSERT INTO profile_secret VALUES (1, $1) ON CONFLICT DO NOTHING", &[&secret.bytes().as_slice()]).map(drop)
}

pub(super) fn read(db: &Db<'_>) -> Result<ProfileSecret, Fault> {
    let row = db.one("SELECT secret FROM profile_secret", &[])?;
    let bytes: &[u8] = get(&row, "secret")?;
    let bytes =
        bytes.try_into().map_err(|_| Fault::Unreadable("the profile's secret has another length".to_owned()))?;
    Ok(ProfileSecret::from_row(bytes))
}
